"""By keyboard alone: LeNet-5 from the sign-in to its run, and typing faster than the server answers."""

import pytest
from playwright.sync_api import expect

from scv.blocks.document import decode
from scv.blocks.starters import STARTERS
from tests.browser.conftest import PATIENCE, Window

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LENET = STARTERS["lenet"].build((1, 8, 8), 10)


def press(window: Window, *keys: str) -> None:
    for key in keys:
        window.page.keyboard.press(key)


def focused(window: Window, selector: str) -> bool:
    return bool(window.page.evaluate("selector => document.activeElement.matches(selector)", selector))


def tab_to(window: Window, selector: str, key: str = "Tab") -> None:
    """Press Tab, or Shift+Tab, until something has the focus."""
    for _ in range(60):
        if focused(window, selector):
            return
        press(window, key)
    raise AssertionError(f"{key} does not lead to {selector}")


def type_into(window: Window, selector: str, text: str) -> None:
    """Go to a field, whose text is selected then, and type over it."""
    tab_to(window, selector)
    window.page.keyboard.type(text)


def add(window: Window, *searches: str) -> None:
    press(window, "Control+K")
    for search in searches:
        window.page.keyboard.type(search)
        press(window, "Enter")


def new_model(window: Window, name: str) -> None:
    page = window.page
    page.goto(f"{window.base}/models")
    tab_to(window, "a[href='/models/new']")
    press(window, "Enter")
    page.wait_for_url("**/models/new")
    assert focused(window, "#name")
    page.keyboard.type(name)
    tab_to(window, "[name=dataset]")
    for _ in range(20):
        if focused(window, "[value=digits]"):
            break
        press(window, "ArrowDown")
    tab_to(window, "main button")
    press(window, "Enter")
    page.wait_for_url("**/versions/1")


def chosen(window: Window, block: str) -> None:
    expect(window.page.locator(f"#piece-{block}")).to_have_attribute("aria-current", "true")


def test_lenet_is_built_and_started_by_keyboard_alone(window: Window) -> None:
    page = window.page
    new_model(window, "LeNet by keyboard")
    editor = page.url.partition("?")[0]

    add(window, "conv")
    window.settled("Conv2d")
    press(window, "F2")
    type_into(window, "#param-conv1-out_channels", "6")
    type_into(window, "#param-conv1-kernel_size", "5")
    type_into(window, "#param-conv1-padding", "2")
    press(window, "Enter")
    expect(page.locator("#piece-conv1 .joint")).to_contain_text("6 × 8 × 8")

    add(window, "tanh", "avg")
    window.settled("Conv2d", "Tanh", "AvgPool2d")
    press(window, "F2")
    tab_to(window, "#choose-pool1", "Shift+Tab")
    press(window, "ArrowUp", "ArrowUp")
    chosen(window, "conv1")
    press(window, "Control+D", "Alt+ArrowDown", "Alt+ArrowDown", "F2")
    window.settled("Conv2d", "Tanh", "AvgPool2d", "Conv2d")
    tab_to(window, "#param-conv2-out_channels")
    type_into(window, "#param-conv2-out_channels", "16")
    press(window, "Enter")
    expect(page.locator("#piece-conv2 .joint")).to_contain_text("16 × 4 × 4")

    add(window, "tanh", "avg", "flatten", "linear", "dropout")
    rest = ["Tanh", "AvgPool2d", "Flatten", "Linear"]
    window.settled("Conv2d", "Tanh", "AvgPool2d", "Conv2d", *rest, "Dropout")
    press(window, "F2")
    tab_to(window, "#choose-dropout1", "Shift+Tab")
    press(window, "Delete")  # a mistake; the Linear above it is no mistake
    window.settled("Conv2d", "Tanh", "AvgPool2d", "Conv2d", *rest)
    press(window, "Delete")
    window.settled("Conv2d", "Tanh", "AvgPool2d", "Conv2d", *rest[:-1])
    press(window, "Control+Z")
    window.settled("Conv2d", "Tanh", "AvgPool2d", "Conv2d", *rest)
    chosen(window, "linear1")
    press(window, "F2")
    type_into(window, "#param-linear1-out_features", "120")

    add(window, "tanh", "linear")
    rest += ["Tanh", "Linear"]
    window.settled("Conv2d", "Tanh", "AvgPool2d", "Conv2d", *rest)
    press(window, "F2")
    type_into(window, "#param-linear2-out_features", "84")
    add(window, "linear", "tanh")
    window.settled("Conv2d", "Tanh", "AvgPool2d", "Conv2d", *rest, "Linear", "Tanh")
    press(window, "Alt+ArrowUp")  # works in the search as well
    window.settled("Conv2d", "Tanh", "AvgPool2d", "Conv2d", *rest, "Tanh", "Linear")
    expect(page.locator(".piece.end")).to_contain_text("fits")

    press(window, "Control+Enter")
    page.wait_for_url("**/runs/*")
    made = [(b.type, b.params) for b in decode(page.request.get(f"{editor}/document.json").text()).blocks]
    meant = [(b.type, b.params) for b in LENET.blocks]
    assert [(kind, {n: v for n, v in params.items() if (kind, n, v) not in DEFAULTS}) for kind, params in made] == meant
    expect(page.locator("#run")).not_to_contain_text("Waiting for a free worker", timeout=PATIENCE)


DEFAULTS = {("Conv2d", "out_channels", 16), ("Linear", "out_features", 10)}
"""Values that may stand in a document or not: they mean the same."""


def slow(window: Window, milliseconds: int = 250) -> None:
    """Let every answer of the server come so late that the next keys are pressed before."""
    window.expected += [
        "htmx:afterRequest, [object HTMLDivElement]",
        "htmx:sendAbort",
    ]  # a search that the next replaced
    session = window.page.context.new_cdp_session(window.page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": milliseconds, "downloadThroughput": -1, "uploadThroughput": -1},
    )


def test_blocks_are_added_as_fast_as_they_can_be_typed(window: Window) -> None:
    window.new_model("Fast")
    slow(window)
    add(window, "conv", "relu", "flatten", "linear")
    window.settled("Conv2d", "ReLU", "Flatten", "Linear")


def test_going_back_to_the_search_each_time_loses_no_letter(window: Window) -> None:
    window.new_model("Fast again")
    slow(window)
    for search in ("conv", "relu", "flatten", "linear"):
        press(window, "Control+K")
        window.page.keyboard.type(search, delay=70)  # so that the answer to the one before comes in the middle
        press(window, "Enter")
    window.settled("Conv2d", "ReLU", "Flatten", "Linear")


def test_the_shortcuts_are_shown_and_lead_to_the_first_problem(window: Window) -> None:
    page = window.page
    window.new_model("Shortcuts")
    press(window, "Control+/")
    expect(page.locator("#shortcuts")).to_be_visible()
    press(window, "Escape")
    expect(page.locator("#shortcuts")).to_be_hidden()
    add(window, "conv", "linear")
    window.settled("Conv2d", "Linear")
    press(window, "F8")
    expect(page.locator("#choose-linear1")).to_be_focused()
    press(window, "Control+Shift+F")
    window.settled("Conv2d", "Flatten", "Linear")
    press(window, "Control+K")
    expect(page.locator("#search")).to_be_focused()
    press(window, "Control+ArrowDown")
    expect(page.locator("#stack [aria-current] h3 a")).to_be_focused()
