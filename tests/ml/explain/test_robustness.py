from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from scv.data.resident import Resident
from scv.ml.explain.robustness import LEVELS, WAYS, chances_of, corrupt, make_robustness
from scv.report.robustness import Robustness
from tests.ml.conftest import document
from tests.ml.explaining import NETWORKS, Told, images, learned, sample, unlearned

DRAWS = torch.tensor([0.255604, 0.304088, 0.826321, 0.447291])
NOISE = torch.tensor([0.940557, -0.573063, 2.118748, 0.302745])
NAMES = ("noise", "blur", "shift", "rotation", "contrast", "occlusion")


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_section_is_made(name: str, mnist: Resident, tmp_path: Path) -> None:
    told = Told()

    made = make_robustness(learned(name, mnist), mnist, tmp_path, told)

    assert told.sound
    assert msgspec.json.decode(msgspec.json.encode(made), type=Robustness) == made
    assert tuple(corruption.name for corruption in made.corruptions) == NAMES
    assert made.clean.accuracy > 0.85
    assert "Least harmful" in str(made.verdict)
    for corruption in made.corruptions:
        assert len(corruption.levels) == LEVELS
        assert corruption.levels[-1].accuracy < made.clean.accuracy - 0.05, "the worst is bad for any of these"
        with Image.open(tmp_path / corruption.tiles.file) as plate:
            assert plate.size == ((LEVELS + 1) * corruption.tiles.width, 3 * corruption.tiles.height)


def test_the_section_is_the_same_again(mnist: Resident, tmp_path: Path) -> None:
    trained = learned("lenet", mnist)
    torch.manual_seed(1)
    first = make_robustness(trained, mnist, tmp_path, Told())
    torch.manual_seed(2)
    assert make_robustness(trained, mnist, tmp_path, Told()) == first


def test_the_chances_are_the_same_on_every_machine() -> None:
    chances = chances_of(np.array([0, 7]), (1, 2, 2))

    torch.testing.assert_close(chances.draws[0], DRAWS, rtol=0, atol=1e-6)
    torch.testing.assert_close(chances.noise[1].flatten(), NOISE, rtol=0, atol=1e-5)


def test_noise_has_mean_zero_and_spread_one() -> None:
    noise = chances_of(np.arange(50), (3, 20, 20)).noise
    assert abs(float(noise.mean())) < 0.02
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    assert abs(float((noise[0] * noise[1]).mean())) < 0.1, "every image has its own"


def spoilt_by(
    name: str, level: int, pixels: torch.Tensor, indices: np.ndarray, empty: torch.Tensor | None = None
) -> torch.Tensor:
    """Test images, uint8 (B, C, H, W), as the section spoils them; `indices` are theirs in the test set."""
    (way,) = (way for way in WAYS if way.name == name)
    _, *shape = pixels.shape
    nothing = torch.zeros(1, shape[0], 1, 1) if empty is None else empty
    return corrupt(way, level, pixels, chances_of(indices, tuple(shape)), nothing)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_spoilt_the_same_in_any_company(name: str, mnist: Resident) -> None:
    pixels = sample(mnist, 6)
    together = spoilt_by(name, 4, pixels, np.arange(6))
    alone = spoilt_by(name, 4, pixels[5:], np.array([5]))
    assert (together[5:].int() - alone.int()).abs().max() <= 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 31), (3, 224, 224)])
def test_every_level_is_further_from_the_image(name: str, shape: tuple[int, int, int]) -> None:
    rows = torch.linspace(0, 1, shape[1])[:, None] + torch.linspace(0, 1, shape[2])[None]
    pixels = (127 * (torch.sin(5 * rows) + 1)).byte().expand(4, *shape)
    away = [
        float((spoilt_by(name, level, pixels, np.arange(4)).float() - pixels.float()).abs().mean())
        for level in range(1, LEVELS + 1)
    ]
    assert away[0] < away[2] < away[4]
    assert away == sorted(away)


def test_noise_is_as_strong_as_is_said() -> None:
    grey = torch.full((20, 1, 28, 28), 128, dtype=torch.uint8)
    spread = spoilt_by("noise", 1, grey, np.arange(20)).float().std()
    assert float(spread) / 255 == pytest.approx(0.08, abs=0.003)


