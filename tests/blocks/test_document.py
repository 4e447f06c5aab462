from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.document import MAX_BLOCKS, MAX_BYTES, Block, Document, DocumentError, decode, encode
from scv.blocks.operations import (
    Add,
    Duplicate,
    Move,
    Operation,
    OperationError,
    Remove,
    SetParams,
    apply,
    read_operations,
)
from tests.blocks.generate import documents, parameters
from tests.examples import examples

CHAIN = Document(blocks=(Block("a", "Conv2d"), Block("b", "ReLU"), Block("c", "MaxPool2d")))


def ids(document: Document) -> str:
    return " ".join(block.id for block in document.blocks)


@settings(max_examples=examples(60), deadline=None)
@given(documents())
def test_json_keeps_every_document(document: Document) -> None:
    assert encode(decode(encode(document))) == encode(document)


def test_parameters_that_are_left_out_take_their_defaults() -> None:
    text = '{"format": 1, "blocks": [{"id": "c1", "type": "Conv2d"}]}'
    assert check(decode(text), (1, 28, 28), 10).blocks[0].output == (16, 26, 26)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no valid JSON"),
        ("{", "no valid JSON"),
        ("[]", "no block document"),
        ("nul", "no valid JSON"),
        ('{"format": 2, "blocks": []}', "format"),
        ('{"format": 1, "blocks": {}}', "blocks"),
        ('{"format": 1, "blocks": [{"type": "ReLU"}]}', "id"),
        ('{"format": 1, "blocks": [{"id": "a", "type": "ReLU", "params": []}]}', r"blocks\[0\]"),
        ('{"format": 1, "blocks": [{"id": "a", "type": "ReLU", "colour": "red"}]}', "colour"),
        ('{"format": 1, "blocks": [{"id": "a", "type": "ReLU", "params": {"x": 1e999}}]}', "out of range"),
        ('{"format": 1, "blocks": [{"id": "\\ud800", "type": "ReLU"}]}', "no valid JSON"),
        ('{"format": 1, "blocks": [{"id": "a", "type": "X", "params": {"x":' + "[" * 50000, "deeply|JSON"),
        (" " * (MAX_BYTES + 1), "longer than"),
    ],
)
def test_it_refuses_what_is_no_document(text: str, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        decode(text)


@settings(max_examples=examples(60), deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_get_past_it_as_anything_but_a_document_or_an_error(text: bytes) -> None:
    with suppress(DocumentError):
        assert isinstance(decode(text), Document)


def test_a_block_is_added_at_its_place_with_an_id_of_its_own() -> None:
    assert ids(apply(CHAIN, Add("ReLU"))) == "a b c relu1"
    assert ids(apply(CHAIN, Add("ReLU", 0))) == "relu1 a b c"
    twice = apply(apply(CHAIN, Add("ReLU")), Add("ReLU", 1, {}))
    assert ids(twice) == "a relu2 b c relu1"


def test_a_block_moves_to_where_it_then_stands() -> None:
    assert ids(apply(CHAIN, Move("a", 2))) == "b c a"
    assert ids(apply(CHAIN, Move("c", 0))) == "c a b"
    assert ids(apply(CHAIN, Move("b", 1))) == "a b c"


def test_a_block_is_removed_and_doubled() -> None:
    assert ids(apply(CHAIN, Remove("b"))) == "a c"
    assert ids(apply(CHAIN, Duplicate("a"))) == "a conv1 b c"


def test_parameters_are_set_in_canonical_form_and_taken_back() -> None:
    changed = apply(CHAIN, SetParams("a", {"kernel_size": [3, 3], "stride": [1, 2]}))
    assert changed.blocks[0].params == {"kernel_size": 3, "stride": (1, 2)}
    assert apply(changed, SetParams("a", {"stride": None})).blocks[0].params == {"kernel_size": 3}


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (Add("Conv3d"), "no block of the type Conv3d"),
        (Add("ReLU", 4), "Position 4"),
        (Add("ReLU", -1), "Position -1"),
        (Add("Conv2d", None, {"kernel_size": 0}), "kernel_size is 0"),
        (Add("Conv2d", None, {"kernel": 3}), "no parameter kernel"),
        (Move("z", 0), "z is no longer there"),
        (Move("a", 3), "Position 3"),
        (Remove("z"), "z is no longer there"),
        (SetParams("a", {"out_channels": "many"}), "out_channels is many"),
        (SetParams("a", {"bias": 1}), "bias is 1"),
        (Duplicate("z"), "z is no longer there"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_message(operation: Operation, words: str) -> None:
    with pytest.raises(OperationError, match=words):
        apply(CHAIN, operation)


def test_a_full_document_takes_no_more() -> None:
    full = Document(blocks=tuple(Block(f"b{n}", "ReLU") for n in range(MAX_BLOCKS)))
    for operation in (Add("ReLU"), Duplicate("b1")):
        with pytest.raises(OperationError, match=str(MAX_BLOCKS)):
            apply(full, operation)


def test_operations_are_read_one_or_many() -> None:
    assert read_operations('{"op": "add", "type": "ReLU"}') == (Add("ReLU"),)
    many = read_operations('[{"op": "remove", "block": "a"}, {"op": "move", "block": "b", "position": 0}]')
    assert many == (Remove("a"), Move("b", 0))


@pytest.mark.parametrize("text", ["", "{}", "[{}]", '{"op": "explode"}', '{"op": "add"}', '{"op": "move", "block": 1}'])
def test_operations_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(OperationError, match="cannot be read"):
        read_operations(text)


@settings(max_examples=examples(30), deadline=None)
@given(document=documents(), data=st.data())
def test_an_operation_changes_one_thing_and_leaves_the_old_document(document: Document, data: st.DataObject) -> None:
    before = encode(document)
    kind = data.draw(st.sampled_from(list(CATALOGUE.values())))
    position = data.draw(st.integers(0, len(document.blocks)))
    after = apply(document, Add(kind.type, position, data.draw(parameters(kind))))
    assert encode(document) == before
    assert after.blocks[position].id not in {block.id for block in document.blocks}
    assert encode(apply(after, Remove(after.blocks[position].id))) == before
