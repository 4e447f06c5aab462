"""A training as somebody at the screen lives through it: curves that move, pauses, advice, several seeds."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Window

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NETWORK: list[dict[str, Any]] = [{"id": "flatten1", "type": "Flatten"}, {"id": "linear1", "type": "Linear"}]
"""So small that an epoch takes a moment."""

CONVOLUTIONS: list[dict[str, Any]] = [
    {"id": "conv1", "type": "Conv2d", "params": {"out_channels": 4}},
    {"id": "relu1", "type": "ReLU"},
    {"id": "conv2", "type": "Conv2d", "params": {"out_channels": 4}},
    *NETWORK,
]

KEEP_PLOTS = """
let made;
window.made = [];
Object.defineProperty(window, "uPlot", {
  configurable: true,
  get: () => made,
  set: (real) => {
    made = new Proxy(real, {
      construct: (target, given) => {
        const plot = new target(...given);
        window.made.push(plot);
        return plot;
      },
    });
  },
});
window.shown = () => window.made.filter((plot) => plot.root.isConnected);
"""
"""Keeps what uPlot draws within a test's reach, as `shown()`: accuracy, loss, learning rate, images per second."""

POINTS = "() => shown()[0].data[0].filter(Number.isInteger).length"
"""Whole epochs that are drawn."""

IMAGES = "() => [...document.querySelectorAll('#plots canvas')].map((canvas) => canvas.toDataURL())"


@pytest.fixture
def desk(window: Window) -> Window:
    """A window whose pages keep their plots."""
    window.page.context.add_init_script(KEEP_PLOTS)
    return window


def start(window: Window, name: str, blocks: list[dict[str, Any]] = NETWORK, **settings: Any) -> str:
    """Make a model, set its training in the editor and press Run; the address of the run."""
    page = window.page
    window.new_model(name)
    editor = page.url
    page.goto(f"{editor}/import")
    page.fill("#text", json.dumps({"format": 1, "blocks": blocks}))
    page.click("#read")
    page.click("#replace")
    expect(page.locator("#stack > li")).to_have_count(len(blocks))
    page.goto(f"{editor}?pane=training")
    page.locator("#further-training > summary").click()
    for setting, value in settings.items():
        page.locator(f"[name='setting:{setting}']").fill(str(value))
    page.click("#run")
    page.wait_for_url("**/runs/*")
    return page.url


def wait_for_points(page: Page, least: int) -> None:
    page.wait_for_function(f"least => window.shown?.().length && ({POINTS})() >= least", arg=least)


def test_curves_move_while_it_trains_outlive_a_reload_and_a_closed_tab_and_stop(desk: Window) -> None:
    page = desk.page
    run = start(desk, "Moving", epochs=500, batch_size=8)
    wait_for_points(page, 2)
    expect(page.locator("#plots canvas")).to_have_count(4)
    before, images = page.evaluate(POINTS), page.evaluate(IMAGES)
    wait_for_points(page, before + 3)
    assert not set(images) & set(page.evaluate(IMAGES)), "a drawing stood still"
    expect(page.locator("#live .figures tbody tr")).to_have_count(min(8, page.evaluate(POINTS)))

    before = page.evaluate(POINTS)
    page.reload(wait_until="domcontentloaded")
    page.wait_for_function("() => window.shown?.().length")
    after = page.evaluate(POINTS)
    assert after >= before, "the curve began anew"
    wait_for_points(page, after + 2)

    page.close()
    desk.page = page = desk.page.context.new_page()
    desk.__post_init__()
    page.goto(run)
    wait_for_points(page, after + 3)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#ending")).to_have_text("Stopped")
    wait_for_points(page, after + 3)
    assert page.locator(".figures tbody tr").count() == page.evaluate(POINTS)


def test_two_tabs_see_the_same_end_and_the_dark_redraws_its_curves(desk: Window) -> None:
    page = desk.page
    run = start(desk, "Twice watched", epochs=60, batch_size=16)
    other = Window(page.context.new_page(), desk.base)
    other.page.goto(run)
    for tab in (page, other.page):
        expect(tab.locator("#accuracy b")).to_be_visible(timeout=2 * PATIENCE)
        wait_for_points(tab, 60)
        expect(tab.locator(".figures tbody tr")).to_have_count(60)
        expect(tab.locator("#run-status")).to_contain_text("test accuracy")
    assert page.locator("#accuracy b").inner_text() == other.page.locator("#accuracy b").inner_text()
    assert other.complaints() == []

    page.reload()
    wait_for_points(page, 60)
    page.evaluate("() => document.fonts.ready")
    light = page.evaluate(IMAGES)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => !({IMAGES})().some((image) => light.includes(image))", arg=light)
    expect(page.locator("#plots canvas")).to_have_count(4)
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"light => JSON.stringify(({IMAGES})()) === JSON.stringify(light)", arg=light)


