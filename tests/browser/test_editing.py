"""Editing by pointer, by keyboard, in two tabs, without JavaScript; in both languages."""

import pytest
from playwright.sync_api import Browser, BrowserContext, StorageState, expect

from tests.browser.conftest import Server, Window

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def press(window: Window, *kinds: str) -> None:
    present = window.blocks()
    for kind in kinds:
        window.page.locator(f"#add-{kind}").click()
        present.append(kind)
        window.settled(*present)


def test_blocks_are_reordered_and_thrown_away_by_dragging(window: Window) -> None:
    window.new_model("Sorting")
    press(window, "Conv2d", "ReLU", "Flatten")
    window.drag(
        window.page.locator("#piece-relu1 h3"),
        window.page.locator("#stack h3").first,
        until="#piece-relu1.sortable-ghost:first-child",
    )
    window.settled("ReLU", "Conv2d", "Flatten")
    expect(window.page.locator("#announcement")).to_contain_text("ReLU moved to position 1")
    window.drag(window.page.locator("#piece-conv1 h3"), window.page.locator(".bin p"), until="#bin .sortable-ghost")
    window.settled("ReLU", "Flatten")
    window.page.reload()
    window.settled("ReLU", "Flatten")


def test_a_block_is_dropped_between_two_others(window: Window) -> None:
    window.new_model("Between")
    press(window, "Conv2d", "Flatten")
    conv1 = window.page.locator("#piece-conv1")
    window.drag(window.page.locator("#add-ReLU"), conv1, below=True, until="#piece-conv1 + .sortable-ghost")
    window.settled("Conv2d", "ReLU", "Flatten")
    window.drag(window.page.locator("#add-Tanh"), window.page.locator(".bin p"))
    window.settled("Conv2d", "ReLU", "Flatten")


def test_typing_and_pressing_right_away_loses_neither(window: Window) -> None:
    window.new_model("Both edits")
    press(window, "Conv2d")
    window.page.locator("#param-conv1-out_channels").fill("24")
    window.page.locator("#add-ReLU").click()
    window.settled("Conv2d", "ReLU")
    window.page.reload()
    expect(window.page.locator("#param-conv1-out_channels")).to_have_value("24")
    assert window.blocks() == ["Conv2d", "ReLU"]


def test_a_text_that_means_the_value_it_had_is_shown_as_the_value(window: Window) -> None:
    window.new_model("Same value")
    press(window, "Conv2d")
    press(window, "ReLU")
    field = window.page.locator("#param-conv1-out_channels")
    value = field.input_value()
    field.fill(f" {value} ")
    window.page.locator("#save").click()
    expect(field).to_have_value(value)


def test_presses_in_quick_succession_all_count_in_their_order(window: Window) -> None:
    window.new_model("Quick")
    kinds = ["Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"]
    window.page.evaluate(
        "kinds => { for (const kind of kinds) document.getElementById(`add-${kind}`).click(); }", kinds
    )
    window.settled(*kinds)


def test_what_is_typed_while_an_answer_is_on_its_way_stays(window: Window) -> None:
    window.new_model("While waiting")
    press(window, "Conv2d")
    window.page.route("**/operations", lambda route: (window.page.wait_for_timeout(400), route.continue_()))
    window.page.locator("#param-conv1-out_channels").fill("24")
    window.page.locator("#param-conv1-kernel_size").fill("5")
    window.page.locator("#param-conv1-padding").fill("2")
    window.page.locator("#save").click()
    window.page.wait_for_timeout(100)
    window.settled("Conv2d")
    window.page.unroute_all(behavior="wait")
    window.page.reload()
    for name, value in (("out_channels", "24"), ("kernel_size", "5"), ("padding", "2")):
        expect(window.page.locator(f"#param-conv1-{name}")).to_have_value(value)


def test_a_value_that_cannot_be_used_is_explained_at_its_field(window: Window) -> None:
    window.expected.append("422")
    window.new_model("Refused")
    press(window, "Conv2d")
    field = window.page.locator("#param-conv1-kernel_size")
    field.fill("three")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("three")
    expect(window.page.locator("#param-conv1-kernel_size-error")).to_contain_text("must be a whole number")
    field.fill("5")
    field.press("Enter")
    expect(window.page.locator("#stack .joint")).to_contain_text("16 × 4 × 4")


