"""Nested blocks by pointer and by keyboard: containers, their branches, undo."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def drag_into(window: Window, kind: str, chain: str) -> None:
    """Drag a block from the palette into an empty branch."""
    chip = window.page.locator(f"#add-{kind}")
    chip.scroll_into_view_if_needed()
    window.drag(chip, window.page.locator(f"#{chain}"), until=f"#{chain} > .sortable-ghost")


def test_a_residual_block_is_built_broken_and_mended(window: Window) -> None:
    page = window.page
    window.new_model("Residual")
    window.drag_chip("Residual")
    window.settled("Residual")
    drag_into(window, "Conv2d", "chain-residual1-0")
    window.settled("Residual", "Conv2d")
    expect(page.locator("#announcement")).to_contain_text("Conv2d added at position 1 in main of residual1")
    page.locator("#param-conv1-padding").fill("1")
    page.locator("#param-conv1-padding").press("Enter")
    page.get_by_role("button", name="Fit the shortcut to 16 × 8 × 8").click()
    window.settled("Residual", "Conv2d", "Conv2d")
    expect(page.locator("#chain-residual1-1 #piece-conv2")).to_be_visible()
    expect(page.locator("#piece-residual1 > .joint")).to_contain_text("16 × 8 × 8")


def test_blocks_move_between_branches_and_to_the_bin(window: Window) -> None:
    page = window.page
    window.new_model("Branches")
    for kinds in (["Parallel"], ["Parallel", "Conv2d"], ["Parallel", "Conv2d", "ReLU"]):
        page.locator(f"#add-{kinds[-1]}").click()
        window.settled(*kinds)
    expect(page.locator("#chain-parallel1-0 > li")).to_have_count(2)
    window.drag(
        page.locator("#piece-relu1 h3"),
        page.locator("#chain-parallel1-1"),
        until="#chain-parallel1-1 > #piece-relu1.sortable-ghost",
    )
    expect(page.locator("#announcement")).to_contain_text("ReLU moved to position 1 in branch 2 of parallel1")
    expect(page.locator("#chain-parallel1-1 #piece-relu1")).to_be_visible()
    page.reload()
    expect(page.locator("#chain-parallel1-1 #piece-relu1")).to_be_visible()
    page.locator("#fold-parallel1 > summary").click()
    page.locator("#choose-parallel1").click()
    expect(page.locator("#piece-parallel1")).to_have_attribute("aria-current", "true")
    expect(page.locator("#piece-relu1")).to_be_hidden()
    window.drag(page.locator("#choose-parallel1"), page.locator(".bin p"), until="#bin .sortable-ghost")
    window.settled()


def test_branches_by_keyboard(window: Window) -> None:
    page = window.page
    window.new_model("Branches by keyboard")

    def press(name: str, *then: str) -> None:
        page.locator(f"#{name}").focus()
        page.keyboard.press("Enter")
        window.settled(*then)

    press("add-Residual", "Residual")
    page.locator("#choose-residual1-1").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#arm-residual1-1")).to_have_attribute("aria-current", "true")
    press("add-ReLU", "Residual", "ReLU")
    expect(page.locator("#chain-residual1-1 #piece-relu1")).to_be_visible()
    press("aside-relu1", "Residual", "ReLU")
    expect(page.locator("#chain-residual1-0 #piece-relu1")).to_be_visible()
    press("out-relu1", "Residual", "ReLU")
    expect(page.locator("#stack > #piece-relu1")).to_be_visible()
    press("in-relu1", "Residual", "ReLU")
    expect(page.locator("#chain-residual1-0 #piece-relu1")).to_be_visible()


def test_ten_steps_are_undone_after_a_reload(window: Window) -> None:
    page = window.page
    window.new_model("Undoing")
    kinds = ["Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d", "Dropout", "Flatten", "Linear", "ReLU", "Linear"]
    for count, kind in enumerate(kinds, 1):
        page.locator(f"#add-{kind}").click()
        window.settled(*kinds[:count])
    page.reload()
    for count in range(len(kinds) - 1, -1, -1):
        page.locator("#undo").click()
        window.settled(*kinds[:count])
    expect(page.locator("#undo")).to_be_disabled()
    page.locator("#redo").click()
    window.settled("Conv2d")
