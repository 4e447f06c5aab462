"""Where in an image a network saw what speaks for a class: Grad-CAM, integrated gradients and occlusion.

All three explain the score of one class, before any Softmax. Each takes images with pixels from 0 to 255, uint8 or
float (B, C, H, W), and the class of each, int64 (B,). They agree with Captum's to float precision (the tests compare).
"""

from math import ceil, prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scv.blocks.codegen import named_calls
from scv.blocks.shapes import Shape, is_tensor
from scv.data.resident import Resident
from scv.message import say
from scv.ml.colormaps import SEQUENTIAL, SIGNED, enlarge, heat, legend, unit
from scv.ml.hooks import OnProgress
from scv.ml.predictions import Outcomes
from scv.ml.scores import background, background_text, gradient, score_layers, scores, slices
from scv.ml.sprites import write_sprite
from scv.ml.trained import Trained
from scv.report.attribution import Attribution, Method
from scv.report.sprites import Sprite

GAP = 0.01
"""Integrated gradients take more steps until the gap is at most this share of what was handed out."""

STEPS = (16, 32, 64, 128, 256)

_EXAMPLES = 32
_RIGHT_PER_CLASS = 2
_COLUMNS = 8
_COARSE = 7
"""Maps of fewer points a side than the 7 × 7 of the paper's residual networks are called coarse."""
_BUDGET = 3e11
"""Multiply-adds that explaining the examples may take: about ten seconds on one core."""


class CamLayer(NamedTuple):
    """The trunk layer that Grad-CAM reads: its place, its block's id, its attribute's name, its output's shape.

    Where the maps are `flattened` next, each of their points has weights of its own.
    """

    place: int
    block: str
    name: str
    shape: Shape
    flattened: bool


class Integrated(NamedTuple):
    """`values` (B, C, H, W). `gaps` (B,): |Σ values − (score − score of the baseline)| / Σ |values|. `steps` (B,)."""

    values: Tensor
    gaps: Tensor
    steps: Tensor


def cam_layer(trained: Trained) -> CamLayer | None:
    """The last trunk layer that gives a tensor of more than 1 × 1 made by a convolution; None where there is none."""
    info = trained.info
    convolved, found = False, None
    calls = named_calls(info.document, info.input_shape, info.classes)
    for index, (call, layer) in enumerate(zip(calls, trained.network, strict=True)):
        convolved = convolved or any(isinstance(part, nn.Conv2d | nn.ConvTranspose2d) for part in layer.modules())
        if convolved and is_tensor(call.output) and max(call.output[1:]) > 1:
            flattened = index + 1 < len(calls) and len(calls[index + 1].output) == 1
            found = CamLayer(index, call.block, call.name, call.output, flattened)
    return found


def grad_cam(trained: Trained, pixels: Tensor, targets: Tensor) -> Tensor:
    """ReLU of the feature maps' sum, each weighted by its mean gradient: (B, H', W') of the layer, 0 and more.

    Selvaraju et al. 2017, Grad-CAM: Visual Explanations from Deep Networks. Raises `ValueError` without a `cam_layer`.
    """
    layer = cam_layer(trained)
    if layer is None:
        raise ValueError("the network has no feature maps")
    layers = score_layers(trained)
    below, above = layers[: layer.place + 1], layers[layer.place + 1 :]
    found = []
    for some in slices(len(pixels), trained.cost.at_once):
        with torch.no_grad():
            maps = below(trained.normalize(pixels[some]))  # (B, K, H', W')
        weights = gradient(above, maps, targets[some]).mean((2, 3), keepdim=True)  # (B, K, 1, 1)
        found.append((weights * maps).sum(1).relu())
    return torch.cat(found)


def integrated_gradients(
    trained: Trained, pixels: Tensor, targets: Tensor, *, steps: tuple[int, ...] = STEPS
) -> Integrated:
    """The gradient's mean on the straight way from the background to the image, times their difference.

    The values of an image sum up to what its score differs from the background's; the way is cut into more and more
    of the `steps`, by Gauss and Legendre's rule, until the gap is at most `GAP`. Sundararajan et al. 2017, Axiomatic
    Attribution for Deep Networks.
    """
    layers = score_layers(trained)
    inputs = trained.normalize(pixels)
    baseline = trained.normalize(background(trained).expand(1, *pixels.shape[1:]))
    differences = inputs - baseline
    rows = torch.arange(len(pixels))
    ends = scores(trained, pixels)[rows, targets]
    starts = scores(trained, background(trained).expand(1, *pixels.shape[1:]))[0, targets]
    result = Integrated(torch.zeros_like(inputs), torch.full((len(pixels),), torch.inf), torch.zeros_like(targets))
    left = rows
    for count in steps:
        nodes, weights = np.polynomial.legendre.leggauss(count)
        places = torch.from_numpy((1 + nodes) / 2).float()
        shares = torch.from_numpy(weights / 2).float()
        for image in left.tolist():
            difference = differences[image]
            total = torch.zeros_like(difference)
            for some in slices(count, trained.cost.at_once):
                way = baseline + places[some].view(-1, 1, 1, 1) * difference
                slopes = gradient(layers, way, targets[image].expand(len(way)))
                total += (shares[some].view(-1, 1, 1, 1) * slopes).sum(0)
            values = difference * total
            result.values[image] = values
            missed = (values.sum() - (ends[image] - starts[image])).abs()
            result.gaps[image] = missed / values.abs().sum().clamp_min(1e-12)
            result.steps[image] = count
        left = rows[~(result.gaps <= GAP)]
        if not len(left):
            break
    return result


