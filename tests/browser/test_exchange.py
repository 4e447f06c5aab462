"""What goes in and out of the editor as a whole: clipboard, repairs, import, starters, list view, search, two tabs."""

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, StorageState, expect

from tests.browser.conftest import Server, Window

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CODE = """\
import torch.nn as nn

model = nn.Sequential(
    nn.Conv2d(1, 8, 3),
    nn.LSTM(3, 4),
    nn.Flatten(),
    nn.Linear(288, 10),
)
"""
LENET = (
    "Conv2d", "Tanh", "AvgPool2d", "Conv2d", "Tanh", "AvgPool2d", "Flatten", "Linear", "Tanh", "Linear", "Tanh",
    "Linear",
)  # fmt: skip


def start_from(window: Window, starter: str) -> None:
    """Take a starter by the editor's menu."""
    page = window.page
    page.locator("#file-menu > summary").click()
    page.get_by_role("link", name="Start from an example network").click()
    page.locator(f"#start-{starter}").click()
    page.wait_for_url(re.compile(r"/versions/1(\?|$)"))


def add(window: Window, kind: str, *present: str) -> None:
    window.page.locator(f"#add-{kind}").click()
    window.settled(*present, kind)


def test_a_block_is_copied_and_cut_from_one_model_into_another(window: Window) -> None:
    page = window.page
    window.new_model("Source")
    add(window, "Conv2d")
    page.locator("#param-conv1-out_channels").fill("24")
    page.locator("#choose-conv1").click()
    page.keyboard.press("Control+C")
    expect(page.locator("#announcement")).to_have_text("Conv2d copied.")
    window.new_model("Target")
    expect(page.locator("#paste")).to_contain_text("Paste Conv2d")
    page.keyboard.press("Control+V")
    window.settled("Conv2d")
    expect(page.locator("#param-conv1-out_channels")).to_have_value("24")
    page.keyboard.press("Control+X")
    window.settled()
    page.keyboard.press("Control+V")
    page.keyboard.press("Control+V")
    window.settled("Conv2d", "Conv2d")


def test_everything_that_is_broken_is_repaired_at_once_and_broken_again(window: Window) -> None:
    page = window.page
    window.new_model("Repairs")
    start_from(window, "broken")
    expect(page.locator("#problems")).to_contain_text("errors")
    page.locator("#repair").click()
    expect(page.locator("#announcement")).to_contain_text(re.compile(r"\d+ fixed, 0 errors left"))
    expect(page.locator(".piece.end")).to_contain_text("fits")
    expect(page.locator(".mend.error")).to_have_count(0)
    expect(page.locator("#repair")).to_have_count(0)
    page.locator("#undo").click()
    expect(page.locator("#repair")).to_be_visible()


def test_code_is_read_and_takes_the_place_of_the_network(window: Window) -> None:
    page = window.page
    window.new_model("Import")
    add(window, "ReLU")
    page.locator("#file-menu > summary").click()
    page.get_by_role("link", name="Import a file or PyTorch code").click()
    page.locator("#text").fill(CODE)
    page.locator("#read").click()
    expect(page.locator("#not-taken li")).to_have_text("Line 5 nn.LSTM(3, 4) cannot be imported.")
    expect(page.locator("#found h3")).to_have_text(["Conv2d", "Flatten", "Linear"])
    page.locator("#replace").click()
    window.settled("Conv2d", "Flatten", "Linear")
    page.locator("#undo").click()
    window.settled("ReLU")


def test_the_list_shows_the_same_network_and_edits_it(window: Window) -> None:
    page = window.page
    window.new_model("List")
    start_from(window, "lenet")
    window.settled(*LENET)
    page.locator("#view").click()
    expect(page.locator("#stack.listing")).to_be_visible()
    window.settled(*LENET)
    page.locator("#param-conv1-out_channels").fill("8")
    page.locator("#param-conv1-out_channels").press("Enter")
    expect(page.locator("#piece-conv1 .gives")).to_contain_text("8 × 8 × 8")
    page.locator("#choose-linear3").click()
    page.locator("#search").fill("softm")
    page.locator("#search").press("Enter")
    window.settled(*LENET, "Softmax")
    page.locator("#remove-softmax1").click()
    window.settled(*LENET)
    page.locator("#view").click()
    expect(page.locator("#stack[data-chain]")).to_be_visible()
    window.settled(*LENET)
    expect(page.locator("#param-conv1-out_channels")).to_have_value("8")


def test_a_folded_container_stays_folded_over_edits_and_reloads(window: Window) -> None:
    page = window.page
    window.new_model("Folding")
    add(window, "Residual")
    fold = page.locator("#fold-residual1")
    fold.locator("summary").click()
    expect(fold).not_to_have_attribute("open", "")
    page.locator("#choose-residual1").click()
    page.locator("#double-residual1").click()
    window.settled("Residual", "Residual")
    expect(fold).not_to_have_attribute("open", "")
    for shown in (".listing", "[data-chain]"):
        page.locator("#view").click()
        expect(page.locator(f"#stack{shown}")).to_be_visible()
    expect(page.locator("#fold-residual2")).to_have_attribute("open", "")
    expect(fold).not_to_have_attribute("open", "")
    page.reload()
    expect(page.locator("#fold-residual2")).to_have_attribute("open", "")
    expect(fold).not_to_have_attribute("open", "")
    fold.locator("summary").click()
    page.reload()
    expect(fold).to_have_attribute("open", "")


