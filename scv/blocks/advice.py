"""Warnings that teach: networks that train, but not as well as they could."""

from collections.abc import Iterator, Sequence

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Block, Document
from scv.blocks.findings import BlockCheck, Problem
from scv.blocks.fixes import At
from scv.blocks.shapes import Shape, is_tensor
from scv.blocks.tree import Chain, Spot, walk
from scv.message import Message, foreign, say

LARGE = 50_000_000
"""Parameters from which on a network is large for the images it sees here."""

HUGE_LINEAR = 5_000_000
"""Parameters of one Linear that pooling before it would mostly save."""

WEIGHTED = ("Conv2d", "ConvTranspose2d", "Linear")
"""Blocks that have weights: two in a row without a non-linearity between them can do no more than one."""

TRANSPARENT = ("BatchNorm1d", "BatchNorm2d", "AvgPool2d", "AdaptiveAvgPool2d", "Flatten", "Dropout", "Dropout2d",
               "ZeroPad2d", "ReplicationPad2d", "ReflectionPad2d", "CircularPad2d", "Upsample")  # fmt: skip
"""Blocks without a non-linearity: the weighted blocks before and after them still count as two in a row."""

Advice = Iterator[tuple[int, Problem]]


def advise(document: Document, found: Sequence[BlockCheck], input_shape: Shape, *, fits: bool) -> Advice:
    """Yield warnings, each with the index in `found` of the block that it is about.

    `fits` tells whether the output has the right shape. Only then is there advice about how the network ends.
    """
    index = {id(block): number for number, (block, _) in enumerate(walk(document.blocks))}
    if len(found) != len(index):
        return
    for chain, spot in _chains(document.blocks, Spot()):
        yield from _no_bend_between(chain, spot, found, index)
    if fits:
        yield from _at_the_end(document.blocks, index)
    yield from _pooled_too_early(document.blocks, found, index, input_shape)
    yield from _huge(document.blocks, found, index)


def _chains(chain: Chain, spot: Spot) -> Iterator[tuple[Chain, Spot]]:
    yield chain, spot
    for block in chain:
        for number, branch in enumerate(block.branches or ()):
            yield from _chains(branch, Spot(block.id, number))


def _warn(code: str, message: Message, detail: Message | None, at: At, *, remove: bool) -> Problem:
    return Problem(code, "warning", message, detail, (at.remove(),) if remove else ())


def _no_bend_between(chain: Chain, spot: Spot, found: Sequence[BlockCheck], index: dict[int, int]) -> Advice:
    before: Block | None = None
    for position, block in enumerate(chain):
        if block.type in WEIGHTED:
            # A depthwise convolution and the 1 × 1 behind it are one separable layer on purpose.
            if before is not None and before.params.get("groups", 1) == 1:
                fix = At(block, spot, position).before(say("Insert ReLU"), (("ReLU", {}),))
                message = say(
                    "There is no non-linearity between {first} and {second}: together they can do no more than one "
                    "of them.",
                    first=before.type,
                    second=block.type,
                )
                detail = say("{sum}", sum="W₂·(W₁·x) = (W₂·W₁)·x")
                yield index[id(block)], Problem("no_activation_between", "warning", message, detail, (fix,))
            before = block
        elif block.type not in TRANSPARENT:
            before = None


def _at_the_end(trunk: Chain, index: dict[int, int]) -> Advice:
    last = trunk[-1]
    kind = CATALOGUE.get(last.type)
    at = At(last, Spot(), len(trunk) - 1)
    if last.type == "Softmax":
        message = say("The loss applies Softmax itself; a second one here makes learning slow.")
        yield index[id(last)], _warn("softmax_before_loss", message, None, at, remove=True)
    elif kind is not None and kind.category == "activation" and last.type != "LogSoftmax":
        message = say("{type} after the last layer removes information that the loss needs.", type=last.type)
        yield index[id(last)], _warn("activation_at_end", message, None, at, remove=True)
    elif kind is not None and kind.category == "normalization":
        message = say("{type} after the last layer makes the class scores alike.", type=last.type)
        yield index[id(last)], _warn("normalization_at_end", message, None, at, remove=True)


def _pooled_too_early(trunk: Chain, found: Sequence[BlockCheck], index: dict[int, int], image: Shape) -> Advice:
    """Warn about global pooling where the receptive field before it spans less than half of the image."""
    for position, block in enumerate(trunk):
        checked = found[index[id(block)]]
        if block.type not in ("AdaptiveAvgPool2d", "AdaptiveMaxPool2d") or checked.output is None or position == 0:
            continue
        sees = found[index[id(trunk[position - 1])]].sees
        if checked.output[1:] == (1, 1) and sees is not None and 2 * max(sees) < max(image[1:]):
            message = say(
                "The receptive field here is {height} × {width} pixels of an image of {image}: too small to "
                "tell objects apart. Pool or stride earlier, or add convolutions.",
                height=sees[0],
                width=sees[1],
                image=f"{image[1]} × {image[2]}",
            )
            detail = say("{sum}", sum=f"2·{max(sees)} = {2 * max(sees)} < {max(image[1:])}")
            yield index[id(block)], Problem("sees_too_little", "warning", message, detail)


def _huge(trunk: Chain, found: Sequence[BlockCheck], index: dict[int, int]) -> Advice:
    total = sum(block.parameters for block in found if block.into is None)
    for position, block in enumerate(trunk):
        checked = found[index[id(block)]]
        before = trunk[position - 1] if position else None
        if block.type == "Linear" and checked.parameters > HUGE_LINEAR and before is not None:
            arriving = found[index[id(before)]].input
            if before.type == "Flatten" and arriving is not None and is_tensor(arriving) and min(arriving[1:]) > 3:
                at = At(before, Spot(), position - 1)
                fix = at.before(
                    say("Pool to {channels} × 1 × 1 first", channels=arriving[0]), (("AdaptiveAvgPool2d", {}),)
                )
                message = say("This Linear alone has {count} parameters.", count=f"{checked.parameters:,}")
                yield index[id(block)], Problem("huge_linear", "warning", message, _weights(checked), (fix,))
    if total > LARGE and trunk:
        message = say(
            "The network has {count} parameters: training will be slow, and it will overfit.", count=f"{total:,}"
        )
        most = max((block for block in found if block.into is None), key=lambda block: block.parameters)
        detail = say(
            "{count} of them are those of {block} ({type}).",
            count=f"{most.parameters:,}",
            block=foreign(most.id),
            type=most.type,
        )
        yield index[id(trunk[-1])], Problem("large", "warning", message, detail)


def _weights(linear: BlockCheck) -> Message | None:
    """The parameters of a Linear as a sum."""
    if linear.input is None or linear.output is None:
        return None
    features, out = linear.input[0], linear.output[0]
    bias = f" + {out:,}" if linear.parameters > features * out else ""
    return say("{sum}", sum=f"{features:,}·{out:,}{bias} = {linear.parameters:,}")
