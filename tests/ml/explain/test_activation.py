from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from scv.blocks.shapes import is_tensor
from scv.data.resident import Resident
from scv.ml.explain import activation as making
from scv.ml.explain.activation import make_activation
from scv.ml.hooks import layers_of, watching
from scv.ml.trained import Trained
from scv.report.activation import Activation, Details, LayerActivations
from scv.report.sprites import Sprite
from tests.ml.conftest import document
from tests.ml.reported import images, learned, silence, unlearned
from tests.ml.test_hooks import NESTED


@pytest.fixture(scope="module")
def trained(digits: Resident, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return learned(NESTED, digits, tmp_path_factory.mktemp("run"), epochs=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def made(trained: Trained, digits: Resident, folder: Path) -> Activation:
    return make_activation(trained, digits, folder, silence)


@pytest.fixture(scope="module")
def given(trained: Trained, digits: Resident) -> dict[str, NDArray[np.float32]]:
    """What each layer gives for all test images at once, by its path."""
    layers = layers_of(trained)
    found: dict[str, NDArray[np.float32]] = {}
    with torch.no_grad(), watching(layers, lambda n, output: found.update({layers[n].path: output.numpy().copy()})):
        trained.logits(torch.from_numpy(np.array(digits.test_images)))
    return found


def details_of(folder: Path, layer: LayerActivations) -> Details:
    return msgspec.json.decode((folder / layer.file).read_bytes(), type=Details)


def tile(folder: Path, sprite: Sprite | None, number: int) -> NDArray[np.int64]:
    assert sprite is not None
    row, column = divmod(number, sprite.columns)
    sheet = np.asarray(Image.open(folder / sprite.file)).astype(int)
    return np.asarray(
        sheet[
            row * sprite.height : (row + 1) * sprite.height,
            column * sprite.width : (column + 1) * sprite.width,
        ]
    )


def test_every_layer_but_flatten_is_there(made: Activation, trained: Trained, digits: Resident) -> None:
    paths = [layer.path for layer in layers_of(trained) if layer.checked.type != "Flatten"]
    assert [layer.path for layer in made.layers] == paths
    assert all(layer.shown == layer.channels == layer.output[0] for layer in made.layers)
    assert made.looked == made.images == len(digits.test_labels)


def test_the_nine_images_of_each_channel_are_those_that_excite_it_most(
    made: Activation, folder: Path, given: dict[str, NDArray[np.float32]]
) -> None:
    for layer in made.layers:
        numbers = given[layer.path]
        highest = numbers.max((2, 3)) if is_tensor(layer.output) else numbers
        for number, channel in enumerate(details_of(folder, layer).channels):
            expected = np.sort(highest[:, number])[::-1][:9]
            assert channel.peaks == pytest.approx(expected, rel=1e-3, abs=1e-5)
            assert highest[list(channel.images), number] == pytest.approx(expected, rel=1e-4, abs=1e-5)
            assert len(set(channel.images)) == 9
            assert channel.low == pytest.approx(numbers[:, number].min(), rel=1e-3, abs=1e-5)
            assert channel.high == pytest.approx(numbers[:, number].max(), rel=1e-3, abs=1e-5)


def test_their_images_and_maps_can_be_shown_without_the_network(
    made: Activation, folder: Path, given: dict[str, NDArray[np.float32]], digits: Resident
) -> None:
    for layer in made.layers:
        details = details_of(folder, layer)
        numbers = given[layer.path]
        for number, channel in enumerate(details.channels):
            for place in (0, 8):
                image = channel.images[place]
                assert (tile(folder, details.sprite, 9 * number + place) == digits.test_images[image, 0]).all()
                if is_tensor(layer.output):
                    shown = tile(folder, details.maps, 9 * number + place)
                    scale = shown.shape[0] // layer.output[1]
                    assert scale == 8, "8 pixels are enlarged to 64"
                    low, high = numbers[:, number].min(), numbers[:, number].max()
                    expected = 255 * (numbers[image, number] - low) / max(high - low, 1e-30)
                    assert np.abs(shown[::scale, ::scale] - expected).max() <= 1
                    assert (shown[:scale, :scale] == shown[0, 0]).all()


def test_samples_show_one_image_of_each_class(
    made: Activation, folder: Path, given: dict[str, NDArray[np.float32]], digits: Resident
) -> None:
    assert sorted(digits.test_labels[list(made.samples)].tolist()) == list(range(10))
    assert (tile(folder, made.sprite, 3) == digits.test_images[made.samples[3], 0]).all()
    for layer in made.layers:
        details, numbers = details_of(folder, layer), given[layer.path]
        for number, channel in enumerate(details.channels):
            for place, image in enumerate(made.samples):
                if is_tensor(layer.output):
                    shown = tile(folder, details.sample_maps, 10 * number + place)[::8, ::8]
                    low, high = numbers[:, number].min(), numbers[:, number].max()
                    expected = 255 * (numbers[image, number] - low) / max(high - low, 1e-30)
                    assert np.abs(shown - expected).max() <= 1
                    assert channel.samples == ()
                else:
                    assert channel.samples[place] == pytest.approx(numbers[image, number], rel=1e-3, abs=1e-5)


def test_what_is_too_much_is_left_out_and_said(
    trained: Trained, digits: Resident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_WORK", 0), ("_FEWEST", 40), ("_CHANNELS", 3), ("_PIXELS", 9 * 3 * 10 * 64)):
        monkeypatch.setattr(making, name, value)
    made = make_activation(trained, digits, tmp_path, silence)

    assert (made.looked, made.images) == (40, len(digits.test_labels))
    assert [(layer.channels, layer.shown) for layer in made.layers[:4]] == [(4, 3), (4, 3), (4, 3), (9, 3)]
    details = details_of(tmp_path, made.layers[0])
    assert len(details.channels) == 3
    assert details.maps is not None
    assert details.maps.width == 64, "as small as 8 pixels and no smaller, enlarged again"


def test_images_of_all_layers_together_are_made_smaller_where_they_would_be_too_much(
    mnist: Resident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three layers of 4, 4 and 10 channels, nine images of each."""
    monkeypatch.setattr(making, "_PIXELS", 18 * 9 * 12 * 12)
    network = document(
        ("Conv2d", {"out_channels": 4, "kernel_size": 3}), "ReLU", "Flatten", ("Linear", {"out_features": 10})
    )
    made = make_activation(unlearned(network, mnist), mnist, tmp_path, silence)
    assert [details_of(tmp_path, layer).sprite.width for layer in made.layers] == [12, 12, 12]


def test_large_maps_are_averaged(tmp_path: Path) -> None:
    resident = images(tmp_path, (1, 128, 128), 2, test_size=12)
    network = document(
        ("Conv2d", {"out_channels": 2, "kernel_size": 1}),
        ("AdaptiveAvgPool2d", {"output_size": 1}),
        "Flatten",
    )
    trained = unlearned(network, resident)
    made = make_activation(trained, resident, tmp_path, silence)

    details = details_of(tmp_path, made.layers[0])
    image = details.channels[1].images[4]
    with torch.no_grad():
        numbers = trained.network[0](trained.normalize(torch.from_numpy(np.array(resident.test_images))))[:, 1]
    low, high = numbers.min(), numbers.max()
    expected = (255 * (numbers[image] - low) / (high - low)).reshape(64, 2, 64, 2).mean((1, 3))
    assert np.abs(tile(tmp_path, details.maps, 9 + 4) - expected.numpy()).max() <= 1


def test_a_test_set_of_fewer_than_nine_images_will_do(tmp_path: Path) -> None:
    resident = images(tmp_path, (3, 8, 8), 2, test_size=3)
    trained = unlearned(document("Flatten", ("Linear", {"out_features": 2})), resident)
    made = make_activation(trained, resident, tmp_path, silence)

    assert [len(channel.images) for channel in details_of(tmp_path, made.layers[0]).channels] == [3, 3]
    assert len(made.samples) == 3
