"""A person's own image, step by step, as a network that was trained on a dataset sees it.

Networks recognise what looks like the images that they learned from. So handwriting is cut out, fitted and centred as
the makers of its dataset did, a thing on a backdrop likewise, and any other image is made square and scaled.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from scv.data.images.backdrop import find_thing, on_black
from scv.data.images.decode import (
    ImageRefusedError,
    check_size,
    decoded,
    pixels_of,
    plain,
    refusing,
    squared,
    upright,
)
from scv.data.images.handwriting.ink import find_ink
from scv.data.images.handwriting.strokes import fitted, placed, unslanted
from scv.data.official.catalogue import DATASETS, Handwriting
from scv.data.own.archives import MOST_BYTES_OF_A_FILE
from scv.data.own.summary import read_summary
from scv.message import Message, say

_LOOK = 640  # pixels: strokes are looked for on an image so large
_SHOWN = 240  # pixels: the steps are shown so large
_MARGIN = 0.05  # of the image: beside the ink, where it is cut out to be shown
_FLAT = 8  # of 255 shades: a difference that is not seen
_OWN = re.compile(r"pictures-[0-9a-f]{24}")

_REASONS = {
    "empty": say("The file is empty."),
    "small": say("The image has fewer than 8 pixels on a side. Take a larger one."),
    "large": say("The image is too large: 50 million pixels, 20,000 on a side and 64 MB are the most."),
    "unreadable": say(
        "This is not an image that can be read: it must be a PNG, JPEG, WebP, BMP, GIF or TIFF, whole and undamaged."
    ),
}
"""What is said for each reason of a `ImageRefusedError`."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """What a network sees: `shape` is `(C, H, W)`; the rest is as in `DatasetInfo` and `ImageOptions`."""

    shape: tuple[int, int, int]
    handwriting: Handwriting | None = None
    backdrop: bool = False
    fit: str = "crop"


class Step(NamedTuple):
    """What was done, and a small image, of mode L or RGB, of how it looked afterwards."""

    text: Message
    image: Image.Image


class Seen(NamedTuple):
    """What the network sees, uint8 (C, H, W), and how it came about; `notes` are what a person should know of it."""

    pixels: NDArray[np.uint8]
    steps: tuple[Step, ...]
    notes: tuple[Message, ...]


class OwnImageError(Exception):
    """An image cannot be used; `message` says why and what to do, `steps` how far it came."""

    def __init__(self, message: Message, steps: tuple[Step, ...] = ()) -> None:
        self.message = message
        self.steps = steps
        super().__init__(str(message))


def form_of(dataset: str, shape: tuple[int, int, int], data_dir: Path | None = None) -> Form:
    """The form of a dataset by its name. How a person's own became square stands in its summary in the data folder.

    Where that is not there, an image is cropped.
    """
    info = DATASETS.get(dataset)
    if info is not None:
        return Form(shape=shape, handwriting=info.handwriting, backdrop=info.backdrop)
    fit = "crop"
    if data_dir is not None and _OWN.fullmatch(dataset):
        with suppress(OSError, msgspec.DecodeError):
            fit = read_summary(data_dir / "datasets" / dataset).fit
    return Form(shape=shape, fit=fit if fit in _SQUARED else "crop")


def see(source: bytes | Image.Image, form: Form) -> Seen:
    """Bring an image, a file's bytes or already decoded, into the form. Raises `OwnImageError` and nothing else."""
    steps: list[Step] = []
    try:
        with refusing():
            return _see(source, form, steps)
    except ImageRefusedError as error:
        raise OwnImageError(_REASONS[str(error)], tuple(steps)) from error


