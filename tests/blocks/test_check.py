import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scv.blocks.check import MAX_NUMBERS, check
from scv.blocks.codegen import InvalidDocumentError, in_place, named_calls
from scv.blocks.document import Block, Document
from scv.blocks.findings import Check, Problem, errors
from tests.blocks.generate import documents, repaired

MNIST = ((1, 28, 28), 10)


def chain(*blocks: Block) -> Document:
    return Document(blocks=blocks)


def problems(document: Document) -> list[Problem]:
    return [problem for _, problem in errors(check(document, *MNIST))]


def test_shapes_and_costs_of_a_lenet() -> None:
    result = check(
        chain(
            Block("c1", "Conv2d", {"out_channels": 6, "kernel_size": 5, "padding": 2}),
            Block("s1", "Tanh"),
            Block("p1", "AvgPool2d"),
            Block("c2", "Conv2d", {"out_channels": 16, "kernel_size": 5}),
            Block("s2", "Tanh"),
            Block("p2", "AvgPool2d"),
            Block("f", "Flatten"),
            Block("l1", "Linear", {"out_features": 120}),
            Block("l2", "Linear", {"out_features": 84}),
            Block("l3", "Linear", {"out_features": 10}),
        ),
        *MNIST,
    )
    assert result.ok
    assert [block.output for block in result.blocks] == [
        (6, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 10, 10), (16, 5, 5), (400,), (120,), (84,), (10,),
    ]  # fmt: skip
    assert result.parameters == 61_706  # LeCun et al. 1998, with all maps connected
    assert result.blocks[0].multiply_adds == 6 * 28 * 28 * 25


def test_a_linear_on_a_tensor_offers_flatten_with_the_arithmetic() -> None:
    found = check(chain(Block("l", "Linear")), *MNIST).blocks[0].problems[0]
    assert found.code == "needs_vector"
    assert str(found.message) == "Linear needs a vector, but a 1 × 28 × 28 tensor arrives."
    assert str(found.detail) == "1 × 28 × 28 = 784 numbers per image"
    assert [str(fix.label) for fix in found.fixes] == ["Insert Flatten", "Pool to 1 × 1 × 1 instead"]


def test_a_kernel_that_is_too_large_shows_its_sum_and_shrinks() -> None:
    document = chain(Block("p", "MaxPool2d", {"kernel_size": 9}), Block("c", "Conv2d", {"kernel_size": 5}))
    found = check(document, *MNIST).blocks[1].problems[0]
    assert found.code == "kernel_too_large"
    assert str(found.detail) == "height: (3 + 2·0 − 5) / 1 + 1 = −1"
    mended = repaired(document, *MNIST)[0]
    assert mended.blocks[1].params["kernel_size"] == 3


def test_a_kernel_as_large_as_its_input_is_fine() -> None:
    document = chain(Block("c", "Conv2d", {"kernel_size": 28, "out_channels": 10}), Block("f", "Flatten"))
    assert check(document, *MNIST).ok


def test_a_convolution_behind_flatten_says_that_it_needs_a_tensor() -> None:
    found = problems(chain(Block("f", "Flatten"), Block("c", "Conv2d")))
    assert [p.code for p in found] == ["needs_tensor"]


@pytest.mark.parametrize(
    ("blocks", "label"),
    [
        ((Block("f", "Flatten"), Block("l", "Linear", {"out_features": 3})), "Set its outputs to 10"),
        ((Block("c", "Conv2d"),), "Add Flatten and Linear with 10 outputs"),
        ((Block("f", "Flatten"), Block("l", "Linear"), Block("f2", "Flatten"), Block("d", "Linear",
          {"out_features": 11}), Block("r", "ReLU")), "Add Linear with 10 outputs"),
    ],
)  # fmt: skip
def test_a_wrong_end_stands_at_the_last_block_and_offers_the_right_one(blocks: tuple[Block, ...], label: str) -> None:
    result = check(chain(*blocks), *MNIST)
    found = result.blocks[-1].problems[-1]
    assert found.code == "wrong_output"
    assert str(found.fixes[0].label) == label
    assert repaired(chain(*blocks), *MNIST)[1].ok


