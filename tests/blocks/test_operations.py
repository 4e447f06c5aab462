"""Blocks that come from elsewhere: pasted with ids of their own, or refused as a whole."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scv.blocks.block import Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import MAX_BLOCKS, MAX_DEPTH, Block, Document, encode
from scv.blocks.normal import normal
from scv.blocks.operations import OperationError, Paste, apply, read_operations
from scv.blocks.tree import Chain, Spot, chain_at, depth_of, taken, walk
from tests.blocks.generate import trees
from tests.examples import examples

CONV = Block("c", "Conv2d", {"kernel_size": 5})
NESTED = Block("r", "Residual", {}, ((Block("c", "Conv2d"), Block("n", "BatchNorm2d")), ()))
HERE = Document(blocks=(Block("conv1", "Conv2d"), Block("residual1", "Residual", {}, ((), ()))))


def deep(levels: int) -> Block:
    block = CONV
    for _ in range(levels):
        block = Block("r", "Residual", {}, ((block,), ()))
    return block


def test_a_pasted_block_stands_at_its_place_with_an_id_of_its_own() -> None:
    pasted = apply(HERE, Paste((CONV, NESTED), 1))
    assert [block.id for block, _ in walk(pasted.blocks)] == [
        "conv1", "conv2", "residual2", "conv3", "norm1", "residual1"
    ]  # fmt: skip
    assert pasted.blocks[1].params == {"kernel_size": 5}
    assert [block.id for block in apply(HERE, Paste((CONV,))).blocks] == ["conv1", "residual1", "conv2"]


def test_blocks_are_pasted_into_a_branch() -> None:
    pasted = apply(HERE, Paste((CONV, NESTED), 0, "residual1", 1))
    assert [block.type for block in chain_at(pasted, Spot("residual1", 1)) or ()] == ["Conv2d", "Residual"]


def test_a_paste_is_read_from_json_and_brings_its_parameters_into_canonical_form() -> None:
    text = '{"op": "paste", "blocks": [{"id": "x y", "type": "Conv2d", "params": {"stride": [2, 2]}}], "position": 0}'
    pasted = apply(HERE, read_operations(text)[0])
    assert pasted.blocks[0] == Block("conv2", "Conv2d", {"stride": 2})


def test_a_container_that_comes_without_branches_gets_empty_ones() -> None:
    assert apply(HERE, Paste((Block("p", "Parallel"),))).blocks[-1].branches == ((), ())


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (Paste(()), "nothing to paste"),
        (Paste((Block("x", "Conv9d"),)), "no block of the type Conv9d"),
        (Paste((CONV, Block("r", "Residual", {}, ((Block("x", "Conv9d"),), ())))), "no block of the type Conv9d"),
        (Paste((Block("c7", "Conv2d", {"kernel_size": 0}),)), r"Block c7 \(Conv2d\): kernel_size is 0"),
        (Paste((Block("c7", "Conv2d", {"kernel": 3}),)), "no parameter kernel"),
        (Paste((Block("c", "Conv2d", {}, ((),)),)), "Conv2d has no branches"),
        (Paste((Block("r", "Residual", {}, ((),)),)), "Residual has at least 2 branches"),
        (Paste((Block("r", "Residual", {}, ((), (), ())),)), "Residual has at most 2 branches"),
        (Paste((CONV,), 3), "Position 3"),
        (Paste((CONV,), -1), "Position -1"),
        (Paste((CONV,), 0, "nowhere"), "no longer there"),
        (Paste((CONV,), 0, "residual1", 2), "no longer there"),
        (Paste((deep(MAX_DEPTH + 1),)), f"at most {MAX_DEPTH} deep"),
        (Paste((deep(MAX_DEPTH),), 0, "residual1"), f"at most {MAX_DEPTH} deep"),
        (Paste((deep(300),)), f"at most {MAX_DEPTH} deep"),
        (Paste((CONV,) * MAX_BLOCKS), f"at most {MAX_BLOCKS} blocks"),
    ],
)
def test_what_cannot_be_pasted_is_refused_as_a_whole(operation: Paste, words: str) -> None:
    before = encode(HERE)
    with pytest.raises(OperationError, match=words):
        apply(HERE, operation)
    assert encode(HERE) == before


def test_as_deep_and_as_many_as_may_be_are_pasted() -> None:
    assert max(depth_of(block) for block in apply(HERE, Paste((deep(MAX_DEPTH),))).blocks) == MAX_DEPTH
    assert len(apply(Document(), Paste((CONV,) * MAX_BLOCKS)).blocks) == MAX_BLOCKS


def whole(blocks: Chain) -> Chain:
    """The blocks with the branches that every container of their kinds has at least."""
    made = []
    for block in blocks:
        kind = CATALOGUE[block.type]
        branches = tuple(map(whole, block.branches or ()))
        if isinstance(kind, Container):
            branches = (*branches, *((),) * (kind.fewest - len(branches)))[: kind.most]
        made.append(Block(block.id, block.type, block.params, branches if isinstance(kind, Container) else None))
    return tuple(made)


@settings(max_examples=examples(60), deadline=None)
@given(document=trees(), foreign=trees(), data=st.data())
def test_pasting_adds_these_blocks_and_changes_nothing_else(
    document: Document, foreign: Document, data: st.DataObject
) -> None:
    blocks = whole(foreign.blocks)
    if not blocks:
        return
    position = data.draw(st.integers(0, len(document.blocks)))
    old = {block.id for block, _ in walk(document.blocks)}
    pasted = apply(document, Paste(blocks, position))
    there = pasted.blocks[position : position + len(blocks)]
    assert encode(Document(blocks=pasted.blocks[:position] + pasted.blocks[position + len(blocks) :])) == encode(
        document
    )
    assert encode(normal(Document(blocks=there))) == encode(normal(Document(blocks=blocks)))
    fresh = [block.id for block, _ in walk(there)]
    assert len(set(fresh)) == len(fresh)
    assert not old & set(fresh)


@settings(max_examples=examples(30), deadline=None)
@given(document=trees(), data=st.data())
def test_what_is_taken_from_a_document_can_be_pasted_beside_it(document: Document, data: st.DataObject) -> None:
    ids = [block.id for block, _ in walk(document.blocks)]
    if not ids:
        return
    block = taken(document, data.draw(st.sampled_from(ids)))
    assert block is not None
    chain = whole((block,))
    copy = apply(document, Paste(chain)).blocks[-1]
    assert encode(normal(Document(blocks=(copy,)))) == encode(normal(Document(blocks=chain)))


def test_nothing_is_taken_where_nothing_is() -> None:
    assert taken(HERE, "nowhere") is None


@pytest.mark.parametrize("value", [None, "three", [1, 2, 3], 1e30, True, {}])
def test_no_value_is_pasted_that_the_parameter_does_not_take(value: Any) -> None:
    with pytest.raises(OperationError, match="kernel_size is"):
        apply(HERE, Paste((Block("c", "Conv2d", {"kernel_size": value}),)))
