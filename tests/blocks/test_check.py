import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scv.blocks.check import MAX_NUMBERS, check
from scv.blocks.codegen import InvalidDocumentError, in_place, named_calls
from scv.blocks.document import Block, Document
from scv.blocks.findings import Check, Problem, errors
from scv.blocks.operations import SetParams, apply
from scv.blocks.shapes import Shape
from scv.blocks.tree import walk
from tests.blocks.generate import documents, repaired, trees
from tests.examples import examples

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


def fixes(document: Document, shape: Shape = (1, 28, 28)) -> list[tuple[str, bool]]:
    """Label and safety of the fixes of the first error."""
    _, problem = errors(check(document, shape, 10))[0]
    return [(str(fix.label), fix.safe) for fix in problem.fixes]


def after_first_fix(document: Document, shape: Shape = (1, 28, 28)) -> tuple[Document, list[str]]:
    """The document with the first fix of its first error, and the codes of the errors that are left."""
    _, problem = errors(check(document, shape, 10))[0]
    for operation in problem.fixes[0].operations:
        document = apply(document, operation)
    return document, [left.code for _, left in errors(check(document, shape, 10))]


END = (Block("f", "Flatten"), Block("l", "Linear"))


def test_a_kernel_that_is_too_large_can_also_be_padded_where_that_keeps_the_size() -> None:
    assert fixes(chain(Block("c", "Conv2d", {"kernel_size": [5, 3], "dilation": [2, 1]}), *END), (1, 8, 8)) == [
        ("Shrink the kernel to 4 × 3", True),
        ("Set padding to 4 × 1 so that the size is kept", True),
        ("Remove Conv2d", False),
    ]
    for params in (
        {"kernel_size": 10},
        {"kernel_size": 9, "stride": 2},
        {"kernel_size": 33, "padding_mode": "reflect"},
    ):
        labels = [label for label, _ in fixes(chain(Block("c", "Conv2d", params), *END), (1, 8, 8))]
        assert labels == ["Shrink the kernel to 8", "Remove Conv2d"]
    pool = chain(Block("p", "AvgPool2d", {"kernel_size": 9, "stride": 1}), *END)
    assert fixes(pool, (1, 8, 8))[1] == ("Set padding to 4 so that the size is kept", True)


def test_a_pool_on_a_single_pixel_is_best_taken_out() -> None:
    document = chain(Block("a", "AdaptiveAvgPool2d"), Block("p", "MaxPool2d"), *END)
    assert fixes(document) == [("Remove MaxPool2d", False), ("Shrink the kernel to 1", True)]


@pytest.mark.parametrize(
    ("container", "label", "paddings"),
    [
        (
            Block("r", "Residual", {}, ((Block("c1", "Conv2d", {"out_channels": 1}),), ())),
            "Set padding to 1 so that the size is kept",
            {"c1": 1},
        ),
        (
            Block("r", "Residual", {}, ((Block("c1", "Conv2d"), Block("c2", "Conv2d", {"out_channels": 1})), ())),
            "Set padding to 1 so that the size is kept",
            {"c1": 1, "c2": 1},
        ),
        (
            Block("r", "Parallel", {}, ((Block("c1", "Conv2d", {"kernel_size": 1}),), (Block("c2", "Conv2d"),),
                  (Block("c3", "Conv2d", {"kernel_size": 5, "padding": "valid"}),),
                  (Block("c4", "MaxPool2d", {"kernel_size": 3, "stride": 1}),))),
            "Set padding so that the size is kept",
            {"c2": 1, "c3": 2, "c4": 1},
        ),
        (
            Block("r", "Residual", {}, ((Block("n", "Residual", {}, (
                (Block("c1", "Conv2d", {"out_channels": 1, "kernel_size": [1, 3]}),),
                (Block("c2", "Conv2d", {"out_channels": 1, "kernel_size": [1, 3]}),))),), ())),
            "Set padding to 0 × 1 so that the size is kept",
            {"c1": (0, 1), "c2": (0, 1)},
        ),
    ],
)  # fmt: skip
def test_branches_that_differ_for_want_of_padding_are_padded_first(
    container: Block, label: str, paddings: dict[str, int | tuple[int, int]]
) -> None:
    document = chain(container, *END)
    assert fixes(document)[0] == (label, True)
    assert len(fixes(document)) == 2
    mended, left = after_first_fix(document)
    assert left == []
    assert {b.id: b.params["padding"] for b, _ in walk(mended.blocks) if b.params.get("padding")} == paddings