def occlusion_window(shape: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
    """Height and width of the window, a fifth of the image's, and the strides, half of that; 1 at least."""
    window = (max(1, round(shape[1] / 5)), max(1, round(shape[2] / 5)))
    return window, (max(1, window[0] // 2), max(1, window[1] // 2))


def occlusion_places(shape: Shape) -> int:
    """How many windows cover an image."""
    return prod(len(_starts(*sides)) for sides in zip(shape[1:], *occlusion_window(shape), strict=True))


def occlusion(
    trained: Trained,
    pixels: Tensor,
    targets: Tensor,
    *,
    window: tuple[int, int] | None = None,
    strides: tuple[int, int] | None = None,
) -> Tensor:
    """How much the score falls when a window of the image is covered with the background, (B, H, W).

    A pixel's number is the mean over the windows that cover it; below 0 the class gains by the covering. Zeiler and
    Fergus 2014, Visualizing and Understanding Convolutional Networks.
    """
    usual = occlusion_window(tuple(pixels.shape[1:]))
    masks = _windows(tuple(pixels.shape[2:]), window or usual[0], strides or usual[1])  # (W, 1, H, W)
    rows = torch.arange(len(pixels))
    nothing = background(trained)
    whole = scores(trained, pixels)[rows, targets]
    falls = torch.empty(len(pixels), len(masks))
    pairs = torch.cartesian_prod(rows, torch.arange(len(masks)))
    for some in slices(len(pairs), trained.cost.at_once):
        image, place = pairs[some].unbind(1)
        covered = torch.where(masks[place], nothing, pixels[image].float())
        falls[image, place] = whole[image] - scores(trained, covered)[torch.arange(len(place)), targets[image]]
    weights = masks.flatten(1).float()  # (W, H·W)
    return ((falls @ weights) / weights.sum(0)).view(len(pixels), *pixels.shape[2:])


def _windows(sides: tuple[int, ...], window: tuple[int, int], strides: tuple[int, int]) -> Tensor:
    """Which pixels each window covers, bool (W, 1, H, W); the last ones are cut off at the rim."""
    rows, columns = (
        torch.stack([(torch.arange(side) >= start) & (torch.arange(side) < start + length) for start in starts])
        for side, length, starts in (
            (side, length, _starts(side, length, stride))
            for side, length, stride in zip(sides, window, strides, strict=True)
        )
    )
    return (rows[:, None, :, None] & columns[None, :, None, :]).flatten(0, 1)[:, None]


def pixels_of(resident: Resident, indices: NDArray[np.int64]) -> Tensor:
    """Test images as a tensor, uint8 (B, C, H, W)."""
    return torch.from_numpy(np.array(resident.test_images[indices]))


def make_attribution(
    trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress, outcomes: Outcomes
) -> Attribution:
    """The section: examples of the classes and the surest mistakes, each explained in every way there is.

    `outcomes` are those of the test images.
    """
    places = occlusion_places(resident.shape)
    chosen = _examples(outcomes, trained.cost.affordable(_BUDGET, places + 2 * STEPS[1], 4, _EXAMPLES))
    pixels, targets = pixels_of(resident, outcomes.indices[chosen]), torch.from_numpy(outcomes.predictions[chosen])
    images = [enlarge(image) for image in pixels.numpy()]
    methods = []
    layer = cam_layer(trained)
    maps = None if layer is None else grad_cam(trained, pixels, targets)
    methods.append(_cam_method(layer, resident.shape, _paint(folder, "grad_cam", maps, pixels)))
    on_progress(0.1)
    parts = []
    for number in range(len(pixels)):
        parts.append(integrated_gradients(trained, pixels[number : number + 1], targets[number : number + 1]))
        on_progress(0.1 + 0.5 * (number + 1) / len(pixels))
    values = torch.cat([part.values for part in parts]).sum(1)
    steps = max(int(part.steps.max()) for part in parts)
    gap = max(float(part.gaps.max()) for part in parts)
    methods.append(
        _gradients_method(resident.shape, steps, gap, _paint(folder, "integrated_gradients", values, pixels))
    )
    falls = []
    for number in range(len(pixels)):
        falls.append(occlusion(trained, pixels[number : number + 1], targets[number : number + 1]))
        on_progress(0.6 + 0.4 * (number + 1) / len(pixels))
    methods.append(_occlusion_method(resident.shape, _paint(folder, "occlusion", torch.cat(falls), pixels)))
    return Attribution(
        target=say("the score, before any Softmax, of the class that the network chose"),
        background=background_text(trained),
        examples=tuple(outcomes.example(int(position)) for position in chosen),
        sprite=write_sprite(folder, "attribution-images", np.stack(images), columns=_COLUMNS),
        methods=tuple(methods),
        steps=steps,
        gap=gap,
    )


def _examples(outcomes: Outcomes, most: int) -> NDArray[np.intp]:
    """For each class its first right images, then the surest mistakes; where classes are many, some of them.

    The result is their positions among the outcomes.
    """
    right = ~outcomes.wrong
    wrong = np.flatnonzero(outcomes.wrong)
    wrong = wrong[np.argsort(-outcomes.confidences[wrong], kind="stable")][: max(1, most // 4)]
    room = most - len(wrong)
    classes = np.unique(outcomes.labels[right])
    shown = (
        classes[np.unique(np.linspace(0, len(classes) - 1, min(len(classes), room)).astype(int))]
        if len(classes)
        else classes
    )
    each = min(_RIGHT_PER_CLASS, max(1, room // max(1, len(shown))))
    first = [np.flatnonzero(right & (outcomes.labels == label))[:each] for label in shown]
    return np.concatenate([*first, wrong])


def _paint(folder: Path, name: str, maps: Tensor | None, pixels: Tensor) -> Sprite | None:
    if maps is None:
        return None
    signed = name != "grad_cam"
    pairs = zip(unit(maps.double().numpy()), pixels.numpy(), strict=True)
    tiles = np.stack([heat(*pair, signed=signed) for pair in pairs])
    return write_sprite(folder, f"attribution-{name}", tiles, columns=_COLUMNS)


def _cam_method(layer: CamLayer | None, shape: Shape, tiles: Sprite | None) -> Method:
    notes = []
    if layer is None:
        notes.append(
            say("No convolution here gives maps of more than one point, so there is no Grad-CAM: see the other two.")
        )
        settings, rows, columns = say("not computed"), 0, 0
    else:
        _, rows, columns = layer.shape
        settings = say("at {layer}, {rows} × {columns} points", layer=layer.name, rows=rows, columns=columns)
        if min(rows, columns) < _COARSE and (rows, columns) != shape[1:]:
            notes.append(
                say(
                    "Low resolution: one point of the map stands for {height} × {width} pixels of the image.",
                    height=round(shape[1] / rows),
                    width=round(shape[2] / columns),
                )
            )
        if layer.flattened:
            notes.append(
                say(
                    "A Flatten follows these maps: Grad-CAM takes means over places that this network tells apart, so "
                    "look at the checks beside it before you trust it."
                )
            )
    return Method(
        name="grad_cam",
        title=say("Grad-CAM"),
        meaning=say("Places in the last feature maps that raise the score."),
        settings=settings,
        signed=False,
        legend=legend(SEQUENTIAL, 0, 1),
        rows=rows,
        columns=columns,
        tiles=tiles,
        notes=tuple(notes),
    )


def _gradients_method(shape: Shape, steps: int, gap: float, tiles: Sprite | None) -> Method:
    notes = []
    if not gap <= GAP:
        notes.append(
            say(
                "Even {steps} steps leave a gap of {gap}%: do not rely on these maps.",
                steps=steps,
                gap=_percent(gap),
            )
        )
    return Method(
        name="integrated_gradients",
        title=say("Integrated gradients"),
        meaning=say("How much each pixel raises or lowers the score, compared with an empty image."),
        settings=say("up to {steps} steps, gap at most {gap}%", steps=steps, gap=_percent(gap)),
        signed=True,
        legend=legend(SIGNED, -1, 1),
        rows=shape[1],
        columns=shape[2],
        tiles=tiles,
        notes=tuple(notes),
    )


def _occlusion_method(shape: Shape, tiles: Sprite | None) -> Method:
    (height, width), (down, right) = occlusion_window(shape)
    return Method(
        name="occlusion",
        title=say("Occlusion"),
        meaning=say("How much the score falls where a window is covered; blue where it rises."),
        settings=say(
            "windows of {height} × {width} pixels, every {down} rows and {right} columns",
            height=height,
            width=width,
            down=down,
            right=right,
        ),
        signed=True,
        legend=legend(SIGNED, -1, 1),
        rows=len(_starts(shape[1], height, down)),
        columns=len(_starts(shape[2], width, right)),
        tiles=tiles,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g}"


def _starts(side: int, length: int, stride: int) -> list[int]:
    """Where the windows begin along one side."""
    return [stride * n for n in range(ceil((side - length) / stride) + 1)]
