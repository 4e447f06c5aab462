"""A person's own image, as a network sees it: every kind of file gives an image or a reason, never another error."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from scv.data.images.decode import decode_image
from scv.data.images.preprocess import OwnImageError, Seen, form_of, see
from scv.data.own.importing import ImageOptions, prepare_images
from scv.message import Message
from tests.data.handwriting import drawn_dark, images, pen_on_paper
from tests.data.image_files import classes, noise, saved, write_zip
from tests.data.images.test_decode import png_of

MNIST = form_of("mnist", (1, 28, 28))
COLOR = form_of("cifar10", (3, 32, 32))
CLOTHES = form_of("fashion-mnist", (1, 28, 28))
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow talks of torn fields; the command does not pass it on


def stroke(ground: object = 255, ink: object = 0, mode: str = "L", size: int = 200) -> Image.Image:
    """A slanted stroke in the upper left of an image."""
    image = Image.new(mode, (size, size), ground)  # type: ignore[arg-type]
    ImageDraw.Draw(image).line((50, 30, 80, 120), fill=ink, width=9)  # type: ignore[arg-type]
    return image


def spoilt(count: int) -> list[bytes]:
    """Files of every format: bytes changed, cut off, joined to others, doubled or taken out."""
    random = np.random.default_rng(0)
    wholes = []
    for format in FORMATS:
        wholes += [saved(noise(1, (40, 32)), format), saved(stroke(), format), saved(noise(2, (9, 700), "L"), format)]
    wholes += [
        saved(stroke().convert("P")),
        saved(stroke().convert("1")),
        saved(stroke().convert("LA")),
        saved(stroke().convert("CMYK"), "JPEG"),
        saved(stroke().convert("CMYK"), "TIFF"),
        saved(Image.fromarray(np.full((30, 30), 40000, np.uint16))),
        saved(Image.new("L", (1, 1))),
        saved(stroke(), "GIF", save_all=True, append_images=[noise(3, (200, 200), "L")]),
        saved(stroke(), "TIFF", compression="tiff_lzw"),
        saved(stroke(), "JPEG", progressive=True, exif=turned_by(6)),
    ]
    files = []
    for number in range(count):
        data = bytearray(wholes[number % len(wholes)])
        how = number // len(wholes) % 6
        reach = len(data) if how == 1 else min(len(data), 400)
        if how in (0, 1):
            for place in random.integers(0, reach, random.integers(1, 9)):
                data[place] = random.integers(0, 256)
        elif how == 2:
            del data[random.integers(0, len(data)) :]
        elif how == 3:
            other = wholes[random.integers(len(wholes))]
            data = data[: random.integers(0, len(data))] + other[random.integers(0, len(other)) :]
        elif how == 4:
            start, end = np.sort(random.integers(0, len(data), 2))
            del data[start : min(end, start + 40)]
        else:
            place = random.integers(0, reach)
            data[place:place] = random.integers(0, 256, 30, dtype=np.uint8).tobytes()
        files.append(bytes(data))
    return files


def turned_by(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_a_thousand_spoilt_files_give_an_image_or_a_reason_and_nothing_else() -> None:
    seen = refused = 0
    for number, data in enumerate(spoilt(1000)):
        form = (MNIST, COLOR, CLOTHES)[number % 3]
        try:
            result = see(data, form)
        except OwnImageError as error:
            assert str(error).endswith(".")  # noqa: PT017 - either is right
            refused += 1
        else:
            assert_sound(result, form.shape)
            seen += 1
    assert min(seen, refused) > 200, "the files are neither all whole nor all broken"


def assert_sound(seen: Seen, shape: tuple[int, int, int]) -> None:
    assert seen.pixels.dtype == np.uint8
    assert seen.pixels.shape == shape
    assert seen.steps
    for step in seen.steps:
        assert isinstance(step.text, Message)
        assert step.image.mode in ("L", "RGB")
        assert max(step.image.size) <= 320


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
        (b"%PDF-1.7" + bytes(99), "not an image"),
        (saved(Image.new("L", (1, 1))), "fewer than 8"),
        (bytes(64 * 2**20 + 1), "too large"),
        (Image.new("1", (20_001, 9)), "too large"),
        (png_of(60_000, 60_000), "too large"),
        (png_of(10_000, 9_500), "too large"),
        (Image.new("F", (30, 30)), "not an image"),
        (Image.new("L", (300, 300), 255), "No writing"),
        (Image.new("L", (300, 300), 0), "No writing"),
        (Image.linear_gradient("L"), "No writing"),
        (noise(1, (300, 300)), "No writing"),
    ],
    ids=[
        "empty",
        "torn",
        "pdf",
        "tiny",
        "heavy",
        "wide",
        "bomb",
        "small-bomb",
        "numbers",
        "white",
        "black",
        "gradient",
        "noise",
    ],
)
def test_what_cannot_be_used_says_why(source: bytes | Image.Image, said: str) -> None:
    with pytest.raises(OwnImageError, match=said):
        see(source, MNIST)


def test_strokes_lie_as_in_mnist_whatever_they_are_drawn_with() -> None:
    reference = see(stroke(), MNIST).pixels[0]
    rows, columns = (np.flatnonzero((reference > 30).any(axis)) for axis in (1, 0))
    assert 19 <= np.ptp(rows) + 1 <= 21
    assert np.ptp(columns) < 14
    weights = reference.astype(float)
    for axis in (0, 1):
        assert (weights.sum(1 - axis) * (np.arange(28) + 0.5)).sum() / weights.sum() == pytest.approx(14, abs=0.6)

    clear = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    clear.alpha_composite(stroke((0, 0, 0, 0), (0, 0, 0, 255), "RGBA"))
    chalk = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    chalk.alpha_composite(stroke((0, 0, 0, 0), (255, 255, 255, 255), "RGBA"))
    for other in (
        stroke(0, 255),
        stroke("#ffee88", "#cc2222", "RGB"),
        stroke("#102060", "#ffdd44", "RGB"),
        stroke().convert("P"),
        stroke().convert("CMYK"),
        clear,
        chalk,
        Image.fromarray((np.asarray(stroke()).astype(np.uint16) << 8) + 99),
    ):
        pixels = see(saved(other) if other.mode != "CMYK" else saved(other, "TIFF"), MNIST).pixels[0]
        assert np.abs(pixels.astype(int) - reference).mean() < 4, other.mode


def test_an_image_is_turned_as_its_camera_noted_and_that_is_a_step() -> None:
    upright = see(stroke(), MNIST)
    lying = see(saved(stroke().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=turned_by(6), quality=95), MNIST)

    assert np.abs(lying.pixels.astype(int) - upright.pixels).mean() < 4
    assert len(lying.steps) == len(upright.steps) + 1
    assert "camera" in str(lying.steps[1].text)


def test_the_first_of_several_images_is_taken_and_told() -> None:
    seen = see(saved(stroke(), "GIF", save_all=True, append_images=[noise(3, (200, 200), "L")]), MNIST)
    assert np.abs(seen.pixels.astype(int) - see(stroke(), MNIST).pixels).mean() < 4
    assert "first" in str(seen.notes[0])


def test_a_second_piece_of_writing_is_told_and_the_larger_one_taken() -> None:
    image = stroke()
    ImageDraw.Draw(image).line((160, 150, 160, 190), fill=0, width=9)
    seen = see(image, MNIST)
    assert np.array_equal(seen.pixels, see(stroke(), MNIST).pixels)
    assert "several things" in str(seen.notes[0])


def test_each_step_is_one_image_and_the_last_is_what_the_network_sees() -> None:
    seen = see(pen_on_paper(4, np.random.default_rng(1)), MNIST)
    assert [str(step.text).split()[0] for step in seen.steps] == ["The", "Dark", "Cropped", "Scaled", "Centre"]
    assert np.array_equal(np.asarray(seen.steps[-1].image), seen.pixels[0])


def test_a_sheet_of_paper_is_told_from_the_table_around_it() -> None:
    for _, data in images(9, 10, seed=1):
        seen = see(data, MNIST)
        assert "Dark strokes" in str(seen.steps[1].text)
        assert 0.02 < seen.pixels.mean() / 255 < 0.25


def test_letters_stand_upright_with_a_border_of_two() -> None:
    pixels = see(stroke(), form_of("emnist-letters", (1, 28, 28))).pixels[0]
    rows = np.flatnonzero((pixels > 30).any(1))
    assert (rows[0], rows[-1]) in ((2, 25), (1, 26), (2, 26), (1, 25))
    top, bottom = (np.average(np.arange(28), weights=pixels[row].astype(float)) for row in (5, 22))
    assert top < bottom, "it leans as it was drawn"


@pytest.mark.parametrize(("ground", "thing"), [(250, 60), (20, 200)])
def test_clothes_stand_out_from_a_black_backdrop(ground: int, thing: int) -> None:
    image = Image.new("L", (300, 400), ground)
    image.paste(thing, (100, 50, 200, 350))
    pixels = see(image, CLOTHES).pixels[0]

    columns = np.flatnonzero((pixels > 30).any(0))
    assert (pixels > 30).any(1).all()
    assert 9 <= np.ptp(columns) + 1 <= 11
    assert pixels[:, :7].max() < 5
    with pytest.raises(OwnImageError, match="No object was found"):
        see(Image.new("L", (90, 90), ground), CLOTHES)


TOUCHING = {
    "a shirt that is cut off below": [(90, 120, 210, 400)],
    "a shirt as wide as the image": [(90, 60, 210, 400), (0, 60, 300, 160)],
    "trousers from the top to the bottom": [(80, 0, 220, 400)],
    "a sleeve out of the corner": [(0, 0, 120, 90), (60, 60, 200, 300)],
}
"""Boxes of things that touch the frame of an image of 300 x 400."""


@pytest.mark.parametrize(("ground", "thing"), [(250, 60), (20, 200), (128, 30)])
@pytest.mark.parametrize("name", TOUCHING)
def test_clothes_may_touch_the_frame(name: str, ground: int, thing: int) -> None:
    shades = np.random.default_rng(0).normal(ground, 2, (400, 300))
    for left, top, right, bottom in TOUCHING[name]:
        shades[top:bottom, left:right] = thing
    seen = see(Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8)), CLOTHES)

    left, top = (min(box[side] for box in TOUCHING[name]) for side in (0, 1))
    right, bottom = (max(box[side] for box in TOUCHING[name]) for side in (2, 3))
    scale = 28 / max(right - left, bottom - top)
    bright = seen.pixels[0] > 30
    assert abs(np.ptp(np.flatnonzero(bright.any(0))) + 1 - scale * (right - left)) <= 2
    assert abs(np.ptp(np.flatnonzero(bright.any(1))) + 1 - scale * (bottom - top)) <= 2
    assert seen.notes == ()


@pytest.mark.parametrize("sides", [(0,), (1,), (2, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("strip", [0, 255])
def test_a_strip_of_another_shade_at_the_frame_is_no_thing(sides: tuple[int, ...], strip: int) -> None:
    shades = np.full((400, 300), 150, dtype=np.uint8)
    shades[50:350, 100:200] = 60
    plain = see(Image.fromarray(shades), CLOTHES).pixels
    for side in sides:
        np.rot90(shades, side)[:4] = strip

    assert np.abs(see(Image.fromarray(shades), CLOTHES).pixels.astype(int) - plain).max() <= 12


def test_of_two_things_the_larger_is_taken_and_that_is_said() -> None:
    shades = np.full((300, 400), 245, dtype=np.uint8)
    shades[60:240, 40:150] = 50
    one = see(Image.fromarray(shades), CLOTHES)
    shades[60:230, 220:330] = 50
    two = see(Image.fromarray(shades), CLOTHES)

    assert np.array_equal(one.pixels, two.pixels)
    assert one.notes == ()
    (note,) = two.notes
    assert "more than one object" in str(note)


def test_a_striped_thing_is_one_thing() -> None:
    shades = np.full((300, 400), 245, dtype=np.uint8)
    for top in range(50, 250, 20):
        shades[top : top + 12, 100:300] = 50
    seen = see(Image.fromarray(shades), CLOTHES)

    assert seen.notes == ()
    assert np.ptp(np.flatnonzero((seen.pixels[0] > 30).any(1))) + 1 >= 25


def test_other_images_are_what_the_import_makes_of_them() -> None:
    data = saved(noise(5, (90, 60)))
    assert see(data, COLOR).pixels.tobytes() == decode_image(data, 32, 3, "crop")


def test_an_image_is_fitted_as_those_of_the_own_dataset_were(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "own.zip", classes(2, 5))
    resident, _ = prepare_images(tmp_path, source, ImageOptions(size=32, color=False, fit="pad"))
    data = saved(noise(5, (90, 60)))

    form = form_of(resident.name, resident.shape, tmp_path)
    assert see(data, form).pixels.tobytes() == decode_image(data, 32, 1, "pad")
    assert form_of("images-../../x", resident.shape, tmp_path).fit == "crop"
    assert form_of(resident.name, resident.shape).fit == "crop"


def test_one_colour_is_told_where_nothing_has_to_be_found() -> None:
    assert "one colour" in str(see(Image.new("RGB", (50, 50), "red"), COLOR).notes[0])


def test_what_is_already_decoded_stays_as_it_was() -> None:
    image = Image.open(BytesIO(drawn_dark(3, np.random.default_rng(0))))
    before = image.tobytes()
    see(image, MNIST)
    assert image.tobytes() == before
