"""Repair all: what is safe to mend is mended, nothing that the user built is lost, and it ends."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.document import MAX_BLOCKS, Block, Document, encode
from scv.blocks.findings import Fix, errors
from scv.blocks.operations import Add, Move, Remove, SetParams, apply
from scv.blocks.repair import MAX_FIXES, Repaired, repair_all
from scv.blocks.shapes import Shape
from scv.blocks.starters import STARTERS
from scv.blocks.tree import taken, walk
from tests.blocks.generate import sound_documents, trees
from tests.examples import examples

MNIST: tuple[Shape, int] = ((1, 28, 28), 10)

UNCURABLE = {"too_many_parameters", "too_slow", "too_many_blocks"}
"""Errors that no ready-made operation can mend."""


def labels(repaired: Repaired) -> list[str]:
    return [str(fix.label) for fix in repaired.applied]


def ids(document: Document) -> list[str]:
    return [block.id for block, _ in walk(document.blocks)]


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 64, 64)], ids=str)
def test_the_exercise_is_repaired_as_a_whole(shape: Shape) -> None:
    broken = STARTERS["broken"].build(shape, 10)
    repaired = repair_all(broken, shape, 10)
    result = check(repaired.document, shape, 10)
    assert result.ok
    assert len(repaired.applied) == 7
    assert [p.code for block in result.blocks for p in block.problems] == ["no_activation_between"]
    assert [block for block in ids(repaired.document) if block in ids(broken)] == ids(broken)


def test_an_empty_network_gets_a_start() -> None:
    repaired = repair_all(Document(), *MNIST)
    assert labels(repaired) == ["Start with Flatten and Linear"]
    assert check(repaired.document, *MNIST).ok


def test_advice_is_left_alone() -> None:
    document = Document(blocks=(Block("f", "Flatten"), Block("l", "Linear"), Block("s", "Softmax")))
    assert [p.level for block in check(document, *MNIST).blocks for p in block.problems] == ["warning"]
    assert repair_all(document, *MNIST) == Repaired(document, ())


def test_what_only_a_removal_would_mend_stays_for_the_user() -> None:
    document = Document(blocks=(Block("x", "Conv9d"), Block("f", "Flatten"), Block("l", "Linear", {"bias": 3})))
    repaired = repair_all(document, *MNIST)
    assert ids(repaired.document) == ["x", "f", "l"]
    assert labels(repaired) == ["Set bias to true"]
    assert {p.code for _, p in errors(check(repaired.document, *MNIST))} == {"unknown_type"}


def test_it_ends_where_there_is_no_end_of_repairs() -> None:
    document = Document(blocks=tuple(Block(f"b{n}", "Conv2d", {"bias": 1, "stride": 0}) for n in range(MAX_BLOCKS)))
    assert len(repair_all(document, *MNIST).applied) == MAX_FIXES


def test_a_full_network_is_repaired_as_far_as_blocks_can_be_added() -> None:
    blocks = tuple(Block(f"b{n}", "ReLU") for n in range(MAX_BLOCKS))
    assert repair_all(Document(blocks=blocks), *MNIST) == Repaired(Document(blocks=blocks), ())


@settings(max_examples=examples(120), deadline=None)
@given(document=trees(), side=st.integers(1, 32), channels=st.integers(1, 3), classes=st.integers(2, 50))
def test_any_document_is_repaired_to_a_point_that_stays_and_keeps_what_was_built(
    document: Document, side: int, channels: int, classes: int
) -> None:
    shape = (channels, side, side)
    repaired = repair_all(document, shape, classes)
    assert len(repaired.applied) < MAX_FIXES
    assert repair_all(repaired.document, shape, classes) == Repaired(repaired.document, ())

    left = errors(check(repaired.document, shape, classes))
    assert not [fix for _, problem in left for fix in problem.fixes if fix.safe]
    assert {problem.code for _, problem in left if not problem.fixes} <= UNCURABLE

    step = document
    for fix in repaired.applied:
        before, step = step, applied(step, fix)
        assert fix.safe
        assert_kept(before, step, fix)
    assert encode(step) == encode(repaired.document)


def applied(document: Document, fix: Fix) -> Document:
    for operation in fix.operations:
        document = apply(document, operation)
    return document


def assert_kept(before: Document, after: Document, fix: Fix) -> None:
    """Every block and parameter is still there, but for what the fix sets, moves, or replaces by its like."""
    moved = {o.block for o in fix.operations if isinstance(o, Move)}
    replaced = {o.block for o in fix.operations if isinstance(o, Remove)}
    unset = {(o.block, name) for o in fix.operations if isinstance(o, SetParams) for name in o.params}
    assert set(ids(before)) - set(ids(after)) == replaced
    stay = [block for block in ids(before) if block not in moved | replaced]
    assert [block for block in ids(after) if block in stay] == stay
    for block, _ in walk(before.blocks):
        now = taken(after, block.id)
        if now is not None:
            assert now.type == block.type
            assert all(now.params[name] == v for name, v in block.params.items() if (block.id, name) not in unset)
        else:
            (new,) = (o for o in fix.operations if isinstance(o, Add))
            values, refused = CATALOGUE[block.type].complete(block.params)
            assert not refused
            assert CATALOGUE[new.type].complete(new.params) == (values, {})


@settings(max_examples=examples(50), deadline=None)
@given(data=st.data(), side=st.integers(1, 24), channels=st.integers(1, 3), classes=st.integers(2, 12))
def test_a_sound_network_that_was_damaged_is_sound_again(
    data: st.DataObject, side: int, channels: int, classes: int
) -> None:
    """Values that nothing takes, no Flatten in the trunk, another number of answers: all of it has a safe repair."""
    shape = (channels, side, side)
    sound = data.draw(sound_documents(shape, classes))
    blocks = [block for block in sound.blocks if block.type != "Flatten"]
    for number, block in enumerate(blocks):
        names = [param.name for param in CATALOGUE[block.type].params]
        bad = data.draw(st.sets(st.sampled_from([*names, "colour"]), max_size=2))
        blocks[number] = msgspec.structs.replace(block, params=block.params | dict.fromkeys(bad, "wrong"))
    repaired = repair_all(Document(blocks=tuple(blocks)), shape, classes)
    result = check(repaired.document, shape, classes)
    assert result.ok or {problem.code for _, problem in errors(result)} <= UNCURABLE