def test_a_whole_network_is_built_by_keyboard_alone(window: Window) -> None:
    window.new_model("By keyboard")
    page = window.page
    for kinds in (["Flatten"], ["Flatten", "Linear"], ["Flatten", "Linear", "ReLU"]):
        page.locator(f"#add-{kinds[-1]}").focus()
        page.keyboard.press("Enter")
        window.settled(*kinds)
        assert page.evaluate("document.activeElement.id") == f"add-{kinds[-1]}"
    page.locator("#choose-relu1").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Move up"
    page.keyboard.press("Enter")
    window.settled("Flatten", "ReLU", "Linear")
    expect(page.locator("#announcement")).to_contain_text("ReLU moved to position 2. Output 64.")
    assert page.evaluate("document.activeElement.id") == "up-relu1"
    page.keyboard.press("Enter")
    window.settled("ReLU", "Flatten", "Linear")
    assert page.evaluate("document.activeElement.id") == "choose-relu1"
    page.locator("#remove-relu1").focus()
    page.keyboard.press("Enter")
    window.settled("Flatten", "Linear")
    assert page.evaluate("document.activeElement.id") == "choose-flatten1"
    page.keyboard.press("Shift+Tab")
    page.locator("#param-linear1-out_features").fill("12")
    page.keyboard.press("Enter")
    expect(page.locator(".mend")).to_contain_text("must end in 10 numbers")
    page.locator(".mend button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".piece.end")).to_contain_text("fits")


def test_a_broken_joint_is_mended_by_one_press(window: Window) -> None:
    window.new_model("Mending")
    press(window, "Conv2d", "Linear")
    expect(window.page.locator(".mend.error .sum")).to_have_text("16 × 6 × 6 = 576 numbers per image")
    window.page.get_by_role("button", name="Insert Flatten").click()
    window.settled("Conv2d", "Flatten", "Linear")
    expect(window.page.locator(".piece.end")).to_contain_text("fits")


def test_two_tabs_do_not_overwrite_each_other(window: Window, context: BrowserContext) -> None:
    window.expected.append("409")
    window.new_model("Two tabs")
    press(window, "Conv2d")
    other = Window(context.new_page(), window.base)
    other.page.goto(window.page.url)
    press(other, "ReLU")
    window.page.locator("#add-Flatten").click()
    expect(window.page.locator("#refusal")).to_contain_text("changed elsewhere")
    window.settled("Conv2d", "ReLU")
    window.page.locator("#add-Flatten").click()
    window.settled("Conv2d", "Flatten", "ReLU")
    expect(window.page.locator("#refusal")).to_have_count(0)


def test_back_leaves_the_editor_at_once_and_a_reload_keeps_the_tab(window: Window) -> None:
    """Tabs and selected blocks are no entries of the browser's history, but the address names them."""
    window.new_model("Back")
    press(window, "Conv2d")
    press(window, "ReLU")
    window.page.locator("#stack > li h3 a").first.click()
    expect(window.page.locator("#stack > li").first).to_have_attribute("aria-current", "true")
    window.page.locator("#tab-code").click()
    expect(window.page.locator("#pane-code")).to_be_visible()
    window.page.reload()
    expect(window.page.locator("#pane-code")).to_be_visible()
    expect(window.page.locator("#stack > li").first).to_have_attribute("aria-current", "true")
    window.page.go_back()
    expect(window.page).to_have_url(f"{window.base}/models/new")


def test_the_language_can_be_switched_and_back(window: Window) -> None:
    window.new_model("Language")
    window.page.get_by_role("button", name="한국어").click()
    expect(window.page.locator("html")).to_have_attribute("lang", "ko")
    expect(window.page.locator("#run")).to_contain_text("실행")
    assert window.page.url.endswith("/versions/1")
    window.page.get_by_role("button", name="English").click()
    expect(window.page.locator("html")).to_have_attribute("lang", "en")


def test_everything_but_dragging_works_without_javascript(
    browser: Browser, signed_in: StorageState, server: Server
) -> None:
    context = browser.new_context(storage_state=signed_in, java_script_enabled=False, locale="en-US")
    window = Window(context.new_page(), server.base)
    page = window.page
    window.new_model("Plain forms")
    page.get_by_role("button", name="Start with Flatten and Linear").click()
    assert window.blocks() == ["Flatten", "Linear"]
    page.locator("#choose-flatten1").click()
    page.locator("#add-ReLU").click()
    assert window.blocks() == ["Flatten", "ReLU", "Linear"]
    page.get_by_role("button", name="Move up").click()
    assert window.blocks() == ["ReLU", "Flatten", "Linear"]
    page.locator("#param-linear1-out_features").fill("x")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#param-linear1-out_features")).to_have_value("x")
    page.locator("#param-linear1-out_features").fill("10")
    page.locator("#tab-training").click()
    page.get_by_label("Epochs").fill("1")
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/*")
    context.close()


def test_pages_fit_a_small_phone(browser: Browser, signed_in: StorageState, server: Server) -> None:
    context = browser.new_context(storage_state=signed_in, viewport={"width": 360, "height": 740}, locale="en-US")
    window = Window(context.new_page(), server.base)
    window.new_model("A rather long name for a small screen, to see that it fits")
    press(window, "Conv2d", "Linear")
    editor = window.page.url
    for path in ("/models", "/models/new", editor.removeprefix(server.base), "/nowhere"):
        window.page.goto(f"{server.base}{path}")
        assert window.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    context.close()