@pytest.mark.parametrize(
    "params",
    [
        {"out_channels": 1, "kernel_size": 2},  # no padding keeps the size under an even kernel
        {"out_channels": 1, "stride": 2},
        {"out_channels": 8},  # the channels differ as well
    ],
)
def test_no_padding_is_offered_that_does_not_make_the_branches_fit(params: dict[str, int]) -> None:
    labels = [label for label, _ in fixes(chain(Block("r", "Residual", {}, ((Block("c", "Conv2d", params),), ()))))]
    assert len(labels) == 1
    assert labels[0].startswith("Fit the shortcut to ")


@pytest.mark.parametrize(
    "kind", ["Conv2d", "ConvTranspose2d", "MaxPool2d", "AdaptiveAvgPool2d", "Dropout2d", "ZeroPad2d", "Upsample"]
)
def test_what_needs_a_tensor_moves_above_the_flatten_of_its_chain(kind: str) -> None:
    document = chain(Block("c", "Conv2d"), Block("f", "Flatten"), Block("x", kind), Block("l", "Linear"))
    assert fixes(document) == [(f"Move {kind} above Flatten", True), (f"Remove {kind}", False)]
    mended, left = after_first_fix(document)
    assert [block.id for block in mended.blocks] == ["c", "x", "f", "l"]
    assert left == []


def test_groups_of_a_single_number_are_refused_since_torch_takes_them_for_several_images_only() -> None:
    document = chain(Block("f", "Flatten"), Block("l", "Linear", {"out_features": 8}), Block("x", "GroupNorm"))
    grouped = apply(document, SetParams("x", {"num_groups": 8}))
    found = check(grouped, *MNIST).blocks[2].problems[0]
    assert found.code == "group_of_one"
    assert [str(fix.label) for fix in found.fixes] == ["Set groups to 4"]
    assert not [problem for problem in check(document, *MNIST).blocks[2].problems if problem.code == "group_of_one"]


def test_a_normalization_behind_flatten_can_also_become_one_for_vectors() -> None:
    document = chain(Block("f", "Flatten"), Block("x", "BatchNorm2d", {"eps": 0.001}), Block("l", "Linear"))
    assert fixes(document) == [("Use BatchNorm1d instead", True), ("Move BatchNorm2d above Flatten", True)]
    mended, left = after_first_fix(document)
    assert left == []
    assert mended.blocks[1].type == "BatchNorm1d"
    assert mended.blocks[1].params == {"eps": 0.001}


def test_nothing_moves_where_it_would_not_fit_or_where_no_flatten_is() -> None:
    document = chain(Block("f", "Flatten"), Block("x", "MaxPool2d", {"kernel_size": 30}), Block("l", "Linear"))
    assert fixes(document) == [("Remove MaxPool2d", False)]
    inside = Block("r", "Residual", {}, ((Block("x", "Dropout2d"),), ()))
    assert fixes(chain(Block("f", "Flatten"), inside, Block("l", "Linear"))) == [("Remove Dropout2d", False)]


def test_groups_are_fitted_to_the_channels_or_the_channels_to_them() -> None:
    wide = chain(Block("c", "Conv2d", {"out_channels": 20, "groups": 8}), *END)
    assert fixes(wide, (16, 8, 8)) == [
        ("Set groups to 4", True),
        ("Set out_channels to 24", True),
        ("Set groups to 1", True),
    ]
    odd = chain(Block("c", "Conv2d", {"out_channels": 16, "groups": 3}), *END)
    assert fixes(odd, (16, 8, 8)) == [("Set groups to 2", True), ("Set groups to 1", True)]
    most = chain(Block("c", "Conv2d", {"out_channels": 4096, "groups": 3}), *END)
    assert fixes(most, (3, 8, 8)) == [("Set groups to 1", True)]


@pytest.mark.parametrize(
    ("container", "label"),
    [
        (Block("x", "Residual", {}, ((Block("u", "Upsample", {"scale_factor": 16}),), ())),
         "Fit the main branch to 1 × 28 × 28"),
        (Block("x", "Residual", {}, ((Block("u", "Upsample", {"scale_factor": 16}),),
         (Block("v", "Upsample", {"scale_factor": 11}),))), "Fit the main branch to 1 × 256 × 256"),
        (Block("x", "Parallel", {}, ((Block("u", "Upsample", {"scale_factor": 16}),), ())),
         "Pool branch 1 to 28 × 28"),
        (Block("x", "Parallel", {"join": "add"}, ((Block("f", "Flatten"), Block("l", "Linear", {"out_features": 9}),),
         (Block("u", "Upsample", {"scale_factor": 16}),))), "Fit branch 2 to 9"),
        (Block("x", "Parallel", {"join": "add"}, ((Block("u", "Upsample", {"scale_factor": 10}), Block("f", "Flatten")),
         (Block("v", "Upsample"),))), "Fit branch 1 to 65,536"),
    ],
)  # fmt: skip
def test_branches_that_are_too_large_to_be_met_are_made_smaller(container: Block, label: str) -> None:
    document = chain(container, Block("end", "AdaptiveAvgPool2d"), Block("flat", "Flatten"), Block("last", "Linear"))
    assert fixes(document)[0] == (label, True)
    _, result = repaired(document, *MNIST)
    assert not [p for _, p in errors(result) if p.code == "branches_differ"]


