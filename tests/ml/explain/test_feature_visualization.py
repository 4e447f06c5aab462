from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from scv.blocks.check import check
from scv.data.resident import Arrays, Resident
from scv.data.resident_writer import write_resident
from scv.ml.explain.feature_visualization import maximize
from scv.ml.hooks import layers_of, watching
from scv.ml.report import feature_visualization as section
from scv.ml.report.feature_visualization import make_maximization
from scv.ml.scores import scores
from scv.report.feature_visualization import Maximization
from tests.blocks.generate import nested_documents
from tests.examples import examples
from tests.ml.conftest import document
from tests.ml.explaining import Told, images, learned, unlearned


def variation(images: torch.Tensor) -> float:
    """The mean difference between neighbours, from 0 to 255."""
    images = images.float()
    return float(images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean())


@pytest.fixture(scope="module")
def coloured(mnist: Resident, tmp_path_factory: pytest.TempPathFactory) -> Resident:
    """MNIST on 32 × 32 pixels, in a random colour on a random darker one."""
    random = np.random.default_rng(0)

    def paint(images: np.ndarray) -> np.ndarray:
        ink = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2))) / 255
        paper, pen = random.uniform(0, 110, (2, len(images), 3, 1, 1))
        return (paper + ink * (255 - pen - paper)).astype(np.uint8)

    parts = Arrays(
        paint(mnist.train_images[:5000]),
        mnist.train_labels[:5000].copy(),
        paint(mnist.test_images[:1000]),
        mnist.test_labels[:1000].copy(),
    )
    return write_resident(tmp_path_factory.mktemp("coloured"), "coloured", parts)


@pytest.mark.parametrize("name", ["lenet", "perceptron", "pooled"])
def test_classes_are_answered_more_than_to_any_test_image(
    name: str, mnist: Resident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(section, "_CHANNELS", 1)  # they have a test of their own
    trained, told = learned(name, mnist), Told()

    made = make_maximization(trained, mnist, tmp_path, told)

    assert told.sound
    assert msgspec.json.decode(msgspec.json.encode(made), type=Maximization) == made
    answers = scores(trained, torch.from_numpy(mnist.test_images.copy()))
    outdone = 0
    for number, found in enumerate(made.classes):
        best = float(answers[torch.from_numpy(mnist.test_labels == number), number].max())
        assert found.best_real == pytest.approx(best, abs=1e-3)
        assert max(found.probabilities) > 0.9
        outdone += max(found.scores) > best
    assert outdone == 10 if name != "pooled" else outdone >= 8, "means alone leave some shapes out of reach"
    assert bool(made.notes) == (outdone < 10), "and then it says so"
    assert made.looked_at == 10_000
    with Image.open(tmp_path / made.tiles.file) as plate:
        assert plate.size[0] == made.tiles.columns * made.tiles.width
    assert made.tiles.count == 10 * made.seeds


def test_what_is_made_is_in_colour_where_the_images_are(
    coloured: Resident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(section, "_CHANNELS", 1)
    trained = learned("pooled", coloured, train_percent=100, epochs=2)

    made = make_maximization(trained, coloured, tmp_path, Told())

    outdone = [found for found in made.classes if found.best_real is not None and max(found.scores) > found.best_real]
    assert len(outdone) == 10
    with Image.open(tmp_path / made.tiles.file) as plate:
        assert np.asarray(plate.convert("HSV"))[..., 1].max() > 50


def test_a_goal_makes_plainer_images(mnist: Resident) -> None:
    trained = learned("perceptron", mnist)
    plain = maximize(trained, range(10), 1, goals=torch.full((10,), 8.0))
    full = maximize(trained, range(10), 1)

    assert plain.pixels.shape == (10, 1, 1, 28, 28)
    assert plain.pixels.dtype == torch.uint8
    assert (plain.answers > 8).all()
    assert (full.answers > plain.answers).all()
    assert plain.pixels.float().mean() < 0.7 * full.pixels.float().mean()


def test_what_is_made_is_smoother_than_bare_gradient_ascent(mnist: Resident) -> None:
    trained = learned("lenet", mnist)
    made = maximize(trained, range(10), 1, goals=torch.full((10,), 6.0)).pixels[:, 0]
    bare = torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for _ in range(100):
        leaf = bare.clone().requires_grad_()
        answers = trained.network(trained.normalize(255 * leaf))
        (slope,) = torch.autograd.grad(answers.diagonal().sum(), leaf)
        bare = (bare + 0.1 * slope / slope.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-9)).clamp(0, 1)
    assert variation(made) < 0.5 * variation(255 * bare)


def test_the_answers_are_those_to_the_images(mnist: Resident) -> None:
    trained = learned("lenet", mnist)
    made = maximize(trained, [3, 8], 2, 10)
    again = scores(trained, made.pixels.flatten(0, 1))
    torch.testing.assert_close(made.answers.flatten(), again[torch.arange(4), torch.tensor([3, 3, 8, 8])])
    assert not torch.equal(made.pixels[0, 0], made.pixels[0, 1]), "every seed begins with its own noise"


def test_the_same_is_made_again_and_no_generator_is_touched(mnist: Resident) -> None:
    trained = learned("lenet", mnist)
    first = maximize(trained, [1], 2, 10)
    state = torch.get_rng_state()
    assert torch.equal(maximize(trained, [1], 2, 10).pixels, first.pixels)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["lenet", "residual"])
