"""The exported training: sound Python for any settings, with the steps that they ask for and no other."""

import ast
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scv.blocks.codeparse import parse
from scv.blocks.document import Block, Document
from scv.blocks.starters import STARTERS
from scv.data.official.catalogue import find
from scv.export.notebook import notebook
from scv.export.notebook_cells import cells
from scv.export.script import script
from scv.training.batches import BatchRefusedError
from scv.training.recipe import augmentation
from scv.training.settings import FIELDS, TrainingSettings
from tests.blocks.generate import values
from tests.examples import examples

DIGITS = find("digits")
DOCUMENT = STARTERS["mlp"].build(DIGITS.shape, DIGITS.classes)
SETTINGS = st.fixed_dictionaries({field.name: values(field) for field in FIELDS}).map(
    lambda chosen: TrainingSettings(**chosen)
)


def names(code: str) -> set[str]:
    """All that the code calls or defines by a plain name."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)} | {
        node.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)
    }


@settings(max_examples=examples(20), deadline=None)
@given(SETTINGS)
def test_any_settings_give_a_script_that_is_sound_and_reads_back(chosen: TrainingSettings) -> None:
    code = script(DOCUMENT, DIGITS, chosen)
    augmented = any((chosen.shift, chosen.flip, chosen.rotation, chosen.crop, chosen.cutout))

    assert max(map(len, code.splitlines())) <= 120
    assert "$" not in code
    assert ("augment" in names(code)) is augmented
    assert ("draws" in names(code)) is augmented
    assert ("learning_rate" in names(code)) is (chosen.schedule != "constant")
    assert ("math" in names(code)) is ("import math" in code)
    assert ("best_epoch" in names(code)) is (chosen.patience > 0)
    assert ("autocast" in code) is (chosen.precision == "bf16")
    assert ("label_smoothing" in code) is (chosen.label_smoothing > 0)
    assert parse(code).document.blocks == parse(script(DOCUMENT, DIGITS, TrainingSettings())).document.blocks


@settings(max_examples=examples(10), deadline=None)
@given(SETTINGS)
def test_a_dataset_with_images_for_validation_gets_no_share(chosen: TrainingSettings) -> None:
    own = msgspec.structs.replace(DIGITS, validation_size=100)
    code = script(DOCUMENT, own, chosen)
    sources = {cell.id: cell.source for cell in cells(DOCUMENT, own, chosen)}

    assert max(map(len, code.splitlines())) <= 120
    assert "$" not in code
    assert f"{chosen.validation_percent} //" not in code
    assert (f"{chosen.train_percent} + 99" in code) is (chosen.train_percent < 100)
    assert sources["data-functions"] in code
    assert "split(train_labels, validates)" in code
    assert "split(train_labels, validates)" in sources["data"]
    assert "% of each class" not in sources["about-data"]


@settings(max_examples=examples(10), deadline=None)
@given(SETTINGS)
def test_any_settings_give_cells_that_together_are_the_same_training(chosen: TrainingSettings) -> None:
    sources = {cell.id: cell.source for cell in cells(DOCUMENT, DIGITS, chosen)}
    code = script(DOCUMENT, DIGITS, chosen)

    assert sources["training-functions"] in code
    assert sources["data-functions"] in code
    assert all("$" not in source for source in sources.values())
    assert ("import math" in sources["imports"]) is ("import math" in code)


@given(SETTINGS)
def test_the_draws_that_are_made_are_those_that_are_used(chosen: TrainingSettings) -> None:
    varied = augmentation(chosen)
    if varied is not None:
        assert all(f"draws[{number}]" in varied.source for number in range(varied.draws))
        assert f"draws[{varied.draws}]" not in varied.source


@pytest.mark.parametrize("write", [script, notebook])
def test_what_would_normalize_a_single_value_is_not_written(write: Callable[..., str]) -> None:
    """A batch of one image, and what is left of an image is one value of each channel."""
    normalizing = [
        Document(blocks=(Block("f", "Flatten"), Block("n", "BatchNorm1d"), Block("l", "Linear", {"out_features": 10}))),
        Document(
            blocks=(
                Block("c", "Conv2d", {"out_channels": 4, "kernel_size": 8}),
                Block("n", "BatchNorm2d"),
                Block("f", "Flatten"),
                Block("l", "Linear", {"out_features": 10}),
            )
        ),
    ]
    one = TrainingSettings(batch_size=1)
    for document in normalizing:
        with pytest.raises(BatchRefusedError, match="another batch size"):
            write(document, DIGITS, one)
        assert write(document, DIGITS, TrainingSettings(batch_size=2))
    assert write(DOCUMENT, DIGITS, one), "which normalizes nothing"
