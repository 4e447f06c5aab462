"""Highlighted code, drawings, and the files that pages load."""

from pathlib import Path

import msgspec
import pytest
from markupsafe import Markup

from scv.blocks.codegen import module_lines
from scv.blocks.document import Block, Document
from scv.settings import ROOT
from scv.web.assets import MANIFEST, copy_assets
from scv.web.blocks_view.drawings import SILHOUETTE, cuboid, learning_curve, silhouette
from scv.web.blocks_view.highlight import highlight_module
from scv.web.http.render import arithmetic
from tests.web.conftest import GOOD
from tests.web.runs.test_pages import metrics


def test_every_line_of_code_knows_its_blocks_category() -> None:
    plain = module_lines(GOOD, (1, 8, 8), 10)
    lines = highlight_module(plain, GOOD)
    assert [line.html.striptags() for line in lines] == [" ".join(line.text.split()) for line in plain]
    categories = {line.block: line.category for line in lines if line.block}
    assert categories == {
        "conv1": "convolution", "relu1": "activation", "flatten1": "shape", "linear1": "linear",
    }  # fmt: skip


def test_foreign_text_in_code_is_escaped() -> None:
    document = Document(blocks=(Block("x", "<script>"),))
    html = Markup("").join(line.html for line in highlight_module(module_lines(document, (1, 8, 8), 10), document))
    assert "<script>" not in html
    assert "&lt;" in html


def test_numbers_of_a_formula_are_set_off_and_the_rest_is_escaped() -> None:
    assert arithmetic("a < 1,440 + 2") == Markup("a &lt; <em>1,440</em> + <em>2</em>")


def test_a_box_is_as_large_as_its_tensor() -> None:
    small, large, deep = cuboid((1, 8, 8)), cuboid((1, 28, 28)), cuboid((64, 8, 8))
    assert small.width < large.width
    assert small.height < deep.height


def test_a_long_networks_silhouette_is_thinned() -> None:
    blocks = [Block(f"relu{n}", "ReLU") for n in range(100)] + [Block("x", "Unknown")]
    assert silhouette(blocks) == ("activation",) * SILHOUETTE
    assert silhouette(GOOD.blocks) == ("convolution", "activation", "shape", "linear")


def test_the_axis_of_a_curve_spans_what_was_reached_in_round_numbers() -> None:
    curve = learning_curve([metrics(1), metrics(2)], 5)
    assert [tick.value for tick in curve.accuracy.ticks] == [50, 60, 70, 80]
    assert [tick.y for tick in curve.accuracy.ticks] == [100, 66.67, 33.33, 0]
    assert curve.accuracy.validation == "M0.0 16.67L25.0 16.67"
    assert curve.accuracy.train == "M0.0 100.0L25.0 100.0"
    assert curve.loss.digits == 2
    assert [round(tick.value, 3) for tick in curve.loss.ticks] == [0.9, 0.95, 1.0]


def test_the_axis_of_accuracies_that_are_all_alike_ends_at_them() -> None:
    same = [msgspec.structs.replace(metrics(epoch), train_accuracy=1, validation_accuracy=1) for epoch in (1, 2)]
    assert [tick.value for tick in learning_curve(same, 2).accuracy.ticks] == [99, 100]


def test_every_asset_of_the_manifest_is_served_from_here(tmp_path: Path) -> None:
    copy_assets(ROOT / "node_modules", tmp_path / "vendor")
    for target in MANIFEST.values():
        assert (tmp_path / "vendor" / target).exists()
    css = (tmp_path / "vendor" / "pretendard" / "pretendard.css").read_text()
    assert "http" not in css.split("@font-face", 1)[1]


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"htmx.*npm ci"):
        copy_assets(tmp_path, tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()