def _see(source: bytes | Image.Image, form: Form, steps: list[Step]) -> Seen:
    channels, _, side = form.shape
    mode = "RGB" if channels == 3 else "L"
    notes: list[Message] = []
    strokes = form.handwriting is not None
    image = _opened(source, "RGB" if strokes else mode, _LOOK if strokes or form.backdrop else 2 * side, steps, notes)
    image = _made_plain(image, "RGB" if strokes else mode, steps)
    if form.handwriting is not None:
        pixels = _handwriting(image, form.handwriting, side, steps, notes)
    elif form.backdrop:
        pixels = _thing(image, side, steps, notes)
    else:
        image = squared(image, side, form.fit)
        steps.append(Step(_SQUARED[form.fit](side), image))
        pixels = np.frombuffer(pixels_of(image), np.uint8).reshape(form.shape)
    if (np.ptp(pixels.reshape(channels, -1), axis=1) == 0).all():
        notes.append(say("The whole image is one colour, so there is nothing to recognise."))
    return Seen(pixels.reshape(form.shape), tuple(steps), tuple(notes))


def _opened(source: bytes | Image.Image, mode: str, side: int, steps: list[Step], notes: list[Message]) -> Image.Image:
    """The image as it lies in its file, then turned as the camera noted."""
    if isinstance(source, bytes):
        if len(source) > MOST_BYTES_OF_A_FILE:
            raise ImageRefusedError("large")
        image = decoded(source, mode, side)
    else:
        check_size(source)
        image = source.copy()
    steps.append(Step(say("The image as it is."), _shown(image)))
    if getattr(image, "n_frames", 1) > 1:
        notes.append(say("The file holds several images; this is the first."))
    turned = upright(image)
    if turned is not image:
        image = turned
        steps.append(Step(say("Turned upright, as the camera noted."), _shown(image)))
    return image


def _made_plain(image: Image.Image, mode: str, steps: list[Step]) -> Image.Image:
    """Grey or in colour, and nothing transparent."""
    clear, colored = _is_clear(image), image.mode not in ("L", "1", "LA", "I;16", "I;16B", "I;16L")
    source, image = image, plain(image, mode)
    if clear and _is_flat(image) and not _is_flat(on_black := _on_black(source, mode)):
        image = on_black
        steps.append(Step(say("Transparent pixels became black: on white nothing could be seen."), _shown(image)))
    elif clear:
        steps.append(Step(say("Transparent pixels became white."), _shown(image)))
    if mode == "L" and colored:
        steps.append(Step(say("In shades of grey."), _shown(image)))
    return image


def _on_black(image: Image.Image, mode: str) -> Image.Image:
    black = Image.new("RGBA", image.size, "black")
    return Image.alpha_composite(black, image.convert("RGBA")).convert(mode)


def _is_flat(image: Image.Image) -> bool:
    """Whether nothing can be made out on it."""
    return bool(np.ptp(np.asarray(image.convert("L"))) < _FLAT)


def _is_clear(image: Image.Image) -> bool:
    """Whether something of it is transparent: that it could be, as whatever is drawn in a browser, says nothing."""
    if image.mode in ("RGBA", "LA"):
        return int(np.asarray(image.getchannel("A")).min()) < 255
    return image.has_transparency_data


def _handwriting(
    image: Image.Image, form: Handwriting, side: int, steps: list[Step], notes: list[Message]
) -> NDArray[np.uint8]:
    """Strokes as the dataset has them, (side, side)."""
    image.thumbnail((_LOOK, _LOOK), Image.Resampling.BOX)
    strokes = _strokes(image, steps, notes)
    if form.upright:
        strokes = unslanted(strokes)
        straight = Image.fromarray((strokes * 255).astype(np.uint8))
        steps.append(Step(say("Slant removed, as in the dataset's images."), _shown(straight)))
    fine, thicker = fitted(strokes, form, side)
    steps.append(Step(_fitted_text(form, thicker), _shown(Image.fromarray((fine * 255).round().astype(np.uint8)))))
    pixels = placed(fine, form, side)
    where = (
        say("Centre of mass moved to the middle of {side} × {side} pixels: what the network sees.", side=side)
        if form.centre == "mass"
        else say("Centred in {side} × {side} pixels: what the network sees.", side=side)
    )
    steps.append(Step(where, Image.fromarray(pixels)))
    return pixels