def test_after_a_conflict_nothing_typed_or_pressed_is_lost(window: Window, context: BrowserContext) -> None:
    window.expected.append("409")
    page = window.page
    window.new_model("Conflict")
    add(window, "Conv2d")
    other = Window(context.new_page(), window.base)
    other.page.goto(page.url)
    add(other, "ReLU", "Conv2d")

    field = page.locator("#param-conv1-out_channels")
    field.fill("24")
    field.press("Enter")
    window.settled("Conv2d", "ReLU")
    expect(page.locator("#refusal")).to_contain_text("changed elsewhere")
    expect(field).to_have_value("24")
    add(other, "Tanh", "Conv2d", "ReLU")
    page.locator("#again").click()
    window.settled("Conv2d", "ReLU", "Tanh")
    expect(page.locator("#refusal")).to_be_visible()
    expect(field).to_have_value("24")
    page.locator("#again").click()
    expect(page.locator("#piece-conv1 .joint")).to_contain_text("24 × 6 × 6")
    expect(page.locator("#refusal")).to_have_count(0)

    other.page.reload()
    add(other, "GELU", "Conv2d", "ReLU", "Tanh")
    page.locator("#search").fill("flatten")
    page.locator("#search").press("Enter")
    window.settled("Conv2d", "ReLU", "Tanh", "GELU")
    expect(page.locator("#refusal")).to_be_visible()
    page.locator("#again").click()
    window.settled("Conv2d", "Flatten", "ReLU", "Tanh", "GELU")
    page.reload()
    expect(field).to_have_value("24")


def test_what_was_pressed_right_after_typing_meets_the_conflict_as_well(
    window: Window, context: BrowserContext
) -> None:
    window.expected.append("409")
    page = window.page
    window.new_model("Conflict of two")
    add(window, "Conv2d")
    other = Window(context.new_page(), window.base)
    other.page.goto(page.url)
    add(other, "ReLU", "Conv2d")
    page.locator("#param-conv1-out_channels").fill("24")
    page.locator("#add-Tanh").click()
    window.settled("Conv2d", "ReLU")
    expect(page.locator("#refusal")).to_be_visible()
    expect(page.locator("#param-conv1-out_channels")).to_have_value("24")
    page.locator("#again").click()
    window.settled("Conv2d", "Tanh", "ReLU")
    expect(page.locator("#piece-conv1 .joint")).to_contain_text("24 × 6 × 6")


def test_the_palette_shows_what_the_search_finds_while_it_is_typed(window: Window) -> None:
    page = window.page
    window.new_model("Search")
    chips = page.locator("#kinds [data-palette] button")
    page.locator("#search").press_sequentially("pool")
    expect(chips.first).to_have_text("MaxPool2d")
    expect(page.locator("#kinds [role=status]")).to_contain_text("4 blocks found")
    page.locator("#search").press("Enter")
    window.settled("MaxPool2d")
    expect(page.locator("#search")).to_be_focused()
    page.locator("#search").press_sequentially("rocket")
    expect(page.locator("#kinds [role=status]")).to_contain_text("No block has a name like this")
    page.locator("#search").fill("")
    expect(page.locator("#add-Linear")).to_be_visible()


def test_all_of_it_works_without_javascript(browser: Browser, signed_in: StorageState, server: Server) -> None:
    context = browser.new_context(storage_state=signed_in, java_script_enabled=False, locale="en-US")
    window = Window(context.new_page(), server.base)
    page = window.page
    window.new_model("Plain exchange")
    page.locator("#search").fill("conv")
    page.locator("#save").click()
    page.locator("#kinds button").first.click()
    page.locator("#copy").click()
    page.locator("#paste").click()
    expect(page.locator("#stack > li h3")).to_have_text(["Conv2d", "Conv2d"])
    page.locator("#search").fill("linear")
    page.locator("#search").press("Enter")
    page.locator("#add-Linear").click()
    expect(page.locator("#stack > li h3")).to_have_text(["Conv2d", "Conv2d", "Linear"])
    page.locator("#repair").click()
    expect(page.locator("#stack > li h3")).to_have_text(["Conv2d", "Conv2d", "Flatten", "Linear"])
    page.locator("#view").click()
    expect(page.locator("#stack.listing > li")).to_have_count(4)
    start_from(window, "lenet")
    assert tuple(window.blocks()) == LENET
    page.locator("#file-menu > summary").click()
    page.get_by_role("link", name="Import a file or PyTorch code").click()
    page.locator("#file").set_input_files({"name": "a.py", "mimeType": "text/x-python", "buffer": CODE.encode()})
    page.locator("#read").click()
    page.locator("#replace").click()
    assert window.blocks() == ["Conv2d", "Flatten", "Linear"]
    context.close()
