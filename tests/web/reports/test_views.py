"""The sections that explain a network, rendered from real reports of very different networks."""

import re
from base64 import b64decode
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from PIL import Image

from scv.message import say
from scv.ml.prepare_official import prepare
from scv.ml.report.report import SECTIONS as MADE
from scv.ml.report.report import make_report
from scv.report.activation import Activation
from scv.report.contents import decode_section, file_of
from scv.report.layer_similarity import ComparedLayer, Similarity
from scv.report.metrics import Metrics
from scv.report.parity import Pair, Parity
from scv.report.validity import RandomizedStep
from scv.settings import ROOT
from scv.web.http.language import load_languages
from scv.web.http.render import Renderer
from scv.web.renderer import make_renderer
from scv.web.reports.sections.activation import IN_FILE, PAGE
from scv.web.reports.sections.context import SectionContext
from scv.web.reports.sections.curves import band, line
from scv.web.reports.sections.order import SECTIONS
from scv.web.reports.sections.similarity import read_similarity, shade
from scv.web.reports.sections.validity import randomization_floor, randomization_line
from tests.ml.conftest import document
from tests.ml.reported import images, learned, unlearned
from tests.ml.test_hooks import NESTED

VOID = {"meta", "link", "img", "br", "input", "rect", "use", "path", "line", "image"}
NAMES = ("activation", "attribution", "validity", "maximization", "robustness", "similarity", "parity")


