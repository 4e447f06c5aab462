"""What a drop means: where the pointer lets go counts, and nothing is lost while an answer is under way."""

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import PATIENCE, Window

pytestmark = pytest.mark.browser


def carry(window: Window, kind: str, x: float, y: float) -> None:
    """Pick a block of the palette up, move it over the end of the stack, then to a point, without letting go.

    It is never held over the exact middle of a block: there a pixel decides which side of it is shown as the place.
    """
    chip = window.page.locator(f"#add-{kind}").bounding_box()
    stack = window.page.locator("#stack").bounding_box()
    assert chip is not None
    assert stack is not None
    mouse = window.page.mouse
    mouse.move(chip["x"] + 20, chip["y"] + 10)
    mouse.down()
    mouse.move(chip["x"] + 40, chip["y"] + 20, steps=5)
    mouse.move(stack["x"] + stack["width"] / 2, stack["y"] + stack["height"] * 0.85, steps=15)
    expect(window.page.locator("#stack > .sortable-ghost:last-child")).to_have_count(1)
    mouse.move(x, y, steps=10)
    window.page.wait_for_timeout(100)


@pytest.mark.parametrize("place", [".side", ".bar h1", ".bin p"])
def test_a_block_that_is_let_go_off_the_canvas_is_not_added(window: Window, place: str) -> None:
    window.new_model("Let go elsewhere")
    window.drag_chip("Conv2d")
    window.settled("Conv2d")
    box = window.page.locator(place).bounding_box()
    assert box is not None
    carry(window, "ReLU", box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    window.page.mouse.up()
    window.page.wait_for_timeout(300)
    window.settled("Conv2d")
    expect(window.page.locator("#add-ReLU")).to_have_count(1)


def test_a_block_that_is_let_go_beside_the_column_takes_the_place_that_was_shown(window: Window) -> None:
    window.new_model("Beside the column")
    window.drag_chip("Conv2d")
    window.settled("Conv2d")
    table = window.page.locator(".table").bounding_box()
    assert table is not None
    carry(window, "ReLU", table["x"] + 20, table["y"] + table["height"] - 40)
    window.page.mouse.up()
    window.settled("Conv2d", "ReLU")


def test_a_block_that_is_let_go_on_the_images_goes_first(window: Window) -> None:
    """It comes straight from the palette and hovers over no block."""
    window.new_model("On the images")
    window.drag_chip("Conv2d")
    window.settled("Conv2d")
    chip = window.page.locator("#add-ReLU").bounding_box()
    card = window.page.locator(".piece.start .face").bounding_box()
    assert chip is not None
    assert card is not None
    mouse = window.page.mouse
    mouse.move(chip["x"] + 20, chip["y"] + 10)
    mouse.down()
    mouse.move(chip["x"] + 40, chip["y"] - 10, steps=5)
    mouse.move(chip["x"] + 40, card["y"] + 20, steps=10)
    mouse.move(card["x"] + 30, card["y"] + 20, steps=10)
    mouse.up()
    window.settled("ReLU", "Conv2d")


def test_escape_calls_a_drag_off(window: Window) -> None:
    window.new_model("Called off")
    window.drag_chip("Conv2d")
    window.settled("Conv2d")
    stack = window.page.locator("#stack").bounding_box()
    assert stack is not None
    carry(window, "ReLU", stack["x"] + stack["width"] / 2, stack["y"] + stack["height"] / 2)
    window.page.keyboard.press("Escape")
    window.page.mouse.up()
    window.page.wait_for_timeout(300)
    window.settled("Conv2d")


def test_an_answer_that_comes_during_a_drag_waits_for_the_drop(window: Window) -> None:
    window.new_model("Slow line")
    window.drag_chip("Conv2d")
    window.settled("Conv2d")

    def slowly(route: Route) -> None:
        window.page.wait_for_timeout(600)
        route.continue_()

    window.page.route("**/operations", slowly)
    window.page.locator("#piece-conv1").get_by_label("out", exact=True).fill("24")
    stack = window.page.locator("#stack").bounding_box()
    assert stack is not None
    with window.page.expect_response("**/operations"):
        carry(window, "ReLU", stack["x"] + stack["width"] / 2, stack["y"] + stack["height"] * 0.95)
    window.page.wait_for_timeout(200)
    window.page.mouse.up()
    window.settled("Conv2d", "ReLU")
    expect(window.page.locator("#piece-conv1 .shape")).to_contain_text("24 ×", timeout=PATIENCE)


def test_a_server_that_does_not_answer_is_said(window: Window) -> None:
    window.new_model("Away")
    window.expected += ["ERR_", "htmx:"]
    window.page.context.set_offline(True)
    window.page.locator("#add-Conv2d").click()
    expect(window.page.locator("#offline")).to_be_visible()
    expect(window.page.locator(".saved")).to_have_text("Not saved", use_inner_text=True)
    window.page.context.set_offline(False)
    window.page.locator("#add-Conv2d").click()
    window.settled("Conv2d")
    expect(window.page.locator("#offline")).to_be_hidden()
    expect(window.page.locator(".saved")).to_have_text("Saved", use_inner_text=True)