def _strokes(image: Image.Image, steps: list[Step], notes: list[Message]) -> NDArray[np.float32]:
    """The strokes of the largest piece of writing, cut out, from 0 to 1 (height, width)."""
    ink = find_ink(image)
    if ink is None:
        message = say("No writing was found on the image. Write larger or darker, on plain paper in even light.")
        raise OwnImageError(message, tuple(steps))
    found = Image.fromarray((ink.strength * 255).astype(np.uint8))
    text = (
        say("Light strokes on a dark background: the strokes stay, all else became black.")
        if ink.light
        else say("Dark strokes on a light background: the strokes became white, all else black.")
    )
    steps.append(Step(text, _shown(found)))
    if ink.ruled:
        notes.append(say("Ruled lines on the paper were left out."))
    if ink.others:
        notes.append(say("There are several things written here; the largest was used. Show one at a time."))
    left, top, right, bottom = ink.box
    margin = round(_MARGIN * max(right - left, bottom - top))
    cut = found.crop((left - margin, top - margin, right + margin, bottom + margin))
    steps.append(Step(say("Cropped to the strokes."), _shown(cut)))
    return ink.strength[top:bottom, left:right]


def _fitted_text(form: Handwriting, thicker: float) -> Message:
    box = "{} × {}".format(*form.box)
    if thicker > 0.25:
        return say("Scaled to {box} pixels; strokes made as thick as in the dataset.", box=box)
    if thicker < -0.25:
        return say("Scaled to {box} pixels; strokes made as thin as in the dataset.", box=box)
    return say("Scaled to {box} pixels; strokes as thick as in the dataset already.", box=box)


def _thing(image: Image.Image, side: int, steps: list[Step], notes: list[Message]) -> NDArray[np.uint8]:
    """A thing on a plain backdrop, as Xiao et al. 2017 made Fashion-MNIST: trimmed, fitted, the backdrop black."""
    image.thumbnail((_LOOK, _LOOK), Image.Resampling.BOX)
    values = on_black(np.asarray(image, dtype=np.float32))
    steps.append(Step(say("Background made black."), _shown(Image.fromarray(values.astype(np.uint8)))))
    thing = find_thing(values)
    if thing is None:
        message = say("No object was found. Show one object on a plain background, light or dark.")
        raise OwnImageError(message, tuple(steps))
    if thing.others:
        notes.append(say("There is more than one object in the image; the largest was used. Show one at a time."))
    cut = Image.fromarray(thing.values.astype(np.uint8)).crop((thing.left, thing.top, thing.right, thing.bottom))
    steps.append(Step(say("Cropped to the object, which stands out from the background."), _shown(cut)))
    scale = side / max(cut.size)
    size = (max(1, round(cut.width * scale)), max(1, round(cut.height * scale)))
    small = cut.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.UnsharpMask(1.0, 100, 0))
    whole = Image.new("L", (side, side), 0)
    whole.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    steps.append(Step(say("Centred in {side} × {side} pixels: what the network sees.", side=side), whole))
    return np.asarray(whole)


_SQUARED = {
    "crop": lambda side: say("Centre crop, {side} × {side} pixels: what the network sees.", side=side),
    "pad": lambda side: say("Padded with white to {side} × {side} pixels: what the network sees.", side=side),
    "stretch": lambda side: say("Stretched to {side} × {side} pixels: what the network sees.", side=side),
}


def _shown(image: Image.Image) -> Image.Image:
    """A small copy in a mode that any page can show."""
    if image.mode.startswith("I") or image.mode == "F":
        image = plain(image, "L")
    copy = image.copy()
    copy.thumbnail((_SHOWN, _SHOWN), Image.Resampling.BOX)
    if copy.mode in ("L", "RGB"):
        return copy
    return plain(copy, "RGB")
