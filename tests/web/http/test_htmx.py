"""What htmx sends and is told goes through litestar-htmx."""

from scv.settings import ROOT
from tests.web.conftest import Visitor

VARY = 'headers={"vary": "HX-Request, Cookie, Accept-Language"'
"""The one place that names a header of htmx's: caches must know what an answer depends on."""


def test_no_page_names_a_header_of_htmx_by_hand() -> None:
    named = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "scv" / "web").rglob("*.py"))
        for line in path.read_text().splitlines()
        if "hx-" in line.lower() and VARY not in line
    ]
    assert named == []


async def test_a_form_leads_to_the_same_page_with_htmx_and_without(owner: Visitor) -> None:
    owner.client.follow_redirects = False
    owner.client.cookies.clear()
    plain = await owner.get("/models")
    assert (plain.status_code, plain.headers["location"]) == (303, "/sign-in")
    by_htmx = await owner.get("/models", target="list")
    assert (by_htmx.status_code, by_htmx.headers["hx-redirect"]) == (200, "/sign-in")
    assert "location" not in by_htmx.headers


async def test_a_word_other_than_true_does_not_come_from_htmx(owner: Visitor) -> None:
    answer = await owner.get("/models/99999999", headers={"HX-Request": "yes"})
    assert answer.status_code == 404
    assert "<html" in answer.text
    assert "hx-retarget" not in answer.headers