def test_channels_are_answered_more_than_to_any_test_image(
    name: str, mnist: Resident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(section, "_SEEDS", 1)  # of the classes, which have a test of their own
    trained = learned(name, mnist)

    made = make_maximization(trained, mnist, tmp_path, Told())

    wanted = {"lenet": ["conv1", "conv2", "linear1"], "residual": ["conv1", "residual1.main.0", "linear1"]}[name]
    assert [layer.path for layer in made.layers][: len(wanted)] == wanted[: len(made.layers)]
    layers = {layer.path: layer for layer in layers_of(trained)}
    for shown in made.layers:
        peaks: list[torch.Tensor] = []
        with watching([layers[shown.path]], lambda number, output, peaks=peaks: peaks.append(output)):  # type: ignore[misc]
            scores(trained, torch.from_numpy(mnist.test_images.copy()))
        found = torch.cat([output.flatten(2).amax(2) if output.dim() == 4 else output for output in peaks]).amax(0)
        assert shown.channels == len(found) == len(shown.answers) == len(shown.best_real) == shown.tiles.count
        assert shown.best_real == pytest.approx(found.tolist(), abs=1e-4)
        outdone = sum(answer > 0.97 * real for answer, real in zip(shown.answers, shown.best_real, strict=True))
        assert outdone >= 0.9 * shown.channels
        assert shown.sees == ((5, 5) if shown.path == "conv1" and name == "lenet" else shown.sees)
        with Image.open(tmp_path / shown.tiles.file) as plate:
            assert plate.size[0] == shown.tiles.columns * shown.tiles.width
    assert made.layers_left_out == 0


def test_a_channels_image_is_what_its_kernel_looks_for(mnist: Resident) -> None:
    """The middle number of a first convolution is largest for white where its kernel adds, black where not."""
    trained = learned("lenet", mnist)
    first = layers_of(trained)[0]
    kernels = trained.network[0].weight.detach()  # (6, 1, 5, 5), padding 2
    made = maximize(trained, range(len(kernels)), 1, 128, layer=first).pixels[:, 0, 0].float() / 255
    middle = made[:, 12:17, 12:17]
    strong = kernels[:, 0].abs() > 0.5 * kernels[:, 0].abs().amax((1, 2), keepdim=True)
    assert ((middle > 0.5) == (kernels[:, 0] > 0))[strong].float().mean() > 0.9


def test_a_network_of_one_layer_has_no_channels_but_its_classes(digits: Resident, tmp_path: Path) -> None:
    network = document("Flatten", ("Linear", {"out_features": 10}))
    made = make_maximization(unlearned(network, (1, 8, 8), 10), digits, tmp_path, Told())
    assert made.layers == ()
    assert made.layers_left_out == 0


def test_layers_that_mix_no_channels_have_no_images_of_their_own(digits: Resident, tmp_path: Path) -> None:
    """Whether they learn a number for each place, one for each channel, or none."""
    network = document(
        ("BatchNorm2d", {"affine": False}),
        ("LayerNorm", {}),
        ("Conv2d", {"out_channels": 4}),
        ("GroupNorm", {"num_groups": 2}),
        "Flatten",
        ("Linear", {"out_features": 10}),
    )
    made = make_maximization(unlearned(network, (1, 8, 8), 10), digits, tmp_path, Told())
    assert [layer.type for layer in made.layers] == ["Conv2d"]


def test_of_very_many_classes_some_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "_BUDGET", section._BUDGET / 8)  # for a network of an eighth of the cost
    resident = images(tmp_path, (3, 24, 25), 200, 400)
    blocks = [("Conv2d", {"out_channels": 22, "kernel_size": 5, "padding": 2})] * 3
    network = document(*blocks, "AdaptiveAvgPool2d", "Flatten", ("Linear", {"out_features": 200}))

    made = make_maximization(unlearned(network, (3, 24, 25), 200), resident, tmp_path, Told())

    assert made.seeds == 1
    assert 4 <= len(made.classes) == 200 - made.left_out < 20
    assert (made.classes[0].target, made.classes[-1].target) == (0, 199)
    assert [len(layer.answers) for layer in made.layers] == sorted(
        (len(layer.answers) for layer in made.layers), reverse=True
    ), "where not all can be made, the first layers have the most"
    assert 0 < sum(len(layer.answers) for layer in made.layers) < 3 * 22


@settings(max_examples=examples(5), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_network_that_can_be_trained_makes_images(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(1, 8, 8), (3, 9, 12), (2, 16, 11)]))
    classes = data.draw(st.sampled_from([2, 7, 200]))
    network = data.draw(nested_documents(shape, classes))
    result = check(network, shape, classes)
    if not result.ok or result.multiply_adds > 5e7:
        return
    trained = unlearned(network, shape, classes)

    made = maximize(trained, [0, classes - 1], 2, 4, goals=torch.zeros(2))

    assert made.pixels.shape == (2, 2, *shape)
    for layer in layers_of(trained):
        assert maximize(trained, [0], 1, 3, layer=layer).pixels.shape == (1, 1, *shape)
