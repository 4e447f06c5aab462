import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scv.data.own.archives import ImagesError, opened
from scv.data.own.class_names import class_name
from scv.data.own.importing import plan
from tests.data.image_files import write_zip


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "needs a name"),
        (" \t", "needs a name"),
        ("x" * 61, "60 characters at most, not 61"),
        ("a/b", "cannot hold / or \\"),
        ("a\\b", "cannot hold / or \\"),
        ("a\x1b[2Jb", "cannot be shown"),
        ("a\x7fb", "cannot be shown"),
        ("\ud800", "cannot be shown"),
        ("..", "are hidden"),
        (".cat", "are hidden"),
        ("__MACOSX", "are hidden"),
        ("Thumbs.db", "are hidden"),
        ("CAT", "There is a class cat already"),
    ],
)
def test_a_name_that_would_not_come_back_is_refused_with_the_reason(typed: str, message: str) -> None:
    with pytest.raises(ImagesError) as caught:
        class_name(typed, ["cat", "dog"])
    assert message in str(caught.value)


@pytest.mark.parametrize("typed", ["cat", "train", "test", "Val", "a: 1?", '"', "{x}", "x" * 60, "👩\u200d🔬"])
def test_other_names_are_taken_as_they_are(typed: str) -> None:
    assert class_name(typed, ["cat"]) == typed


def test_letters_are_put_together_and_spaces_around_go() -> None:
    assert class_name(unicodedata.normalize("NFD", " 강아지  \n 둘 ")) == "강아지 둘"


@given(st.text(max_size=20))
def test_a_name_that_is_taken_comes_back_from_a_zip(tmp_path_factory: pytest.TempPathFactory, typed: str) -> None:
    try:
        name = class_name(typed)
    except ImagesError:
        return
    path: Path = tmp_path_factory.getbasetemp() / "names.zip"
    write_zip(path, {f"{part}/{folder}/1.png": b"" for part in ("train", "test") for folder in (name, "other")})
    with opened(path) as archive:
        assert set(plan(archive).class_names) == {name, "other"}
