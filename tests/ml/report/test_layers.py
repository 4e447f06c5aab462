from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scv.blocks.check import check
from scv.blocks.document import Block, Document
from scv.data.resident import Resident
from scv.data.splits import probes
from scv.ml.report.layers import make_layers
from scv.ml.trained import Trained
from scv.report.layers import LayerFigures, Layers
from tests.ml.conftest import FORGETFUL, document
from tests.ml.reported import images, learned, silence, unlearned
from tests.ml.test_hooks import NESTED

DEADLY = document(
    ("Conv2d", {"out_channels": 6, "kernel_size": 3}),
    "ReLU",
    "MaxPool2d",
    "Flatten",
    ("Linear", {"out_features": 8}),
    ("LeakyReLU", {"negative_slope": 0.1}),
    ("Linear", {"out_features": 10}),
)


def test_the_table_is_that_of_the_check(digits: Resident, tmp_path: Path) -> None:
    made = make_layers(unlearned(NESTED, digits), digits, tmp_path, silence)
    result = check(NESTED, digits.shape, digits.classes)

    assert (made.parameters, made.multiply_adds) == (result.parameters, result.multiply_adds)
    assert [(row.block, row.into, row.parameters, row.multiply_adds, row.output) for row in made.layers] == [
        (block.id, block.into, block.parameters, block.multiply_adds, block.output) for block in result.blocks
    ]
    listed = sum(np.prod(weights.shape) for row in made.layers for weights in row.weights)
    assert listed == made.parameters, "each weight is listed once, not again with its container"


