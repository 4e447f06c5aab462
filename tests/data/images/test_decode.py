import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from scv.data.images.decode import ImageRefusedError, decode_image
from tests.data.image_files import noise, saved


def pixels(data: bytes, size: int = 28, channels: int = 3, fit: str = "crop") -> np.ndarray:
    return np.frombuffer(decode_image(data, size, channels, fit), np.uint8).reshape(channels, size, size)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_every_format_without_loss_gives_the_same_pixels(format: str) -> None:
    image = noise(1, (28, 28), "L")
    data = saved(image, format, lossless=True) if format == "WEBP" else saved(image, format)

    assert np.array_equal(pixels(data, channels=1)[0], np.asarray(image))


def test_a_jpeg_is_near_to_what_was_saved() -> None:
    image = Image.linear_gradient("L").convert("RGB")
    ours = pixels(saved(image, "JPEG", quality=95), 32)

    assert np.abs(ours.astype(int) - np.asarray(image.resize((32, 32))).transpose(2, 0, 1)).max() <= 4


def test_colours_come_channel_by_channel() -> None:
    assert pixels(saved(Image.new("RGB", (30, 40), (200, 100, 50)))).reshape(3, -1).T.tolist() == [[200, 100, 50]] * 784


def test_only_the_first_image_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (28, 28), color) for color in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert pixels(data)[:, 0, 0].tolist() == [255, 0, 0]


def test_it_is_turned_as_its_exif_says() -> None:
    image = Image.new("L", (40, 40), 0)
    image.paste(255, (0, 0, 40, 20))  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    turned = pixels(saved(image, "JPEG", exif=exif), channels=1)[0]

    assert turned[:, 20:].min() > 200
    assert turned[:, :8].max() < 50


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    clear = Image.new("RGBA", (28, 28), (0, 0, 0, 0))
    data = saved(clear.convert(mode), "GIF" if mode == "P" else "PNG", **({"transparency": 0} if mode == "P" else {}))

    assert pixels(data).min() == 255


def test_half_transparent_black_is_grey() -> None:
    assert pixels(saved(Image.new("RGBA", (28, 28), (0, 0, 0, 128))))[0, 0, 0] == 127


def test_sixteen_bits_keep_the_upper_eight() -> None:
    image = Image.fromarray(np.full((28, 28), 0x8040, dtype=np.uint16))

    assert np.unique(pixels(saved(image), channels=1)).tolist() == [0x80]


def test_a_wide_image_is_cropped_padded_or_stretched() -> None:
    image = Image.new("L", (120, 40), 0)
    image.paste(100, (40, 0, 80, 40))
    data = saved(image)

    assert np.unique(pixels(data, 40, 1, "crop")).tolist() == [100]
    padded = pixels(data, 120, 1, "pad")[0]
    assert padded[:40].min() == 255
    assert padded[60, 60] == 100
    stretched = pixels(data, 60, 1, "stretch")[0]
    assert stretched[:, 30].tolist() == [100] * 60
    assert stretched[:, 5].tolist() == [0] * 60


def png_of(width: int, height: int) -> bytes:
    """A PNG file that says it is so large, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (saved(noise(1, (7, 30))), "small"),
        (png_of(100_000, 100), "large"),
        (png_of(10_000, 9_500), "large"),
        (png_of(60_000, 60_000), "large"),
        (png_of(500, 500), "unreadable"),
        (b"\x7fELF\x02\x01\x01" + bytes(500), "unreadable"),
        (b"MZ" + bytes(500), "unreadable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='30' height='30'/>", "unreadable"),
        (saved(noise(2))[:-800], "unreadable"),
        (saved(noise(2), "JPEG")[:-800], "unreadable"),
        (saved(Image.fromarray(np.ones((30, 30), dtype=np.float32)), "TIFF"), "unreadable"),
        (saved(noise(3), "PPM"), "unreadable"),
    ],
)
def test_what_cannot_be_taken_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(ImageRefusedError) as caught:
        decode_image(data, 28, 3, "crop")

    assert str(caught.value) == reason


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.filterwarnings("ignore")  # as the import does; Pillow talks of torn fields
def test_spoilt_bytes_give_an_image_or_a_reason_and_nothing_else(format: str) -> None:
    whole = saved(noise(4), format)
    random = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole)
        for place in random.integers(0, min(len(data), 300), 4):
            data[place] = random.integers(0, 256)
        try:
            assert len(decode_image(bytes(data), 28, 3, "crop")) == 3 * 28 * 28
        except ImageRefusedError as error:
            assert str(error) in ("unreadable", "small", "large")  # noqa: PT017 - either is right


def turned(exif: Image.Exif) -> bytes:
    """A JPEG whose upper half is red as it lies, with this EXIF."""
    image = Image.new("RGB", (40, 40), "blue")
    image.paste("red", (0, 0, 40, 20))
    return saved(image, "JPEG", exif=exif, quality=95)


def spoilt_exif(change: bytes) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x011A] = 72.0  # the resolution, which nobody needs
    data = exif.tobytes()
    return data[: -len(change)] + change


def test_an_image_is_turned_by_its_exif_whatever_else_is_in_it() -> None:
    """The rational number of the resolution has a denominator of 0, is cut off, or holds bytes of anything."""
    plain = Image.Exif()
    plain[0x0112] = 6
    expected = pixels(turned(plain))
    assert expected[0, 14, 27] > 200, "the red half is on the right"
    for change in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff" * 8):
        assert np.array_equal(pixels(turned(spoilt_exif(change))), expected), change  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_turn_is_that_of_the_library_in_every_format(format: str, orientation: int) -> None:
    image = noise(3, (28, 20), "RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 100} if format == "JPEG" else {}
    data = saved(image, format, exif=exif, **options)
    with Image.open(BytesIO(data)) as opened:
        expected = ImageOps.exif_transpose(opened).convert("RGB").resize((28, 28), Image.Resampling.BILINEAR)
    assert np.array_equal(pixels(data, fit="stretch"), np.asarray(expected).transpose(2, 0, 1))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM", b"Exif\0\0II*\0\xff\xff\xff\xff", b"nonsense"])
def test_metadata_that_are_nonsense_lose_no_pixels(exif: bytes) -> None:
    expected = pixels(saved(noise(3), "PNG"))
    assert np.array_equal(pixels(saved(noise(3), "PNG", exif=exif)), expected)
