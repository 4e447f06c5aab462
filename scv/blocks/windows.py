"""The arithmetic of sliding windows, shared by convolutions and pools.

Sources: the shape sections of torch.nn.Conv2d, ConvTranspose2d and MaxPool2d.
"""

from collections.abc import Collection, Sequence

from scv.blocks.block import Cure, RemoveHere, SetHere, ShapeError
from scv.message import Message, mark, say

AXES = (mark("height"), mark("width"))


def positions(side: int, kernel: int, stride: int, padding: int, dilation: int, *, ceil: bool = False) -> int:
    """How many positions a window takes along one side; 0 or less means that it does not fit.

    With `ceil` a last window may start inside the image or its left padding and reach over the end.
    """
    room = side + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= side + padding else count


def arithmetic(side: int, kernel: int, stride: int, padding: int, dilation: int, result: int) -> str:
    """The formula of `positions` as text: `(28 + 2·1 − 3) / 1 + 1 = 28`."""
    reach = f"{kernel}" if dilation == 1 else f"{dilation}·({kernel} − 1) − 1"
    value = f"{result}" if result >= 0 else f"−{-result}"
    return f"({side} + 2·{padding} − {reach}) / {stride} + 1 = {value}"


def keeping(
    kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], most: Sequence[int]
) -> tuple[int, int] | None:
    """The padding with which a window keeps height and width; None where none does, or more than `most` would."""
    around = [spread * (k - 1) for k, spread in zip(kernel, dilation, strict=True)]
    if any(step != 1 for step in stride) or any(rim % 2 for rim in around):
        return None
    height, width = (rim // 2 for rim in around)
    return (height, width) if height <= most[0] and width <= most[1] else None


def kept_label(paddings: Collection[tuple[int, int]]) -> Message:
    """What a button says that sets these paddings, on one block or on several."""
    if len(paddings) > 1:
        return say("Set padding so that the size is kept")
    ((height, width),) = paddings
    shown = f"{height}" if height == width else f"{height} × {width}"
    return say("Set padding to {padding} so that the size is kept", padding=shown)


def slide(
    type_name: str,
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    most: Sequence[int],
    *,
    ceil: bool = False,
) -> tuple[int, int]:
    """Output height and width of a sliding window; raises `ShapeError` where it does not fit.

    `most` is the largest padding, height and width, that a cure may set.
    """
    counts = [positions(*axis, ceil=ceil) for axis in zip(sides, kernel, stride, padding, dilation, strict=True)]
    for axis, count in enumerate(counts):
        if count < 1:
            raise _too_large(type_name, axis, sides, kernel, stride, padding, dilation, most)
    return counts[0], counts[1]


def _too_large(
    type_name: str,
    axis: int,
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    most: Sequence[int],
) -> ShapeError:
    reach = dilation[axis] * (kernel[axis] - 1) + 1
    fitting = [
        min(k, (side + 2 * pad - 1) // spread + 1)
        for k, side, pad, spread in zip(kernel, sides, padding, dilation, strict=True)
    ]
    cures = _cures_of_too_large(type_name, sides, fitting, keeping(kernel, stride, dilation, most))
    result = positions(sides[axis], kernel[axis], stride[axis], padding[axis], dilation[axis])
    return ShapeError(
        "kernel_too_large",
        say(
            "The kernel of {type} spans {reach}, but the {axis} that arrives has only {room} with its padding.",
            type=type_name,
            reach=reach,
            axis=say(AXES[axis]),
            room=sides[axis] + 2 * padding[axis],
        ),
        say(
            "{axis}: {sum}",
            axis=say(AXES[axis]),
            sum=arithmetic(sides[axis], kernel[axis], stride[axis], padding[axis], dilation[axis], result),
        ),
        cures,
    )


def _cures_of_too_large(
    type_name: str, sides: Sequence[int], fitting: list[int], kept: tuple[int, int] | None
) -> list[Cure]:
    """`fitting` is the largest kernel for the sides, `kept` the padding that keeps them, where there is one."""
    shown = f"{fitting[0]}" if fitting[0] == fitting[1] else f"{fitting[0]} × {fitting[1]}"
    shrink = SetHere(say("Shrink the kernel to {kernel}", kernel=shown), {"kernel_size": fitting})
    remove = RemoveHere(say("Remove {type}", type=type_name))
    if kept is not None:
        return [shrink, SetHere(kept_label([kept]), {"padding": list(kept)}), remove]
    if tuple(sides) == (1, 1):
        return [remove, shrink]  # a window of one number on one number does nothing
    return [shrink, remove]