def test_statistics_are_those_of_the_numbers_themselves(
    digits: Resident, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    trained = learned(FORGETFUL, digits, tmp_path_factory.mktemp("run"), epochs=1)
    made = make_layers(trained, digits, tmp_path, silence)

    assert made.images == len(digits.test_labels), "fewer than would be looked at"
    x = trained.normalize(torch.from_numpy(np.array(digits.test_images)))
    with torch.no_grad():
        for module, row in zip(trained.network, made.layers, strict=True):
            x = module(x)
            told = row.activation
            assert (told.mean, told.deviation) == pytest.approx((x.mean().item(), x.std().item()), rel=1e-3, abs=1e-5)
            assert (told.low, told.high) == (x.min().item(), x.max().item())
            assert told.zeros == pytest.approx((x == 0).float().mean().item(), abs=1e-6)
            for weights, (name, tensor) in zip(row.weights, module.named_parameters(), strict=True):
                assert (weights.name, weights.shape) == (name, tuple(tensor.shape))
                assert weights.norm == pytest.approx(tensor.norm().item(), rel=1e-4)
                assert weights.mean == pytest.approx(tensor.mean().item(), abs=1e-6)
                assert weights.deviation == pytest.approx(tensor.std(correction=0).item(), rel=1e-4, abs=1e-6)


def test_the_sample_is_of_all_classes_and_small_for_a_large_network(mnist: Resident, tmp_path: Path) -> None:
    heavy = document(
        ("Conv2d", {"out_channels": 128, "kernel_size": 7, "padding": 3}),
        ("Conv2d", {"out_channels": 32, "kernel_size": 7, "padding": 3}),
        ("AdaptiveAvgPool2d", {"output_size": 1}),
        "Flatten",
        ("Linear", {"out_features": 10}),
    )
    assert make_layers(unlearned(heavy, mnist), mnist, tmp_path, silence).images == 50
    assert np.bincount(mnist.test_labels[probes(mnist.test_labels, 50)]).tolist() == [5] * 10


def by_block(made: Layers) -> dict[str, LayerFigures]:
    return {row.block: row for row in made.layers}


def test_channels_that_never_rise_above_zero_are_dead_after_relu(digits: Resident, tmp_path: Path) -> None:
    trained = unlearned(DEADLY, digits)
    conv, leaky = trained.network[0], trained.network[4]
    with torch.no_grad():
        conv.bias[[1, 4]] = -1000.0  # type: ignore[index, operator, union-attr]
        leaky.bias[2] = -1000.0  # type: ignore[index, operator, union-attr]
        leaky.weight[5] = 0  # type: ignore[index, operator, union-attr]

    rows = by_block(make_layers(trained, digits, tmp_path, silence))

    assert rows["b0"].dead == (), "the convolution itself still tells images apart"
    assert rows["b1"].dead == rows["b2"].dead == (1, 4)
    assert (rows["b3"].channels, rows["b3"].dead_channels) == (0, 0), "Flatten has no channels"
    assert rows["b4"].dead == (5,), "weights of 0 leave the bias alone"
    assert rows["b5"].dead == (5,), "what is negative leaks through, so unit 2 is alive"
    assert rows["b1"].activation.zeros > 2 / 6


def kernels_of(trained: Trained, resident: Resident, folder: Path) -> tuple[Layers, np.ndarray]:
    made = make_layers(trained, resident, folder, silence)
    assert made.kernels is not None
    return made, np.asarray(Image.open(folder / made.kernels.sprite.file)).astype(int)


def test_kernels_are_drawn_grey_for_zero_and_light_for_what_adds(digits: Resident, tmp_path: Path) -> None:
    trained = unlearned(DEADLY, digits)
    with torch.no_grad():
        trained.network[0].weight[0, 0] = torch.tensor([[2.0, 0, -2], [1, 0, -1], [0, 0, 0]])  # type: ignore[operator, index, union-attr]

    made, sheet = kernels_of(trained, digits, tmp_path)

    kernels = made.kernels
    assert kernels is not None
    assert (kernels.kind, kernels.height, kernels.kernels, kernels.sprite.width) == ("grey", 3, 6, 48)
    assert sheet[8:48:16, 8:48:16].tolist() == [[255, 128, 1], [192, 128, 64], [128, 128, 128]]
    assert (sheet[:16, :16] == 255).all(), "enlarged by whole pixels"


def test_kernels_on_colour_images_are_coloured(noise: Resident, tmp_path: Path) -> None:
    trained = unlearned(FORGETFUL, noise)
    with torch.no_grad():
        weight = trained.network[0].weight
        weight[0] = 0  # type: ignore[index, operator]
        weight[0, 0] = 1  # type: ignore[index, operator]

    made, sheet = kernels_of(trained, noise, tmp_path)

    assert made.kernels is not None
    assert made.kernels.kind == "colour"
    assert sheet[0, 0].tolist() == [255, 128, 128], "it looks for red"


def test_a_first_linear_compares_with_templates(digits: Resident, tmp_path: Path) -> None:
    trained = unlearned(document("Flatten", ("Linear", {"out_features": 10})), digits)

    made, sheet = kernels_of(trained, digits, tmp_path)

    kernels = made.kernels
    assert kernels is not None
    assert (kernels.kind, kernels.height, kernels.width, kernels.kernels) == ("template", 8, 8, 10)
    weight = trained.network[1].weight[0].reshape(8, 8)  # type: ignore[index, union-attr]
    scale = kernels.sprite.width // 8
    expected = (128 + 127 * weight / weight.abs().max()).round()
    assert (sheet[: 8 * scale : scale, : 8 * scale : scale] == expected.detach().numpy()).all()


def test_where_no_kernels_can_be_seen_it_is_said_why(digits: Resident, tmp_path: Path) -> None:
    pooled = ("AdaptiveAvgPool2d", {"output_size": 1})
    end = ("Linear", {"out_features": 10})
    doubled = Document(
        blocks=(
            Block("twice", "Parallel", {}, ((), ())),
            Block("conv", "Conv2d", {"out_channels": 10, "kernel_size": 8}),
            Block("flat", "Flatten"),
        )
    )
    transposed = document(("ConvTranspose2d", {"out_channels": 2}), pooled, "Flatten", end)
    weightless = document("BatchNorm2d", ("AdaptiveAvgPool2d", {"output_size": [2, 5]}), "Flatten")
    large = images(tmp_path, (1, 120, 120), 10, test_size=20)
    for network, resident, part in (
        (doubled, digits, "conv"),
        (transposed, digits, "spreads"),
        (weightless, digits, "No layer"),
        (document("Flatten", end), large, "too large"),
    ):
        made = make_layers(unlearned(network, resident), resident, tmp_path, silence)
        assert made.kernels is None
        assert part in str(made.no_kernels)
