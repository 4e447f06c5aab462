"""Optimizers, schedules and augmentation: what the settings say is what is done."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from scv.ml.train.recipe import Augment, learning_rate, make_augment, make_optimizer
from scv.training.settings import TrainingSettings

PIXELS = torch.arange(2 * 3 * 6 * 8, dtype=torch.uint8).view(2, 3, 6, 8)


def augment(**settings: Any) -> Augment:
    made = make_augment(TrainingSettings(**settings))
    assert made is not None
    return made


def chances(*values: float) -> torch.Tensor:
    """The same chances for both images: (draws, 2, 1, 1)."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 2, 1, 1)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (TrainingSettings(), {"lr": 0.001, "weight_decay": 0, "betas": (0.9, 0.999), "fused": True}),
        (TrainingSettings(optimizer="AdamW", weight_decay=0.05), {"weight_decay": 0.05, "fused": True}),
        (TrainingSettings(optimizer="AdamW"), {"weight_decay": 0.0}),
        (TrainingSettings(optimizer="SGD", learning_rate=0.1), {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (TrainingSettings(optimizer="RMSprop", weight_decay=1e-4), {"weight_decay": 1e-4, "momentum": 0}),
    ],
    ids=lambda value: value.optimizer if isinstance(value, TrainingSettings) else "",
)
def test_the_optimizer_is_the_one_of_the_settings(settings: TrainingSettings, expected: dict[str, Any]) -> None:
    optimizer = make_optimizer(settings, nn.Linear(2, 2).parameters())

    assert type(optimizer).__name__ == settings.optimizer
    assert expected.items() <= optimizer.param_groups[0].items()


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 1000])
def test_the_learning_rate_makes_one_cycle(steps: int) -> None:
    settings = TrainingSettings(learning_rate=0.5)
    rates = [learning_rate(settings, step, steps) for step in range(steps)]

    top = rates.index(max(rates))
    assert min(rates) > 0
    assert max(rates) <= 1.5
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert top == max(0, steps // 10 - 1)


def test_the_other_schedules_begin_at_the_rate_itself() -> None:
    def rates(schedule: Any) -> list[float]:
        settings = TrainingSettings(learning_rate=0.5, schedule=schedule)
        return [learning_rate(settings, step, 8) for step in range(8)]

    assert rates("constant") == [0.5] * 8
    assert rates("step") == pytest.approx([0.5] * 4 + [0.05] * 2 + [0.005] * 2)
    assert rates("cosine") == pytest.approx([0.25 * (1 + math.cos(math.pi * step / 8)) for step in range(8)])


def test_no_augmentation_is_none() -> None:
    assert make_augment(TrainingSettings()) is None


def test_a_flip_mirrors_left_and_right() -> None:
    flip = augment(flip=True)

    assert torch.allclose(flip(PIXELS, chances(0.2)), PIXELS.flip(3).float(), atol=0.01)
    assert torch.allclose(flip(PIXELS, chances(0.8)), PIXELS.float(), atol=0.01)


@pytest.mark.parametrize(("across", "down"), [(0, 0), (2, 0), (-2, 1), (1, -2)])
def test_a_shift_moves_by_whole_pixels_and_fills_with_black(across: int, down: int) -> None:
    moved = augment(shift=2)(PIXELS, chances((across + 2.5) / 5, (down + 2.5) / 5))

    expected = torch.zeros(2, 3, 6, 8)
    for row in range(6):
        for column in range(8):
            if 0 <= row + down < 6 and 0 <= column + across < 8:
                expected[:, :, row, column] = PIXELS[:, :, row + down, column + across].float()
    assert torch.allclose(moved, expected, atol=0.01)


def test_shifts_reach_both_ends_and_nothing_beyond() -> None:
    square = torch.full((3000, 1, 9, 9), 255, dtype=torch.uint8)
    shift = augment(shift=2)
    moved = shift(square, shift.chances(3000, torch.Generator().manual_seed(0)))

    empty_columns = (moved.amax(2) < 1).sum(2).squeeze(1)
    assert sorted(set(empty_columns.tolist())) == [0, 1, 2]


def test_a_turn_of_a_right_angle_is_exact_where_the_image_is_square() -> None:
    square = PIXELS[:, :, :, :6]
    turned = augment(rotation=45)(square, chances(1.5))  # twice the largest chance: 90 degrees

    assert torch.allclose(turned, torch.rot90(square, -1, (2, 3)).float(), atol=0.01) or torch.allclose(
        turned, torch.rot90(square, 1, (2, 3)).float(), atol=0.01
    )


def test_a_turn_keeps_the_proportions_of_an_image_that_is_no_square() -> None:
    disc = torch.zeros(1, 1, 21, 41, dtype=torch.uint8)
    y, x = torch.meshgrid(torch.arange(21) - 10, torch.arange(41) - 20, indexing="ij")
    disc[0, 0, (x**2 + y**2) < 64] = 255
    turned = augment(rotation=45)(disc, torch.full((1, 1, 1, 1), 0.9))

    for way in (2, 3):  # a stretched disc would be longer one way than the other; its edge may be off by a pixel
        assert (turned > 127).any(way).sum() == pytest.approx((disc > 127).any(way).sum(), abs=2)


def test_a_crop_enlarges_a_part_and_never_looks_outside() -> None:
    white = torch.full((500, 1, 10, 12), 255, dtype=torch.uint8)
    white[:, :, 0], white[:, :, -1] = 100, 100  # a frame, above and below
    crop = augment(crop=50)
    seen = crop(white, crop.chances(500, torch.Generator().manual_seed(1)))

    assert seen[:, :, 2:-2].min() >= 99.9
    assert ((seen[:, 0, 4, 5] > 254) & (seen[:, 0, 0, 5] > 254)).any(), "some see nothing of the frame"


@given(side=st.integers(1, 5), top=st.floats(0, 0.999), left=st.floats(0, 0.999))
def test_a_cutout_hides_one_square_and_leaves_the_rest_as_it_is(side: int, top: float, left: float) -> None:
    white = torch.full((2, 3, 6, 8), 255, dtype=torch.uint8)
    cut = augment(cutout=side)(white, chances(top, left))

    hidden = (cut == 0).all(0).all(0)
    rows, columns = hidden.any(1).nonzero().squeeze(1), hidden.any(0).nonzero().squeeze(1)
    assert cut.dtype == torch.uint8
    assert set(cut.unique().tolist()) == {0, 255}
    assert 1 <= len(rows) <= side
    assert 1 <= len(columns) <= side
    assert hidden[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    assert int(hidden.sum()) == len(rows) * len(columns)


def test_what_happens_to_an_image_does_not_depend_on_its_batch() -> None:
    settings = TrainingSettings(shift=1, flip=True, rotation=10, crop=20, cutout=2)
    vary = make_augment(settings)
    assert vary is not None
    images = torch.randint(0, 256, (10, 3, 8, 8), dtype=torch.uint8)
    all_chances = vary.chances(10, torch.Generator().manual_seed(5))
    together = vary(images, all_chances)
    some = torch.tensor([7, 2])

    assert torch.equal(vary(images[some], all_chances[:, some]), together[some])
    assert not torch.allclose(together, images.float())
