import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from scv.data.resident import Resident
from scv.ml.build import build
from scv.ml.device import Images, Normalize, place
from scv.ml.train.evaluate import BATCH, Interrupted, evaluate
from tests.ml.conftest import FORGETFUL

CPU = torch.device("cpu")


@pytest.fixture
def images(noise: Resident) -> Images:
    return place(noise.train_images, noise.train_labels, CPU)


@pytest.fixture
def normalize(noise: Resident) -> Normalize:
    return Normalize(noise.mean, noise.std, CPU)


@pytest.fixture
def network() -> nn.Sequential:
    return build(FORGETFUL, (3, 8, 8), 10)


def test_the_score_is_that_of_all_images_at_once(network: nn.Module, images: Images, normalize: Normalize) -> None:
    score = evaluate(network, images, normalize)

    assert len(images.labels) % BATCH, "the last batch is a smaller one"
    with torch.no_grad():
        logits = network.eval()(normalize(images.pixels))
    assert score.loss == pytest.approx(F.cross_entropy(logits, images.labels).item(), rel=1e-5)
    assert score.accuracy == (logits.argmax(1) == images.labels).sum().item() / len(images.labels)


def test_it_changes_nothing_about_the_network(network: nn.Module, images: Images, normalize: Normalize) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    evaluate(network, images, normalize)

    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_stop_is_noticed_between_two_batches(network: nn.Module, images: Images, normalize: Normalize) -> None:
    answers = iter([False, True])

    with pytest.raises(Interrupted):
        evaluate(network, images, normalize, lambda: next(answers))
    assert network.training