def test_less_contrast_keeps_the_mean() -> None:
    pixels = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    spoilt = spoilt_by("contrast", 2, pixels, np.arange(3)).float()
    torch.testing.assert_close(spoilt.mean((1, 2, 3)), pixels.float().mean((1, 2, 3)), rtol=0, atol=0.5)
    torch.testing.assert_close(spoilt.std((1, 2, 3)), 0.5 * pixels.float().std((1, 2, 3)), rtol=0.01, atol=0)


def test_the_blur_is_a_gaussian_one(mnist: Resident) -> None:
    pixels = sample(mnist, 3)
    ours = spoilt_by("blur", 5, pixels, np.arange(3))  # 0.09 of 28 pixels
    for image, spoilt in zip(pixels, ours, strict=True):
        theirs = Image.fromarray(image[0].numpy()).filter(ImageFilter.GaussianBlur(0.09 * 28))
        assert np.abs(np.asarray(theirs, int) - spoilt[0].numpy()).mean() < 3, "Pillow's is made of box blurs"


def test_a_shift_goes_as_far_as_is_said() -> None:
    pixels = torch.zeros(40, 1, 50, 50)
    pixels[:, :, 25, 25] = 255
    spoilt = spoilt_by("shift", 5, pixels.byte(), np.arange(40)).double()[:, 0]
    places = torch.arange(50.0, dtype=torch.float64)
    total = spoilt.sum((1, 2))
    down = (spoilt.sum(2) @ places) / total - 25
    right = (spoilt.sum(1) @ places) / total - 25
    torch.testing.assert_close(
        (down**2 + right**2).sqrt(), torch.full((40,), 10.0, dtype=torch.float64), atol=0.1, rtol=0
    )
    assert min(down.min(), right.min()) < -7
    assert max(down.max(), right.max()) > 7


@pytest.mark.parametrize("sides", [(41, 41), (41, 61)])
def test_a_turn_is_as_far_as_is_said(sides: tuple[int, int]) -> None:
    pixels = torch.zeros(12, 1, *sides)
    middle = sides[0] // 2, sides[1] // 2
    pixels[:, :, middle[0] - 1 : middle[0] + 2, middle[1] + 14 : middle[1] + 17] = 255  # 15 to the right
    spoilt = spoilt_by("rotation", 3, pixels.byte(), np.arange(12)).double()[:, 0]  # 30 degrees
    total = spoilt.sum((1, 2))
    down = (spoilt.sum(2) @ torch.arange(sides[0], dtype=torch.float64)) / total - middle[0]
    right = (spoilt.sum(1) @ torch.arange(sides[1], dtype=torch.float64)) / total - middle[1]
    torch.testing.assert_close(right, torch.full_like(right, 15 * 0.75**0.5), atol=0.2, rtol=0)
    torch.testing.assert_close(down.abs(), torch.full_like(down, 7.5), atol=0.2, rtol=0)
    assert down.min() < 0 < down.max(), "to the left and to the right"


def test_an_occlusion_covers_the_share_that_is_said() -> None:
    pixels = torch.full((30, 3, 40, 20), 200, dtype=torch.uint8)
    spoilt = spoilt_by("occlusion", 4, pixels, np.arange(30), torch.full((1, 3, 1, 1), 9.0))
    assert ((spoilt == 9).sum((1, 2, 3)) == 3 * 20 * 10).all()
    assert len({tuple((image == 9).nonzero()[0].tolist()) for image in spoilt}) > 10, "at different places"


def test_many_classes_and_colour_make_a_section_too(tmp_path: Path) -> None:
    resident = images(tmp_path, (3, 9, 10), 200, 400)
    network = document(("Conv2d", {"out_channels": 4}), "ReLU", "Flatten", ("Linear", {"out_features": 200}))
    made = make_robustness(unlearned(network, (3, 9, 10), 200), resident, tmp_path, Told())
    assert made.images == 400
    assert "not certain" in str(made.verdict), "by chance it is as bad at all of them"