def test_a_run_that_was_paused_ends_with_all_its_epochs(desk: Window) -> None:
    page = desk.page
    start(desk, "Paused", epochs=120, batch_size=16)
    wait_for_points(page, 3)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#paused")).to_contain_text("of 120 epochs are done")
    wait_for_points(page, 3)
    drawn = page.evaluate(POINTS)
    assert drawn < 120, "it had ended before the pause"
    expect(page.locator(".figures tbody tr")).to_have_count(drawn)

    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#accuracy b")).to_be_visible(timeout=2 * PATIENCE)
    wait_for_points(page, 120)
    assert page.locator(".figures tbody th").all_inner_texts()[:3] == ["1", "2", "3"]
    expect(page.locator(".figures tbody tr")).to_have_count(120)
    expect(page.locator(".figures .tag")).to_have_count(1)


def test_a_run_that_learned_nothing_says_why_and_one_press_mends_it(desk: Window) -> None:
    page = desk.page
    first = start(desk, "Too slow", epochs=3, learning_rate="0.0000001")
    expect(page.locator("#diagnosis")).to_contain_text("It only guesses", timeout=2 * PATIENCE)
    expect(page.locator("#diagnosis")).to_contain_text("is too small: the network hardly learns. Try 0.001.")
    page.get_by_role("button", name="Train again with learning rate 0.001").click()
    page.wait_for_function("first => location.href !== first", arg=first)
    expect(page.locator("#accuracy b")).to_be_visible(timeout=2 * PATIENCE)
    facts = dict(
        zip(page.locator(".facts dt").all_inner_texts(), page.locator(".facts dd").all_inner_texts(), strict=True)
    )
    assert (facts["Learning rate"], facts["Epochs"]) == ("0.001", "3")
    expect(page.locator("#diagnosis")).not_to_contain_text("It only guesses")


def test_a_run_whose_loss_ran_away_is_trained_again_more_slowly_by_one_press(desk: Window) -> None:
    page = desk.page
    first = start(desk, "Too fast", CONVOLUTIONS, epochs=3, learning_rate="10")
    expect(page.locator("#ending")).to_have_text("Failed", timeout=2 * PATIENCE)
    page.get_by_role("button", name="Train again with").click()
    page.wait_for_function("first => location.href !== first", arg=first)
    expect(page.locator("#accuracy b")).to_be_visible(timeout=2 * PATIENCE)


def test_one_press_sets_what_is_recommended(window: Window) -> None:
    page = window.page
    window.new_model("Advised")
    page.goto(f"{page.url}/starters")
    page.get_by_role("button", name="Use this").first.click()
    expect(page.locator("#stack > li").first).to_be_visible()
    page.locator("#tab-training").click()
    rate = page.locator("[name='setting:learning_rate']")
    expect(page.locator(".advised")).to_contain_text("These are the settings that we recommend")
    advised = rate.input_value()
    rate.fill("0.5")
    rate.press("Tab")
    expect(page.locator("#recommend")).to_be_visible()
    assert rate.input_value() == "0.5"
    page.locator("#recommend").click()
    expect(page.locator("#recommend")).to_have_count(0)
    expect(rate).to_have_value(advised)


def test_a_series_of_seeds_ends_with_mean_and_spread_and_shows_its_other_runs(desk: Window) -> None:
    page = desk.page
    start(desk, "Twins", epochs=12, batch_size=16, seeds=2)
    series = page.locator("#series")
    expect(series.get_by_role("heading")).to_have_text("The same from 2 seeds")
    expect(page.get_by_role("button", name="Stop all of them")).to_be_visible()
    expect(series).to_contain_text("mean test accuracy of 2 runs", timeout=2 * PATIENCE)
    expect(series).to_contain_text("±")
    expect(page.get_by_role("button", name="Stop all of them")).to_have_count(0)
    reached = series.locator(".runs .figure").all_inner_texts()
    mean = sum(float(text.rstrip("%")) for text in reached) / 2
    assert float(series.locator(".accuracy b").inner_text().rstrip("%")) == pytest.approx(mean, abs=0.011)

    assert page.locator("#accuracy b").inner_text() == reached[0]
    series.get_by_role("link", name="Seed 1").click()
    expect(page.locator("#accuracy b")).to_have_text(reached[1])
    expect(page.locator("#series [aria-current]")).to_contain_text("Seed 1")
    wait_for_points(page, 12)
    _, _, own, others_accuracy = page.evaluate("() => shown()[0].data")
    assert len(own) == len(others_accuracy) == 12
    assert own != others_accuracy
    page.get_by_role("link", name="Seed 0").click()
    wait_for_points(page, 12)
    _, _, first, other = page.evaluate("() => shown()[0].data")
    assert (first, other) == (others_accuracy, own)
    expect(page.locator("#plots .u-series").filter(has_text="Other seeds")).to_have_count(1)
