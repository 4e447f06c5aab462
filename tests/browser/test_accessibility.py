"""Every page against axe-core's rules: WCAG 2.2 at level AA and its best practices, in light and in dark."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, StorageState, expect

from scv.settings import ROOT
from tests.browser.conftest import PATIENCE, Server, Window

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

PLAIN_GROUND = """() => {
  for (const element of document.querySelectorAll("*")) {
    if (getComputedStyle(element).backgroundImage.includes("gradient")) element.style.backgroundImage = "none";
  }
}"""
"""Without the dots of the canvas: axe does not judge the contrast of text on what might be an image."""

Theme = Literal["light", "dark"]
THEMES = pytest.mark.parametrize("theme", ["light", "dark"])

CONV = {"type": "Conv2d", "params": {"out_channels": 16, "padding": 1}}
NESTED = [
    {"id": "conv1", **CONV},
    {
        "id": "parallel1",
        "type": "Parallel",
        "branches": [
            [{"id": "residual1", "type": "Residual", "branches": [[{"id": "conv2", **CONV}], []]}],
            [{"id": "pool1", "type": "MaxPool2d", "params": {"kernel_size": 3, "stride": 1, "padding": 1}}],
        ],
    },
    {"id": "flatten1", "type": "Flatten"},
    {"id": "linear1", "type": "Linear"},
]
BROKEN = [
    {"id": "conv1", "type": "Conv2d"},
    {"id": "linear1", "type": "Linear", "params": {"out_features": 7}},
    {"id": "pool1", "type": "MaxPool2d"},
]
CODE = "model = nn.Sequential(\n    nn.Conv2d(1, 32, 3),\n    nn.Mish2(),\n    nn.Linear(9, 10),\n)"


def violations(window: Window) -> list[str]:
    """What breaks a rule on the page as it stands: the rule, the element, and why.

    In the dark only the rule on contrast is tried: the page is the same but for its colours.
    """
    page = window.page
    dark = page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    options = {"runOnly": ["color-contrast"] if dark else TAGS, "resultTypes": ["violations"]}
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    page.evaluate("() => Promise.allSettled(document.getAnimations().map((one) => one.finished))")
    page.evaluate(PLAIN_GROUND)
    page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate("async (options) => (await axe.run(options)).violations", options)
    return [
        f"{rule['id']} at {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


Look = Callable[..., Window]


@dataclass(frozen=True)
class Made:
    """Where the models stand that the tests look at."""

    empty: str
    nested: str
    broken: str


@pytest.fixture(scope="module")
def made(browser: Browser, signed_in: StorageState, server: Server) -> Made:
    context = browser.new_context(storage_state=signed_in, locale="en-US")
    window = Window(context.new_page(), server.base)

    def make(name: str, blocks: list[dict[str, Any]]) -> str:
        window.new_model(name)
        path = window.page.url
        if blocks:
            window.page.goto(f"{path}/import")
            window.page.fill("#text", json.dumps({"format": 1, "blocks": blocks}))
            window.page.click("#read")
            window.page.click("#replace")
            expect(window.page.locator("#stack > li")).to_have_count(len(blocks))
        return path

    paths = Made(make("Nothing yet", []), make("Nested", NESTED), make("Broken", BROKEN))
    context.close()
    return paths


@pytest.fixture
def look(browser: Browser, signed_in: StorageState, server: Server) -> Iterator[Look]:
    """Opens windows of a theme, width and language; a stranger's where `known` is false."""
    contexts: list[BrowserContext] = []

    def opened(theme: Theme, width: int = 1280, height: int = 900, locale: str = "en-US", known: bool = True) -> Window:
        context = browser.new_context(
            storage_state=signed_in if known else None,
            color_scheme=theme,
            locale=locale,
            viewport={"width": width, "height": height},
        )
        contexts.append(context)
        return Window(context.new_page(), server.base)

    yield opened
    for context in contexts:
        context.close()


@THEMES
@pytest.mark.parametrize("pane", ["block", "code", "training", "runs"])
def test_the_editor_is_accessible_in_each_pane(look: Look, made: Made, theme: Theme, pane: str) -> None:
    window = look(theme)
    window.page.goto(f"{made.nested}?block=residual1&pane={pane}")
    expect(window.page.locator(f"#pane-{pane}")).to_be_visible()
    assert violations(window) == []


@THEMES
@pytest.mark.parametrize(
    "query", ["", "?view=list", "?block=conv2&view=list", "?search=pool", "?block=parallel1&branch=1"]
)
def test_the_editor_is_accessible_in_each_view(look: Look, made: Made, theme: Theme, query: str) -> None:
    window = look(theme)
    window.page.goto(f"{made.nested}{query}")
    assert violations(window) == []