class Page(HTMLParser):
    """What a piece of HTML is made of; fails where its tags do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return make_renderer(load_languages(ROOT / "translations"))


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Report folders: nested and trained, without a convolution, one channel of two classes, 200 classes in colour."""
    folder = tmp_path_factory.mktemp("reports")
    digits = prepare(folder / "data", "digits")
    perceptron = document("Flatten", ("Linear", {"out_features": 12}), "ReLU", ("Linear", {"out_features": 10}))
    two = images(folder / "two-data", (1, 9, 12), 2, 60, 60)
    many = images(folder / "many-data", (3, 8, 8), 200, 400, 400)
    narrow = document(("Conv2d", {"out_channels": 1}), "Flatten", ("Linear", {"out_features": 2}))
    wide = document(("Conv2d", {"out_channels": 60}), "ReLU", "Flatten", ("Linear", {"out_features": 200}))
    wanted = tuple(section for section in MADE if section.name in (*NAMES, "metrics"))
    for name, trained, resident in (
        ("nested", learned(NESTED, digits, folder / "run", epochs=2), digits),
        ("perceptron", unlearned(perceptron, digits), digits),
        ("two", unlearned(narrow, two), two),
        ("many", unlearned(wide, many), many),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("scv.ml.report.feature_visualization.STEPS", 8)  # of 256: as many images, less plain ones
            contents = make_report(trained, resident, folder / name, sections=wanted, threads=1)
        assert {section.state for section in contents.sections} == {"done"}
    return {name: folder / name for name in ("nested", "perceptron", "two", "many")}


def figures_of(folder: Path, section: str) -> Any:
    return decode_section((folder / file_of(section)).read_bytes(), SECTIONS[section].figures)


def class_names(folder: Path) -> tuple[str, ...]:
    found = decode_section((folder / "metrics.json").read_bytes(), Metrics)
    assert isinstance(found, Metrics)
    return tuple(row.name for row in found.classes)


def rendered(
    renderer: Renderer,
    made: Any,
    section: str,
    folder: Path,
    language: str = "en",
    whole: bool = False,
    **chosen: object,
) -> str:
    """The macro's HTML, for the page or for the file."""
    context = SectionContext(folder, class_names(folder), {name: str(value) for name, value in chosen.items()}, whole)
    environment = renderer._environments[language]
    macro = environment.get_template(f"reports/sections/{section}.html").module.section  # type: ignore[attr-defined]  # the macro
    link = None if whole else lambda **query: f"?{urlencode(query)}"
    return str(macro(SECTIONS[section].make(made, context), lambda name: f"/images/{name}", link))


def images_in(page: Page) -> Iterator[str]:
    yield from (str(image["href"]) for image in page.all("image"))
    yield from (str(image["src"]) for image in page.all("img"))


@pytest.mark.parametrize("whole", [False, True], ids=["page", "file"])
@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("section", NAMES)
@pytest.mark.parametrize("network", ["nested", "perceptron", "two", "many"])
def test_a_section_is_whole_and_needs_no_style_or_script(
    network: str, section: str, language: str, whole: bool, reports: dict[str, Path], renderer: Renderer
) -> None:
    folder = reports[network]
    text = rendered(renderer, figures_of(folder, section), section, folder, language, whole)
    page = Page(text)
    assert " style=" not in text
    assert "<script" not in text
    assert "<style" not in text
    assert not re.search(r'\son\w+="', text)
    assert "None" not in page.words
    for address in images_in(page):
        if address.startswith("data:image/png;base64,"):
            continue
        assert (folder / address.removeprefix("/images/")).is_file(), address
    # Every tile lies within the image that it is a view of.
    plates = {str(image["id"]): image for image in page.all("image")}
    assert len(plates) == len(page.all("image")), "an image is in the page twice"
    for use in page.all("use"):
        assert str(use["href"]).removeprefix("#") in plates
    if whole:
        assert page.all("a") == [], "a file has no server to ask"


@pytest.mark.parametrize("section", NAMES)
def test_tables_images_and_headings_are_told_to_who_does_not_see_them(
    section: str, reports: dict[str, Path], renderer: Renderer
) -> None:
    for folder in reports.values():
        text = rendered(renderer, figures_of(folder, section), section, folder)
        page = Page(text)
        assert text.count("<table") == text.count("<caption")
        assert all("scope" in head for head in page.all("th"))
        assert all(image.get("alt") for image in page.all("img"))
        drawn = [svg for svg in page.all("svg") if "role" in svg]
        assert all(svg.get("aria-label") for svg in drawn)
        for region in (attributes for _, attributes in page.tags if attributes.get("role") == "region"):
            assert region.get("aria-label")
            assert region.get("tabindex") == "0"
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
        for before, level in zip([2, *levels], levels, strict=False):
            assert 3 <= level <= before + 1, "a heading is left out"
        identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(identifiers) == len(set(identifiers))


def test_tiles_lie_within_their_images(reports: dict[str, Path], renderer: Renderer) -> None:
    for folder in reports.values():
        for section in ("activation", "attribution", "maximization", "validity"):
            text = rendered(renderer, figures_of(folder, section), section, folder)
            sizes = {
                name: (int(width), int(height))
                for name, width, height in re.findall(
                    r'<image id="([^"]+)" href="[^"]+"\s+width="(\d+)" height="(\d+)"', text
                )
            }
            for name, (width, height) in sizes.items():
                with Image.open(folder / name.removeprefix("plate-").removeprefix("liked-")) as image:
                    assert image.size == (width, height), name
            tiles = re.findall(r'viewBox="(\d+) (\d+) (\d+) (\d+)">\s*<use href="#([^"]+)"', text)
            assert tiles
            for left, top, width, height, name in tiles:
                assert int(left) + int(width) <= sizes[name][0]
                assert int(top) + int(height) <= sizes[name][1]


def test_any_layer_and_channel_can_be_chosen(reports: dict[str, Path], renderer: Renderer) -> None:
    folder = reports["many"]
    made: Activation = figures_of(folder, "activation")
    page = rendered(renderer, made, "activation", folder)
    assert page.count("?layer=") == len(made.layers) + min(PAGE, 60) + 2
    chosen = rendered(renderer, made, "activation", folder, layer=1, channel=59)
    assert "Channel 60 of" in chosen
    assert made.layers[1].path in chosen
    assert chosen.count('aria-current="true"') == 3
    assert f'href="/images/{made.layers[1].file.removesuffix(".json")}-maps.png"' in chosen
    assert "activation-000" not in chosen
    for layer, channel in (("999", "0"), ("-1", "x"), ("0", "60"), ("", "9" * 40), ("١", "²")):
        assert "Channel 1 of conv1" in rendered(renderer, made, "activation", folder, layer=layer, channel=channel)


def test_units_that_are_answers_are_called_by_their_classes(reports: dict[str, Path], renderer: Renderer) -> None:
    folder = reports["perceptron"]
    made: Activation = figures_of(folder, "activation")
    layers = {layer.path: number for number, layer in enumerate(made.layers)}
    answers = rendered(renderer, made, "activation", folder, layer=layers["linear2"], channel=3)
    assert f"for the class {class_names(folder)[3]}" in answers
    assert "for the class" not in rendered(renderer, made, "activation", folder, layer=layers["linear1"], channel=3)


def test_a_channel_that_never_changes_is_called_silent(reports: dict[str, Path], renderer: Renderer) -> None:
    folder = reports["nested"]
    made: Activation = figures_of(folder, "activation")
    number = next(n for n, layer in enumerate(made.layers) if layer.type == "ReLU")
    file = folder / made.layers[number].file
    before = file.read_bytes()
    details = msgspec.json.decode(before)
    details["channels"][0]["low"] = details["channels"][0]["high"] = 0.0
    try:
        file.write_bytes(msgspec.json.encode(details))
        assert "Silent" in rendered(renderer, made, "activation", folder, layer=number, channel=0)
        file.write_bytes(b"{")
        assert "cannot be read" in rendered(renderer, made, "activation", folder, layer=number)
        assert rendered(renderer, made, "activation", folder, whole=True)
    finally:
        file.write_bytes(before)


def test_the_file_holds_the_first_channels_of_every_layer(reports: dict[str, Path], renderer: Renderer) -> None:
    folder = reports["many"]
    made: Activation = figures_of(folder, "activation")
    text = rendered(renderer, made, "activation", folder, whole=True)
    page = Page(text)
    assert len(page.all("details")) == len(made.layers)
    assert len(page.all("h4")) == sum(min(IN_FILE, layer.shown) for layer in made.layers)
    view = SECTIONS["activation"].make(made, SectionContext(folder, (), {}, whole=True))
    cut, whole = view.layers[0].maps, view.layers[0].details.maps
    with Image.open(BytesIO(_decoded(cut.data))) as part, Image.open(folder / whole.file) as image:
        assert part.tobytes() == image.crop((0, 0, *part.size)).tobytes()
        assert part.size[1] < image.size[1]


def _decoded(address: str) -> bytes:
    return b64decode(address.removeprefix("data:image/png;base64,"))


def test_verdicts_of_the_checks_stand_beside_the_attributions(reports: dict[str, Path], renderer: Renderer) -> None:
    folder = reports["nested"]
    made, checks = figures_of(folder, "attribution"), figures_of(folder, "validity")
    text = Page(rendered(renderer, made, "attribution", folder)).words
    for check in (*checks.deletions, *checks.randomizations):
        assert str(check.verdict) in text
    file = folder / "validity.json"
    try:
        file.rename(folder / "away.json")
        assert "not checked yet" in rendered(renderer, made, "attribution", folder)
    finally:
        (folder / "away.json").rename(file)


def test_a_network_without_feature_maps_says_why_there_is_no_grad_cam(
    reports: dict[str, Path], renderer: Renderer
) -> None:
    text = rendered(renderer, figures_of(reports["perceptron"], "attribution"), "attribution", reports["perceptron"])
    assert "there is no Grad-CAM" in text
    assert "attribution_grad_cam.png" not in text


def test_a_certificate_that_does_not_hold_says_so(reports: dict[str, Path], renderer: Renderer) -> None:
    folder = reports["two"]
    made: Parity = figures_of(folder, "parity")
    assert "differ by rounding only" in rendered(renderer, made, "parity", folder)
    apart = Pair(first="network", second="script", difference=None, agreement=0.5)
    text = rendered(renderer, msgspec.structs.replace(made, pairs=(apart,)), "parity", folder)
    assert "Do not rely on" in text
    assert "not finite" in text
    assert "50.00%" in text
    problem = say("ONNX knows no such block.")
    without = msgspec.structs.replace(made, problem=problem, pairs=made.pairs[:1], dataset_hash=None)
    text = rendered(renderer, without, "parity", folder)
    assert "ONNX knows no such block." in text
    assert "images of noise" in text


def layers(count: int, depth: int = 0) -> tuple[ComparedLayer, ...]:
    return tuple(ComparedLayer(f"b{n}", "Conv2d", f"conv{n + 1}", depth, (1, 2, 2)) for n in range(count))


def test_forty_layers_are_told_by_number_and_name(reports: dict[str, Path], renderer: Renderer) -> None:
    cka = tuple(tuple(1 - abs(row - column) / 40 for column in range(40)) for row in range(40))
    text = rendered(renderer, Similarity(100, layers(40), cka), "similarity", reports["two"])
    page = Page(text)
    assert len(page.all("th")) == 80
    assert text.count("<td class=") == 1600
    assert "conv40" in text
    assert '"likeness fine"' in text


def test_what_cannot_be_compared_is_said(reports: dict[str, Path], renderer: Renderer) -> None:
    reason = say("Layers are compared by {least} test images or more; there are {images}.", least=4, images=1)
    assert "there are 1" in rendered(renderer, Similarity(1, (), (), reason), "similarity", reports["two"])
    dead = Similarity(100, layers(2), ((1.0, None), None))
    text = rendered(renderer, dead, "similarity", reports["two"])
    assert text.count('class="c-none"') == 3
    assert "gives the same output for every image" in text


def test_neighbours_are_those_of_the_trunk() -> None:
    inner = ComparedLayer("i", "Conv2d", "residual1.main.0", 1, (1, 2, 2))
    first, second, third = layers(3)
    cka = ((1.0, 0.1, 0.99, 0.5), (0.1, 1.0, 0.2, 0.2), (0.99, 0.2, 1.0, 0.6), (0.5, 0.2, 0.6, 1.0))
    read = read_similarity(Similarity(100, (first, inner, second, third), cka))
    assert read is not None
    assert (read.largest_change.first, read.largest_change.second, read.largest_change.cka) == (3, 4, 0.6)
    assert [(pair.first, pair.second) for pair in read.same] == [(1, 3)]
    assert read.ends is not None
    assert read.ends.cka == 0.5


def test_lines_go_from_the_left_to_the_right_and_from_the_foot_to_the_top() -> None:
    assert line([1.0, 0.5, 0.0]) == "M0 0L50 50L100 100"
    steps = (RandomizedStep(layer="a", similarity=-0.2), RandomizedStep(layer="b", similarity=0.5))
    assert randomization_floor(steps) == -0.5
    assert randomization_floor(steps[1:]) == 0
    assert randomization_line(steps[1:], 0) == "M0 0L100 50"
    assert line([0.5]) == "M0 50"
    assert band([0.0, 0.5], [0.5, 1.0]) == "M0 50L100 0L100 50L0 100z"
    assert [shade(value) for value in (None, -0.1, 0.0, 0.54, 1.0)] == [None, 0, 0, 5, 10]