def test_an_empty_network_offers_a_start() -> None:
    assert [p.code for p in problems(chain())] == ["empty"]
    assert repaired(chain(), *MNIST)[1].ok


def test_what_nothing_can_learn_is_refused() -> None:
    document = chain(Block("p", "AdaptiveAvgPool2d", {"output_size": [2, 5]}), Block("f", "Flatten"))
    assert [p.code for p in problems(document)] == ["nothing_to_learn"]


def test_softmax_before_the_loss_is_a_warning_and_no_error() -> None:
    result = check(chain(Block("f", "Flatten"), Block("l", "Linear"), Block("s", "Softmax")), *MNIST)
    assert result.ok
    assert [p.code for p in result.blocks[-1].problems] == ["softmax_before_loss"]


def test_an_unknown_type_names_its_block_and_what_follows_is_still_checked() -> None:
    result = check(chain(Block("x", "Conv9d"), Block("l", "Linear", {"out_features": 0})), *MNIST)
    assert [(block and block.id, p.code) for block, p in errors(result)] == [
        ("x", "unknown_type"),
        ("l", "bad_parameter"),
    ]
    assert str(in_place(*errors(result)[0])) == "Block x (Conv9d): There is no block of the type Conv9d."


def test_foreign_words_cannot_break_a_line() -> None:
    result = check(chain(Block("a\nb", "X" * 100 + "\x1b[2J")), *MNIST)
    for pair in errors(result):
        line = str(in_place(*pair))
        assert line.isprintable()
        assert len(line) < 200


def test_ids_must_be_sound_and_single() -> None:
    result = check(chain(Block("", "ReLU"), Block("a b", "ReLU"), Block("ok", "ReLU"), Block("ok", "ReLU")), *MNIST)
    codes = [[p.code for p in block.problems if p.code != "wrong_output"] for block in result.blocks]
    assert codes == [["bad_id"], ["bad_id"], [], ["duplicate_id"]]


def test_branches_belong_to_containers_only() -> None:
    result = check(chain(Block("r", "ReLU", {}, ((Block("c", "Conv2d"),),))), *MNIST)
    assert "no_branches" in {p.code for _, p in errors(result)}


def test_what_would_fill_the_memory_is_refused_before_it_does() -> None:
    grow = [Block(f"u{n}", "ConvTranspose2d", {"stride": 16, "kernel_size": 16, "out_channels": 8}) for n in range(4)]
    assert "too_large" in {p.code for p in problems(chain(*grow))}
    wide = chain(
        Block("f", "Flatten"),
        *(Block(f"l{n}", "Linear", {"out_features": 65536}) for n in range(3)),
        Block("end", "Linear"),
    )
    assert {p.code for p in problems(wide)} == {"too_many_parameters"}


def test_ten_thousand_blocks_are_one_clear_problem() -> None:
    document = chain(*(Block(f"b{n}", "ReLU") for n in range(10_000)))
    result = check(document, *MNIST)
    assert not result.ok
    assert str(result.problems[0].message) == (
        "The network has 10,000 blocks; at most 400 are allowed. The first one too many is b400 (ReLU)."
    )
    with pytest.raises(InvalidDocumentError, match="b400"):
        named_calls(document, *MNIST)


@settings(max_examples=300, deadline=None)
@given(document=documents(), side=st.integers(1, 32), channels=st.integers(1, 3), classes=st.integers(2, 50))
def test_any_document_gets_an_answer_and_clicking_fixes_mends_it(
    document: Document, side: int, channels: int, classes: int
) -> None:
    """Every error that offers a cure is cured by it: what is left has no fix, or the network is sound."""
    shape = (channels, side, side)
    first = check(document, shape, classes)
    assert isinstance(first, Check)
    assert all((block.output is None or max(block.output) <= MAX_NUMBERS) for block in first.blocks)
    _, result = repaired(document, shape, classes)
    assert not [problem for _, problem in errors(result) if problem.fixes]
    if len({block.id for block in document.blocks}) == len(document.blocks):
        uncurable = {"nothing_to_learn", "too_many_parameters", "too_slow"}
        assert result.ok or {p.code for _, p in errors(result)} <= uncurable
