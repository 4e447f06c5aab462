"""Starters fit every dataset, and what is said about them was measured on what they are."""

import re

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scv.blocks.check import check
from scv.blocks.document import decode, encode
from scv.blocks.findings import Check, errors
from scv.blocks.measured import MEASURED, Measured, measured
from scv.blocks.operations import apply
from scv.blocks.shapes import Shape
from scv.blocks.starters import STARTERS, Starter
from scv.blocks.tree import walk
from scv.data.official.catalogue import DATASETS, DatasetInfo, find
from scv.ml.build import build
from scv.training.recommend import network_facts, recommended
from scv.training.settings import defaults
from tests.blocks.generate import repaired
from tests.examples import examples

SHAPES: list[Shape] = [
    (1, 8, 8),
    (1, 28, 28),
    (2, 20, 20),
    (3, 32, 32),
    (3, 64, 64),
    (3, 96, 96),
    (1, 224, 224),
    (3, 224, 224),
]
CLASSES = [2, 10, 26, 200]
SOUND = [starter for starter in STARTERS.values() if not starter.exercise]
EXERCISES = [starter for starter in STARTERS.values() if starter.exercise]


def problems(result: Check) -> list[str]:
    return [p.code for block in result.blocks for p in block.problems] + [p.code for p in result.problems]


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("starter", SOUND, ids=lambda starter: starter.name)
def test_a_starter_fits_the_dataset_and_needs_no_advice(starter: Starter, shape: Shape, classes: int) -> None:
    result = check(starter.build(shape, classes), shape, classes)
    assert result.ok
    assert problems(result) == []
    assert result.parameters < (1_000_000 if max(shape) <= 32 else 3_000_000)


@given(
    st.tuples(st.integers(1, 3), st.integers(8, 224), st.integers(8, 224)),
    st.integers(2, 200),
    st.sampled_from(list(STARTERS.values())),
)
@settings(max_examples=examples(80), deadline=None)
def test_images_of_any_size_and_form_fit(shape: Shape, classes: int, starter: Starter) -> None:
    result = check(starter.build(shape, classes), shape, classes)
    if starter.exercise:
        result = repaired(starter.build(shape, classes), shape, classes)[1]
    assert result.ok
    assert set(problems(result)) == ({"no_activation_between"} if starter.exercise else set())


@given(
    st.tuples(st.integers(1, 3), st.integers(8, 96), st.integers(8, 96)),
    st.integers(2, 200),
    st.integers(1, 500),
    st.booleans(),
    st.sampled_from(SOUND),
)
@settings(max_examples=examples(50), deadline=None)
def test_the_recommended_settings_fit_images_of_any_size(
    shape: Shape, classes: int, epochs: int, mirrored: bool, starter: Starter
) -> None:
    names = tuple(map(str, range(classes)))
    dataset = msgspec.structs.replace(find("mnist"), shape=shape, class_names=names, epochs=epochs, mirrored=mirrored)
    document = starter.build(shape, classes)
    checked = check(document, shape, classes)
    advised = recommended(dataset, network_facts(document, checked))

    assert checked.blocks[-1].output == (classes,)
    assert defaults(dataset).problems() == advised.settings.problems() == []
    assert (advised.settings.epochs, advised.settings.flip) == (epochs, mirrored)
    assert 8 * advised.settings.shift < min(shape[1:])


@pytest.mark.parametrize("info", DATASETS.values(), ids=lambda info: info.name)
@pytest.mark.parametrize("starter", SOUND, ids=lambda starter: starter.name)
def test_a_starter_answers_for_images_of_every_dataset_in_torch(starter: Starter, info: DatasetInfo) -> None:
    network = build(starter.build(info.shape, info.classes), info.shape, info.classes).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, *info.shape)).shape == (2, info.classes)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("starter", EXERCISES, ids=lambda starter: starter.name)
def test_the_exercise_has_seven_errors_that_its_first_fixes_repair(
    starter: Starter, shape: Shape, classes: int
) -> None:
    document = starter.build(shape, classes)
    met: list[str] = []
    while found := errors(result := check(document, shape, classes)):
        met.append(found[0][1].code)
        for operation in found[0][1].fixes[0].operations:
            document = apply(document, operation)
    assert sorted(met) == [
        "bad_parameter",
        "branches_differ",
        "groups_do_not_divide",
        "kernel_too_large",
        "needs_vector",
        "same_needs_stride_1",
        "wrong_output",
    ]
    assert problems(result) == ["no_activation_between"]


@pytest.mark.parametrize("starter", STARTERS.values(), ids=lambda starter: starter.name)
def test_a_starter_is_a_document_like_any_other(starter: Starter) -> None:
    document = starter.build((3, 32, 32), 10)
    assert decode(encode(document)) == document
    ids = [block.id for block, _ in walk(document.blocks)]
    assert len(set(ids)) == len(ids)
    assert re.fullmatch(r"[a-z]+", starter.name)
    assert STARTERS[starter.name] is starter


def test_lenet_is_the_one_of_1998() -> None:
    """60,000 trainable parameters there, with a sparse second convolution; with all maps connected 61,706."""
    for shape in ((1, 28, 28), (1, 32, 32)):
        assert check(STARTERS["lenet"].build(shape, 10), shape, 10).parameters == 61_706


def test_every_starter_was_measured_on_every_small_dataset_and_nothing_else_was() -> None:
    wanted = {(name, dataset) for name in STARTERS for dataset in ("digits", "mnist")}
    assert {(row.starter, row.dataset) for row in MEASURED} == wanted
    assert len(MEASURED) == len(wanted)
    assert [row.dataset for row in measured("resnet")] == ["digits", "mnist"]


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: f"{row.starter}-{row.dataset}")
def test_what_was_measured_is_what_the_starter_is_today(row: Measured) -> None:
    info = find(row.dataset)
    document = STARTERS[row.starter].build(info.shape, info.classes)
    assert row.parameters == repaired(document, info.shape, info.classes)[1].parameters
    assert row.epochs == info.epochs
    assert 0.9 < row.accuracy < 1
