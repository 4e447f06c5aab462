"""Every text a user can see has a Korean translation, and the catalogue holds nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from scv.settings import ROOT
from scv.training.diagnosis import percent
from scv.web.http.language import load_languages
from tests.web.conftest import BROKEN, Visitor, add_version, path_of

PO = ROOT / "translations" / "ko" / "LC_MESSAGES" / "scv.po"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "say": None, "mark": None}


def used() -> set[str]:
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found: set[str] = set()
    for folder in ("scv", "templates"):
        for _, _, message, _, _ in extract_from_dir(
            ROOT / folder,
            [(pattern.removeprefix(f"{folder}/"), method) for pattern, method in methods],
            {pattern.removeprefix(f"{folder}/"): given for pattern, given in options.items()},
            KEYWORDS,
        ):
            found.add(message[0] if isinstance(message, tuple) else message)
    return found


def catalogue() -> Catalog:
    return read_po(BytesIO(PO.read_bytes()))


def translated() -> Iterator[Message]:
    return (message for message in catalogue() if message.id)


def msgid(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def msgstr(message: Message) -> str:
    return message.string if isinstance(message.string, str) else message.string[0]


def test_every_text_is_in_the_catalogue_and_nothing_else() -> None:
    there = {msgid(message) for message in translated()}
    assert used() - there == set(), "not translated"
    assert there - used() == set(), "no longer used"


def test_every_translation_is_complete() -> None:
    for message in translated():
        assert msgstr(message).strip(), msgid(message)
        assert not message.fuzzy, msgid(message)


def test_translations_keep_their_places() -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for message in translated():
        assert places(msgstr(message)) == places(msgid(message)), msgid(message)
    assert list(catalogue().check()) == []


def test_the_compiled_catalogue_is_up_to_date() -> None:
    """`make` compiles it; without it Korean would silently be English."""
    with PO.with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)
    for message in translated():
        strings = compiled[message.id].string
        assert (strings if isinstance(strings, str) else strings[0]) == msgstr(message), msgid(message)


def test_figures_are_written_as_the_locale_does() -> None:
    korean, english = (load_languages(ROOT / "translations")[code] for code in ("ko", "en"))
    assert english.duration(200) == "3 min 20 s"
    assert korean.duration(200) == "3분 20초"
    assert english.duration(0.42) == "0.4 s"
    assert english.number(21114) == "21,114"
    assert english.percent(0.9746) == "97.5%"
    assert english.percent(0.1135) == percent(0.1135) == "11.4%", "sentences round as the pages do"
    assert korean.compact(1_200_000) == "120만"
    assert english.duration(0.04) == "40 ms"
    assert english.number(10**30).startswith("1,000,")
    assert english.decimal(1e30) == "1e+30"
    assert korean.moment(datetime(2026, 11, 21, 4, 3, 32, tzinfo=UTC)) == "2026. 11. 21. 오전 4:03:32 UTC"


async def test_the_chosen_language_stays(owner: Visitor) -> None:
    answer = await owner.client.post(
        "/language",
        data={"_csrf_token": await owner.csrf(), "language": "ko"},
        headers={"Referer": "http://testserver.local/models?search=a"},
    )
    assert str(answer.url).endswith("/models?search=a")
    assert '<html lang="ko">' in answer.text
    assert "내 모델" in answer.text
    owner.client.cookies.delete("scv_language")
    assert '<html lang="ko">' in (await owner.get("/models")).text


async def test_the_way_back_never_leaves_the_site(owner: Visitor) -> None:
    for referer in (
        "http://evil.example/models",
        "//evil.example",
        "http://[",
        "",
        "http://testserver.local//evil.example",
    ):
        answer = await owner.client.post(
            "/language",
            data={"_csrf_token": await owner.csrf(), "language": "en"},
            headers={"Referer": referer},
            follow_redirects=False,
        )
        assert answer.status_code == 303
        assert answer.headers["location"] in ("/", "/evil.example"), referer


async def test_a_first_sign_in_keeps_the_browsers_language(stranger: Visitor) -> None:
    stranger.client.headers["Accept-Language"] = "ko-KR"
    await stranger.sign_in()
    assert (await stranger.user()).language == "ko"


async def test_korean_pages_speak_korean_about_blocks(owner: Visitor) -> None:
    await owner.post("/language", {"language": "ko"})
    page = await owner.get(path_of(await add_version(owner, BROKEN)))
    assert "Linear 블록에는 벡터가 필요한데 4 × 6 × 6 텐서가 들어옵니다." in page.text
    assert "합성곱" in page.text
