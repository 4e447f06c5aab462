"""A person's own images: from a zip to a trained network, and to one trained on a version with an image less."""

import re
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from sklearn.datasets import load_digits

from tests.browser.conftest import PATIENCE, Window
from tests.browser.test_accessibility import violations

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CLASSES = {"null": 0, "one 하나": 1, "four": 4}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A zip of real handwritten digits, dark on light as people write them, with two files that are no images."""
    digits = load_digits()
    path = tmp_path / "some digits.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, label in CLASSES.items():
            for number, image in enumerate(digits.images[digits.target == label][:100]):
                enlarged = Image.fromarray(255 - (image * 255 / 16).astype(np.uint8)).resize((64, 48))
                content = BytesIO()
                enlarged.save(content, "PNG")
                file.writestr(f"{name}/{number:03}.png", content.getvalue())
        file.writestr("four/notes.txt", "written by many hands")
        file.writestr("four/broken.png", b"MZ this is a program")
    return path


def train(window: Window) -> float:
    """Press Run in the editor and wait for the accuracy, from 0 to 1."""
    page = window.page
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/*")
    accuracy = page.locator("#accuracy b")
    expect(accuracy).to_be_visible(timeout=4 * PATIENCE)
    return float(accuracy.inner_text().rstrip("%")) / 100


def check_accessible(window: Window) -> None:
    """The pages of the dataset that the window is on, in light and dark."""
    here = window.page.url
    details = (here, f"{here}/delete", f"{window.base}/datasets/own-{here.rpartition('/')[2]}-1/classes/0/images")
    for path in (*details, f"{window.base}/datasets"):
        window.page.goto(path)
        for theme in ("light", "dark"):
            window.page.emulate_media(color_scheme=theme)
            assert violations(window) == []
    window.page.goto(here)


def test_a_zip_becomes_a_dataset_and_a_trained_network_and_goes_on_without_an_image(
    window: Window, archive: Path
) -> None:
    page = window.page
    page.goto(f"{window.base}/datasets")
    page.get_by_role("link", name="New dataset").first.click()
    page.locator("input[type=file]").set_input_files(archive)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/collect")
    expect(page.locator("#preview")).to_contain_text("one 하나")
    expect(page.locator("#preview")).to_contain_text("notes.txt")
    page.get_by_label("28", exact=True).check()
    page.get_by_label("grey").check()
    expect(page.locator("#preview img").first).to_have_attribute("src", re.compile("size=28"))
    page.get_by_role("button", name="Import").click()

    expect(page.get_by_role("heading", name="Classes")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("main")).to_contain_text("240 training images and 60 test images.")
    expect(page.locator("main")).to_contain_text("four/broken.png")
    expect(page.locator(".head .shape")).to_contain_text("28")
    first = page.locator(".facts").inner_text()

    check_accessible(window)
    page.get_by_role("link", name="New model").click()
    page.get_by_label("What should it be called?").fill("Three digits")
    page.locator("[name=starter][value=lenet]").check()
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/versions/1")
    editor = page.url
    expect(page.locator(".piece.end")).to_contain_text("one 하나")
    assert train(window) >= 0.95

    page.goto(f"{window.base}/datasets")
    page.get_by_role("link", name="some digits").click()
    page.locator(".classes").get_by_role("link", name="four").click()
    page.locator(".image-grid [type=checkbox]").nth(3).check()
    page.get_by_role("button", name="Remove selected images").click()
    expect(page.locator(".head")).to_contain_text("version 2", timeout=PATIENCE)
    expect(page.locator("main")).to_contain_text("239")
    assert page.locator(".facts").inner_text() != first

    page.goto(editor)
    page.get_by_role("link", name="There is a newer version of these images").click()
    page.get_by_role("button", name="Train on this dataset").click()
    page.wait_for_url(re.compile(r"/versions/1"))
    expect(page.locator(".piece.start")).to_contain_text("some digits (2)")
    page.locator("#tab-training").click()
    page.get_by_label("Epochs").fill("2")
    train(window)
    expect(page.locator(".head, .run-head, header").first).to_be_visible()
    expect(page.locator("main")).to_contain_text("some digits (2)")
