"""The report of a run that was really trained: it fills section by section, its choices work, everybody can read it."""

import re
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.browser.conftest import PATIENCE, Server, Window
from tests.browser.test_accessibility import violations
from tests.browser.test_training import start

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NETWORK: list[dict[str, Any]] = [
    {"id": "conv1", "type": "Conv2d", "params": {"out_channels": 4, "padding": 1}},
    {"id": "relu1", "type": "ReLU"},
    {"id": "flatten1", "type": "Flatten"},
    {"id": "linear1", "type": "Linear"},
]
PARTS = "() => [...document.querySelectorAll('.contents li.done a')].map((link) => link.id)"


@pytest.fixture(scope="module")
def report(browser: Browser, signed_in: StorageState, server: Server) -> str:
    """The address of a complete report."""
    context = browser.new_context(storage_state=signed_in, locale="en-US")
    window = Window(context.new_page(), server.base)
    run = start(window, "Reported", NETWORK, epochs=1)
    expect(window.page.locator("#accuracy")).to_be_visible()
    window.page.get_by_role("link", name="Read the report").click()
    expect(window.page.locator("#report-state .stage")).to_have_text("The report is complete")
    context.close()
    return f"{run}/report"


def test_a_report_appears_section_by_section_without_moving_its_reader(window: Window) -> None:
    """That of a run that was stopped: it begins only when the reader is there."""
    page = window.page
    start(window, "Watched", NETWORK, epochs=500)
    expect(page.locator("#live")).to_contain_text("Validation accuracy")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#ending")).to_have_text("Stopped")
    page.get_by_role("link", name="Read the report").click()
    page.get_by_role("button", name="Make the report").click()
    expect(page.locator("#stop-report")).to_be_visible()
    page.evaluate("window.stayed = true")
    early = page.evaluate(PARTS)
    expect(page.locator("#to-metrics")).to_be_visible(timeout=3 * PATIENCE)  # the reports of other tests come first
    expect(page.locator("#part-metrics .confusion")).to_be_visible()
    page.locator("#part-metrics").scroll_into_view_if_needed()
    expect(page.locator("#report-state .stage")).to_have_text("The report is complete")
    late = page.evaluate(PARTS)
    assert set(early) < set(late)
    assert page.locator(".parts > .panel .notice.bad").count() == 0
    assert page.locator(".part > p.quiet", has_text="not made yet").count() == 0
    assert page.evaluate("window.stayed")  # no page was loaded anew
    expect(page.locator("#report-said")).to_have_text("The report is complete.")


def test_a_press_on_a_cell_shows_its_images_and_keeps_the_place(window: Window, report: str) -> None:
    page = window.page
    page.goto(report)
    page.evaluate("window.stayed = true")
    cell = page.locator(".confusion td.wrong a").first
    count, label = int(cell.inner_text()), cell.get_attribute("aria-label") or ""
    cell.click()
    shown = page.locator("#cell")
    expect(shown).to_be_visible()
    assert f"{count} image" in shown.inner_text()
    actual, predicted = label.removeprefix(f"{count} actual ").split(", predicted ")
    assert shown.locator("h4").inner_text().startswith(f"Actual {actual}, predicted {predicted}")
    assert shown.locator("svg.tile").count() == min(count, 24)
    assert "cell=" in page.url
    assert page.evaluate("window.stayed")
    page.reload()
    expect(shown).to_be_visible()
    shown.get_by_role("link", name="Close").click()
    expect(shown).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1280])
def test_what_is_pressed_and_its_answer_are_seen_together(window: Window, report: str, width: int) -> None:
    """With the pointer and with the keyboard, which stays where it was."""
    page = window.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(report)
    page.evaluate("window.stayed = true")
    for pressed, answer in (
        (".confusion td.right a >> nth=9", "#cell"),
        ("#channel-1", "#channel"),
    ):
        page.locator(pressed).focus()
        page.keyboard.press("Enter")
        expect(page.locator(answer)).to_be_in_viewport()
        expect(page.locator(pressed)).to_have_attribute("aria-current", "true")
        expect(page.locator(pressed)).to_be_in_viewport()
        expect(page.locator(pressed)).to_be_focused()
    expect(page.locator("#cell")).to_contain_text(re.compile("The first 12 of [0-9]+"))
    assert page.evaluate("window.stayed")


def test_a_runs_pages_lead_to_each_other(window: Window, report: str) -> None:
    page = window.page
    page.goto(report)
    ways = page.get_by_role("navigation", name="This run")
    for name, path in (("Try it", "/try"), ("Training", ""), ("Report", "/report")):
        ways.get_by_role("link", name=name).click()
        page.wait_for_url(f"{report.removesuffix('/report')}{path}")
        expect(ways.locator("[aria-current=page]")).to_have_text(name)


def test_classes_are_sorted_and_cells_told_as_shares_by_links(window: Window, report: str) -> None:
    page = window.page
    page.goto(report)
    page.get_by_role("link", name="F1").click()
    page.wait_for_url("**order=f1**")
    expect(page.locator("th[aria-sort]")).to_have_attribute("aria-sort", "descending")
    column = [text.rstrip("%") for text in page.locator("#part-metrics tbody tr td:nth-child(5)").all_inner_texts()]
    figures = [float(text) for text in column[-10:] if text not in ("–", "")]
    assert figures == sorted(figures, reverse=True)
    page.get_by_role("link", name="Shares of the class").click()
    expect(page.locator(".confusion td.right a").first).to_contain_text("%")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_report_is_accessible_and_not_wider_than_its_window(
    browser: Browser, signed_in: StorageState, report: str, theme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(
        storage_state=signed_in, color_scheme=theme, locale="en-US", viewport={"width": width, "height": 900}
    )
    window = Window(context.new_page(), report)
    window.page.goto(f"{report}?shares=yes&of=3")
    assert window.page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(window) == []
    assert window.complaints() == []
    context.close()


def test_the_file_is_whole_without_a_server(browser: Browser, window: Window, report: str, tmp_path: Path) -> None:
    window.page.goto(report)
    with window.page.expect_download() as download:
        window.page.get_by_role("link", name="Download as one file").click()
    file = tmp_path / "report.html"
    download.value.save_as(file)
    context = browser.new_context(offline=True, java_script_enabled=False)
    asked: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    expect(page.locator("#part-metrics .confusion").first).to_be_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()
