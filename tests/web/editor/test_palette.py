"""The palette's search: what somebody types in a hurry comes first."""

import pytest

from scv.settings import ROOT
from scv.web.editor.palette import find_kinds
from scv.web.http.language import load_languages

LANGUAGES = load_languages(ROOT / "translations")


def types(search: str, language: str = "en") -> list[str]:
    return [kind.type for kind in find_kinds(search, LANGUAGES[language].text)]


@pytest.mark.parametrize(
    ("search", "best"),
    [
        ("conv", "Conv2d"), ("relu", "ReLU"), ("ReLU", "ReLU"), ("elu", "ELU"), ("pool", "MaxPool2d"),
        ("avg", "AvgPool2d"), ("linear", "Linear"), ("flatten", "Flatten"), ("tanh", "Tanh"), ("dropout", "Dropout"),
        ("adaptive max", "AdaptiveMaxPool2d"), ("batch", "BatchNorm2d"),
    ],
)  # fmt: skip
def test_the_best_match_comes_first_in_both_languages(search: str, best: str) -> None:
    assert types(search)[0] == best
    assert types(search, "ko")[0] == best


def test_names_come_before_what_only_mentions_the_word() -> None:
    found = types("pool")
    assert set(found[:4]) == {"MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d"}
    found = types("conv")
    assert found[:2] == ["Conv2d", "ConvTranspose2d"]
    assert "Residual" in found[2:]


def test_korean_words_find_blocks_for_korean_readers() -> None:
    assert types("합성곱", "ko")[0] == "Conv2d"
    assert types("풀링", "ko")[0] == "MaxPool2d"
    assert types("정규화", "ko")[0] == "BatchNorm2d"


def test_every_word_must_occur() -> None:
    assert types("max pool")[0] == "MaxPool2d"
    assert "AvgPool2d" not in types("max pool")
    assert types("conv rocket") == []
    assert types("  ") == []
