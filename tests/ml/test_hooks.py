import numpy as np
import torch
from torch import Tensor

from scv.blocks.check import check
from scv.blocks.document import Block, Document
from scv.blocks.starters import STARTERS
from scv.data.resident import Resident
from scv.ml.hooks import layers_of, watching
from tests.ml.reported import unlearned


def conv(name: str, channels: int = 4) -> Block:
    return Block(name, "Conv2d", {"out_channels": channels, "kernel_size": 3, "padding": 1})


NESTED = Document(
    blocks=(
        conv("first"),
        Block(
            "around",
            "Residual",
            {},
            (
                (
                    conv("deep"),
                    Block("split", "Parallel", {}, ((conv("left", 2),), (), (conv("a", 3), Block("b", "ReLU")))),
                    conv("merge"),
                ),
                (),
            ),
        ),
        Block("flat", "Flatten"),
        Block("end", "Linear", {"out_features": 10}),
    )
)


def test_every_block_is_found_with_its_module_however_deep(digits: Resident) -> None:
    trained = unlearned(NESTED, digits)
    layers = layers_of(trained)
    result = check(NESTED, digits.shape, digits.classes)

    assert [layer.checked for layer in layers] == list(result.blocks)
    assert {layer.checked.id: layer.path for layer in layers} == {
        "first": "conv1",
        "around": "residual1",
        "deep": "residual1.main.0",
        "split": "residual1.main.1",
        "left": "residual1.main.1.branches.0",
        "a": "residual1.main.1.branches.2.0",
        "b": "residual1.main.1.branches.2.1",
        "merge": "residual1.main.2",
        "flat": "flatten1",
        "end": "linear1",
    }
    for layer in layers:
        assert layer.module is trained.network.get_submodule(layer.path)
        assert sum(parameter.numel() for parameter in layer.module.parameters()) == layer.checked.parameters
    assert [layer.depth for layer in layers] == [0, 0, 1, 1, 2, 2, 2, 1, 0, 0]
    assert [layer.channels for layer in layers] == [4, 4, 4, 9, 2, 3, 3, 4, 0, 10]


def test_what_a_layer_gives_has_the_shape_that_the_check_foretold(digits: Resident) -> None:
    for document in (NESTED, *(STARTERS[name].build(digits.shape, 10) for name in ("resnet", "inception"))):
        trained = unlearned(document, digits)
        layers = layers_of(trained)
        seen: dict[int, tuple[int, ...]] = {}

        def see(number: int, output: Tensor, seen: dict[int, tuple[int, ...]] = seen) -> None:
            seen[number] = tuple(output.shape)

        with watching(layers, see):
            trained.logits(torch.from_numpy(np.array(digits.test_images[:3])))
        assert seen == {number: (3, *layer.output) for number, layer in enumerate(layers)}
        seen.clear()
        trained.logits(torch.from_numpy(np.array(digits.test_images[:3])))
        assert not seen, "nobody watches any longer"
