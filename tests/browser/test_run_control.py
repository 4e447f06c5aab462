"""A run's page by hand: pause it, have it go on, stop it, and train again with other settings."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE, Window
from tests.browser.test_main_job import build

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_run_is_paused_goes_on_is_stopped_and_trained_again(window: Window) -> None:
    page = window.page
    build(window, "Patient", epochs=500)
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/*")
    expect(page.locator("#live")).to_contain_text("Time left", timeout=PATIENCE)
    first = page.url
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#paused")).to_contain_text("continues exactly where it stopped", timeout=PATIENCE)
    expect(page.locator("#live")).to_have_count(0)

    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#live")).to_contain_text("Time left", timeout=PATIENCE)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#ending")).to_have_text("Stopped", timeout=PATIENCE)

    page.get_by_text("Train this network again with other settings").click()
    page.get_by_role("textbox", name="Epochs").fill("1")
    page.get_by_role("button", name="Train again").click()
    page.wait_for_function("first => location.href != first", arg=first)
    expect(page.locator("#accuracy b")).to_be_visible(timeout=PATIENCE)