@THEMES
def test_an_empty_editor_is_accessible(look: Look, made: Made, theme: Theme) -> None:
    window = look(theme)
    window.page.goto(made.empty)
    assert violations(window) == []


@THEMES
@pytest.mark.parametrize("view", ["blocks", "list"])
def test_an_editor_with_errors_and_a_refused_field_is_accessible(
    look: Look, made: Made, theme: Theme, view: str
) -> None:
    window = look(theme)
    window.page.goto(f"{made.broken}?view={view}&block=conv1")
    expect(window.page.locator(".mend").first).to_be_visible()
    window.page.fill("#param-conv1-kernel_size", "three")
    window.page.press("#param-conv1-kernel_size", "Enter")
    expect(window.page.locator("#param-conv1-kernel_size-error")).to_be_visible()
    assert violations(window) == []


@THEMES
def test_the_menu_and_the_list_of_shortcuts_are_accessible(look: Look, made: Made, theme: Theme) -> None:
    window = look(theme)
    window.page.goto(made.nested)
    window.page.click("#file-menu > summary")
    expect(window.page.locator("#show-shortcuts")).to_be_visible()
    assert violations(window) == []
    window.page.click("#show-shortcuts")
    expect(window.page.locator("#shortcuts")).to_be_visible()
    assert violations(window) == []


@THEMES
def test_the_editor_is_accessible_on_a_small_phone(look: Look, made: Made, theme: Theme) -> None:
    window = look(theme, width=360, height=4000)  # the bars that stay on the screen cover nothing then
    for path in (f"{made.nested}?block=conv2", f"{made.broken}?view=list", f"{made.nested}?pane=code", made.empty):
        window.page.goto(path)
        assert violations(window) == []
    window.page.click("#file-menu > summary")
    assert violations(window) == []


@THEMES
def test_the_pages_around_the_editor_are_accessible(look: Look, made: Made, theme: Theme) -> None:
    window = look(theme)
    page = window.page
    for path in ("/models", "/models?search=nothing+like+this", "/models/new", "/datasets", "/datasets/svhn"):
        page.goto(f"{window.base}{path}")
        assert violations(window) == []
    page.goto(f"{window.base}/datasets/digits")
    expect(page.locator("#classes-title")).to_be_visible(timeout=PATIENCE)  # it is loaded anew once that is ready
    assert violations(window) == []
    page.goto(f"{window.base}/models")
    page.locator(".menu > summary").first.click()
    assert violations(window) == []
    page.goto(f"{made.nested}/starters")
    assert violations(window) == []
    page.goto(f"{made.nested}/import")
    assert violations(window) == []
    page.fill("#text", CODE)
    page.click("#read")
    expect(page.locator("#not-taken")).to_be_visible()
    assert violations(window) == []


@THEMES
@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_the_pages_of_strangers_are_accessible(look: Look, theme: Theme, locale: str) -> None:
    window = look(theme, locale=locale, known=False)
    for path in ("/", "/sign-in", "/nowhere"):
        window.page.goto(f"{window.base}{path}")
        assert violations(window) == []


@THEMES
def test_the_page_of_a_run_is_accessible_while_it_trains_and_afterwards(look: Look, made: Made, theme: Theme) -> None:
    window = look(theme)
    page = window.page
    page.goto(f"{made.nested}?pane=training")
    page.get_by_label("Epochs").fill("500")
    page.click("#run")
    page.wait_for_url("**/runs/*")
    expect(page.locator("#plots canvas")).to_have_count(4)
    page.locator(".net > .further > summary").click()
    assert violations(window) == []
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#paused")).to_be_visible()
    assert violations(window) == []
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#plots canvas")).to_have_count(4)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#ending")).to_be_visible()
    assert violations(window) == []


@THEMES
def test_the_page_of_a_series_is_accessible_while_it_trains_and_afterwards(
    look: Look, made: Made, theme: Theme
) -> None:
    window = look(theme)
    page = window.page
    page.goto(f"{made.nested}?pane=training")
    page.get_by_label("Epochs").fill("3")
    page.locator("#further-training > summary").click()
    page.locator("[name='setting:seeds']").fill("2")
    page.click("#run")
    page.wait_for_url("**/runs/*")
    assert violations(window) == []
    expect(page.locator("#series")).to_contain_text("mean test accuracy of 2 runs", timeout=2 * PATIENCE)
    expect(page.locator("#accuracy")).to_be_visible()
    assert violations(window) == []
    page.goto(made.nested)
    expect(page.locator("#last-run")).to_be_visible()
    assert violations(window) == []
