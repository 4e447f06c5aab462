import pytest
import torch

from scv.blocks.starters import STARTERS
from scv.ml.scores import score_layers, scores, slices
from tests.ml.conftest import document
from tests.ml.explaining import unlearned

LINEAR = ("Linear", {"out_features": 4})


@pytest.mark.parametrize("end", [("Softmax",), ("LogSoftmax",), ("Dropout", "Softmax"), ("Softmax", "Dropout"), ()])
def test_what_comes_after_the_scores_is_left_out(end: tuple[str, ...]) -> None:
    trained = unlearned(document("Flatten", LINEAR, *end), (1, 8, 8), 4)
    assert len(score_layers(trained)) == 2
    pixels = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(scores(trained, pixels), trained.network[:2](trained.normalize(pixels)).detach())


def test_a_softmax_within_the_network_stays() -> None:
    trained = unlearned(document("Flatten", LINEAR, "Softmax", LINEAR), (1, 8, 8), 4)
    assert len(score_layers(trained)) == 4


def test_scores_are_the_same_in_batches_of_any_size() -> None:
    trained = unlearned(STARTERS["resnet"].build((3, 100, 100), 4), (3, 100, 100), 4)
    at_once = trained.cost.at_once
    assert at_once < 40
    pixels = torch.randint(0, 256, (at_once + 1, 3, 100, 100), generator=torch.Generator().manual_seed(0))
    together = scores(trained, pixels)
    assert together.shape == (at_once + 1, 4)
    torch.testing.assert_close(together[-1:], scores(trained, pixels[-1:]), rtol=1e-4, atol=1e-4)


def test_slices_hold_everything_once() -> None:
    assert [(some.start, some.stop) for some in slices(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert list(slices(0, 3)) == []
