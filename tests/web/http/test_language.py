"""Which language a page is in: what a person chose, else what their browser asks for, else English."""

import pytest

from scv.web.http.language import choose
from tests.web.conftest import Visitor


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "en"),
        ("ko", "ko"),
        ("ko-KR", "ko"),
        ("KO-kr", "ko"),
        ("Ko", "ko"),
        ("ko-Kore-KR", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("ko-KR,en;q=0.9", "ko"),
        ("en-US,ko;q=0.9", "en"),
        ("en; q=0.5, ko; q=0.9", "ko"),
        ("en ;q=0.5 ,\tko ; q=0.9", "ko"),
        ("de;q=0.9, ko;q=0.1", "ko"),
        ("fr-CH, fr;q=0.9, de;q=0.7, *;q=0.5", "en"),
        ("fr-CH, ko;q=0.2, *;q=0.1", "ko"),
        # no Korean
        ("kok", "en"),
        ("kok-IN, kok;q=0.9", "en"),
        ("korean", "en"),
        ("k", "en"),
        ("i-ko", "en"),
        # refused
        ("ko;q=0", "en"),
        ("ko;q=0.000", "en"),
        ("ko; q=0, en; q=0.1", "en"),
        ("en;q=0, ko;q=0.1", "ko"),
        ("ko;q=0, en;q=0", "en"),
        # any
        ("*", "en"),
        ("*;q=0", "en"),
        ("*, ko;q=0.5", "ko"),
        # malformed
        ("ko;q=abc", "en"),
        ("ko;q=-1", "en"),
        ("ko;q=2", "en"),
        ("ko;q=nan", "en"),
        ("ko;q=inf", "en"),
        ("ko;q=1e400, en;q=0.1", "en"),
        ("de;q=abc, ko;q=0.5", "ko"),
        (";;;,,,=", "en"),
        (";q=1", "en"),
        ('"', "en"),
        ('"ko', "en"),
        ("\x00ko", "en"),
        ("한국어", "en"),
        # long
        ("ko" * 5000, "en"),
        ("xx," * 3300 + "ko", "en"),
        ("ko," + "xx;q=0.1," * 1100, "ko"),
        ("a-" * 5000 + "a,ko", "en"),
        ('"' * 10_000, "en"),
        (";" * 10_000, "en"),
    ],
    ids=lambda text: text if len(text) < 40 else f"{text[:12]}… {len(text)} long",
)
def test_the_language_of_a_header(accept: str, expected: str) -> None:
    assert choose([], accept) == expected


@pytest.mark.parametrize(
    ("wanted", "accept", "expected"),
    [
        ([None, None], "ko", "ko"),
        (["en", "ko"], "ko", "en"),
        ([None, "ko"], "en", "ko"),
        (["xx", None], "", "en"),
        (["kok", ""], "en", "en"),
    ],
)
def test_what_was_chosen_goes_before_the_header(wanted: list[str | None], accept: str, expected: str) -> None:
    assert choose(wanted, accept) == expected


@pytest.mark.parametrize(("accept", "expected"), [("ko-KR,en;q=0.9", "ko"), ("kok", "en"), ("ko;q=0", "en")])
async def test_a_page_follows_the_header(owner: Visitor, accept: str, expected: str) -> None:
    owner.client.cookies.clear()
    page = await owner.get("/sign-in", headers={"Accept-Language": accept})
    assert f'<html lang="{expected}">' in page.text
