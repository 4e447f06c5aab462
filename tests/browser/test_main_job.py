"""The main job, by hand: drag five blocks, run, watch it learn, see the accuracy and the code."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE, Window

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NETWORK = ("Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear")


def build(window: Window, name: str, epochs: int) -> None:
    window.new_model(name)
    for index, kind in enumerate(NETWORK):
        window.drag_chip(kind)
        window.settled(*NETWORK[: index + 1])
    expect(window.page.locator(".piece.end")).to_contain_text("fits")
    window.page.locator("#tab-training").click()
    window.page.get_by_label("Epochs").fill(str(epochs))


def test_a_person_builds_trains_and_reads_a_network(window: Window) -> None:
    page = window.page
    build(window, "Digit reader", epochs=120)
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/*")

    live = page.locator("#live")
    expect(live).to_contain_text("Validation accuracy", timeout=PATIENCE)
    before = int(page.locator("#live progress").get_attribute("value") or 0)

    page.reload()
    page.wait_for_function("before => document.querySelector('#live progress').value > before", arg=before)
    assert page.locator("#live").count() == 1, "the run was over before the page was reloaded"

    accuracy = page.locator("#accuracy b")
    expect(accuracy).to_be_visible(timeout=4 * PATIENCE)
    assert float(accuracy.inner_text().rstrip("%")) >= 95
    expect(page.locator(".code")).to_contain_text("self.conv1 = nn.Conv2d(1, 16, kernel_size=3)")
    expect(page.locator(".facts")).to_contain_text("sha256:")
    with page.expect_download() as download:
        page.get_by_role("link", name="Program: Script").click()
    assert download.value.suggested_filename == "digit-reader.py"
    compile(download.value.path().read_text(), "digit-reader.py", "exec")
    with page.expect_download() as download:
        page.get_by_role("link", name="Weights: safetensors").click()
    assert download.value.path().stat().st_size > 1610 * 4

    page.goto(f"{window.base}/models")
    card = page.locator(".card").filter(has_text="Digit reader")
    expect(card).to_contain_text(re.compile(r"9\d\.\d%"))


def test_stop_ends_a_run_within_two_seconds(window: Window) -> None:
    page = window.page
    build(window, "Stopped early", epochs=500)
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/*")
    expect(page.locator("#live")).to_contain_text("Time left", timeout=PATIENCE)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#ending")).to_have_text("Stopped", timeout=2000)
    expect(page.locator("body")).to_contain_text("The test images were not used")


def test_the_foot_of_the_editor_shows_the_run_that_goes_on(window: Window) -> None:
    page = window.page
    build(window, "In the background", epochs=500)
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/*")
    page.get_by_role("link", name="Back to the blocks").click()
    expect(page.locator(".foot .live")).to_contain_text("left", timeout=PATIENCE)
    page.locator("#choose-relu1").click()
    expect(page.locator("#piece-relu1")).to_have_attribute("aria-current", "true")
    expect(page.locator(".foot .live progress")).to_be_visible()
    page.locator("#stop-run").click()
    expect(page.locator("#ending")).to_have_text("Stopped", timeout=PATIENCE)