def test_a_branch_that_gives_a_vector_beside_a_tensor_has_the_other_flattened() -> None:
    inner = ((), (Block("i", "Flatten"),))
    for container in (Block("r", "Residual", {}, inner), Block("r", "Parallel", {"join": "add"}, inner)):
        document = chain(container, Block("l", "Linear"))
        assert fixes(document) == [("Insert Flatten", True)]
        mended, left = after_first_fix(document)
        assert left == []
        assert mended.blocks[0].branches == ((Block("flatten1", "Flatten"),), (Block("i", "Flatten"),))


@pytest.mark.parametrize(
    ("blocks", "shape", "code", "detail"),
    [
        ((Block("f", "Flatten"), Block("l", "Linear", {"out_features": 101}), Block("e", "Linear")), (3, 224, 224),
         "huge_linear", "150,528·101 + 101 = 15,203,429"),
        ((Block("f", "Flatten"), Block("l", "Linear", {"out_features": 400, "bias": False}), Block("e", "Linear")),
         (3, 224, 224), "large", "60,211,200 of them are those of l (Linear)."),
        ((Block("c", "Conv2d"), Block("a", "AdaptiveAvgPool2d"), *END), (3, 32, 32),
         "sees_too_little", "2·3 = 6 < 32"),
        ((Block("f", "Flatten"), Block("l", "Linear"), Block("e", "Linear")), (1, 8, 8),
         "no_activation_between", "W₂·(W₁·x) = (W₂·W₁)·x"),
        ((Block("c", "Conv2d", {"padding": 8, "padding_mode": "reflect"}), *END), (1, 8, 8),
         "padding_too_large", "8 > 8 − 1"),
        ((Block("c", "ConvTranspose2d", {"output_padding": 2, "stride": [3, 2]}), *END), (1, 8, 8),
         "output_padding_too_large", "2 ≥ max(2, 1)"),
    ],
)  # fmt: skip
def test_a_problem_of_numbers_shows_its_arithmetic(
    blocks: tuple[Block, ...], shape: Shape, code: str, detail: str
) -> None:
    found = [p for block in check(chain(*blocks), shape, 10).blocks for p in block.problems if p.code == code]
    assert [str(problem.detail) for problem in found] == [detail]


def test_no_fix_is_offered_that_an_operation_would_refuse() -> None:
    huge = {"kernel_size": 64, "dilation": 32, "padding": "same", "stride": 2}
    assert fixes(chain(Block("c", "Conv2d", huge), *END)) == [("Set the stride to 1", True)]


def test_no_fix_reaches_for_a_block_whose_id_is_not_its_own() -> None:
    twin = Block("c", "Conv2d", {"out_channels": 1})
    document = chain(Block("r", "Residual", {}, ((twin, twin), ())), *END)
    assert [label for label, _ in fixes(document) if "padding" in label] == []


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
    assert fixes(document) == [("Add Linear with 10 outputs", True)]
    assert repaired(document, *MNIST)[1].ok


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


@settings(max_examples=examples(80), deadline=None)
@given(
    document=st.one_of(documents(), trees()),
    side=st.integers(1, 32),
    channels=st.integers(1, 3),
    classes=st.integers(2, 50),
)
def test_any_document_gets_an_answer_and_clicking_fixes_mends_it(
    document: Document, side: int, channels: int, classes: int
) -> None:
    """Every error that offers a cure is cured by it: what is left has no fix, or the network is sound."""
    shape = (channels, side, side)
    first = check(document, shape, classes)
    assert isinstance(first, Check)
    every = [*(p for block in first.blocks for p in block.problems), *first.problems]
    assert all(fix.operations for problem in every for fix in problem.fixes)
    assert all((block.output is None or max(block.output) <= MAX_NUMBERS) for block in first.blocks)
    _, result = repaired(document, shape, classes)
    assert not [problem for _, problem in errors(result) if problem.fixes]
    if len({block.id for block in document.blocks}) == len(document.blocks):
        uncurable = {"too_many_parameters", "too_slow"}
        assert result.ok or {p.code for _, p in errors(result)} <= uncurable
