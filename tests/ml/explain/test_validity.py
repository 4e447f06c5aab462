from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

from scv.blocks.document import Block, Document
from scv.data.resident import Resident
from scv.ml.explain.validity import (
    SHARES,
    area,
    attribute,
    curves,
    make_validity,
    methods_of,
    orders_by,
    randomized,
    rank_correlation,
)
from scv.ml.scores import scores
from scv.report.attribution import MethodName
from scv.report.validity import Validity
from tests.ml.conftest import document
from tests.ml.explaining import NETWORKS, Told, answers, images, learned, sample, unlearned


@pytest.mark.parametrize("method", ["grad_cam", "integrated_gradients", "occlusion"])
def test_what_is_found_counts_more_than_chance(method: MethodName, mnist: Resident) -> None:
    trained = learned("pooled", mnist)
    pixels = sample(mnist, 200)
    targets = scores(trained, pixels).argmax(1)
    lots = torch.rand(200, 28 * 28, generator=torch.Generator().manual_seed(1)).argsort(1)

    by_map, by_chance = (
        area(curves(trained, pixels, targets, orders)[0])
        for orders in (orders_by(attribute(method, trained, pixels, targets), (28, 28)), lots)
    )

    gains = by_chance - by_map
    assert gains.mean() > 4 * gains.std() / 200**0.5, "far more than chance would give"


def test_deletion_begins_with_the_image_and_insertion_ends_with_it(mnist: Resident) -> None:
    trained = learned("lenet", mnist)
    pixels = sample(mnist, 5)
    targets = scores(trained, pixels).argmax(1)
    whole = scores(trained, pixels).softmax(1).amax(1)
    empty = scores(trained, torch.zeros(5, 1, 28, 28)).softmax(1).gather(1, targets[:, None])[:, 0]

    deleted, inserted = curves(trained, pixels, targets, torch.arange(784).repeat(5, 1))

    assert deleted.shape == inserted.shape == (5, len(SHARES))
    for found, expected in ((deleted[:, 0], whole), (inserted[:, -1], whole), (deleted[:, -1], empty)):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_an_order_follows_the_map_and_ties_are_broken_by_chance() -> None:
    steep = torch.arange(16.0).view(1, 4, 4)
    assert orders_by(steep, (4, 4))[0].tolist() == list(reversed(range(16)))
    flat = orders_by(torch.zeros(1, 4, 4), (4, 4))[0].tolist()
    assert sorted(flat) == list(range(16)) != flat
    assert orders_by(torch.tensor([[[0.0, 1.0]]]), (1, 8))[0, 0] >= 6, "a coarse map is enlarged"


def test_the_rank_correlation_is_scipys() -> None:
    random = np.random.default_rng(0)
    for ties in (2, 5, 1000):
        one, other = random.integers(0, ties, (2, 7, 9)).astype(float)
        assert rank_correlation(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert rank_correlation(np.zeros((3, 3)), np.ones((3, 3))) == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet", ["linear3", "linear2", "linear1", "conv2", "conv1"]),
        ("residual", ["linear1", "residual1", "conv1"]),
        ("pooled", ["linear1", "conv3", "conv2", "conv1"]),
        ("perceptron", ["linear2", "linear1"]),
    ],
)
def test_layers_become_random_from_the_top(name: str, expected: list[str], mnist: Resident) -> None:
    trained = learned(name, mnist)
    before = {key: tensor.clone() for key, tensor in trained.network.state_dict().items()}
    state = torch.get_rng_state()

    stages = list(randomized(trained))

    assert [layer for layer, _ in stages] == expected
    for number, (_, changed) in enumerate(stages):
        different = {
            key.split(".")[0]
            for key, tensor in changed.network.state_dict().items()
            if key.endswith("weight") and not torch.equal(tensor, before[key])
        }
        assert {layer for layer in different if not layer.startswith("norm")} == set(expected[: number + 1])
        assert all(
            torch.equal(tensor, before[key]) for key, tensor in changed.network.state_dict().items() if "running" in key
        )
    assert all(torch.equal(tensor, before[key]) for key, tensor in trained.network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_deep_networks_become_random_in_eight_steps() -> None:
    blocks = [Block(f"c{n}", "Conv2d", {"out_channels": 2, "padding": 1}) for n in range(20)]
    deep = Document(blocks=(*blocks, Block("f", "Flatten"), Block("l", "Linear", {"out_features": 2})))

    stages = [layer for layer, _ in randomized(unlearned(deep, (1, 8, 8), 2))]

    assert len(stages) == 8
    assert stages[-1] == "conv1"


def test_a_network_without_weights_above_its_normalization_has_one_step() -> None:
    network = document("BatchNorm2d", "Flatten", "LayerNorm")
    stages = list(randomized(unlearned(network, (2, 1, 2), 4)))
    assert [layer for layer, _ in stages] == ["norm1"]


def test_what_was_learned_makes_the_maps_and_a_map_of_the_image_alone_would_be_found_out(mnist: Resident) -> None:
    trained = learned("perceptron", mnist)
    pixels = sample(mnist, 30)
    targets = scores(trained, pixels).argmax(1)
    first = attribute("occlusion", trained, pixels, targets).numpy()
    *_, (_, random) = randomized(trained)
    after = attribute("occlusion", random, pixels, targets).numpy()

    similar = np.mean([rank_correlation(one, other) for one, other in zip(first, after, strict=True)])

    assert abs(similar) < 0.3
    edges = pixels[:, 0].double().numpy()  # a "map" that no network was asked for
    assert rank_correlation(edges[0], edges[0]) == pytest.approx(1)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_section_is_made(name: str, mnist: Resident, tmp_path: Path) -> None:
    trained, told = learned(name, mnist), Told()

    made = make_validity(trained, mnist, tmp_path, told, answers(trained, mnist))

    assert told.sound
    assert msgspec.json.decode(msgspec.json.encode(made), type=Validity) == made
    methods = list(methods_of(trained))
    assert [found.method for found in made.deletions] == [found.method for found in made.randomizations] == methods
    for found in made.deletions:
        assert found.advantage == pytest.approx(made.random.deletion_area - found.curve.deletion_area, abs=1e-4)
        assert found.grade == ("good" if found.advantage > 2 * found.error else found.grade)
    for tested in made.randomizations:
        assert min(step.similarity for step in tested.steps) >= -1
        assert tested.tiles.count == len(tested.steps) + 1
        with Image.open(tmp_path / tested.tiles.file) as plate:
            assert plate.size == (tested.tiles.columns * tested.tiles.width, tested.tiles.height)


def test_a_network_that_knows_nothing_makes_a_section_too(tmp_path: Path) -> None:
    resident = images(tmp_path, (3, 8, 9), 2, 20)
    network = document("Flatten", ("Linear", {"out_features": 2}), "Softmax")
    trained = unlearned(network, (3, 8, 9), 2)
    made = make_validity(trained, resident, tmp_path, Told(), answers(trained, resident))
    assert made.images == 20
