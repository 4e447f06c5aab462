"""A network as ONNX: every kind of block, checked by ONNX's own rules and run by onnxruntime."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
import torch

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.document import Block, Document
from scv.data.resident import Resident
from scv.ml.build import build
from scv.ml.device import Normalize
from scv.ml.errors import ExportError
from scv.ml.export import onnx_export
from scv.ml.export.onnx_export import OPSET, OnnxSession, export_onnx, onnx_bytes
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import Trained, WeightsInfo, load_trained
from scv.ml.weights import content_hash
from scv.training.settings import TrainingSettings
from tests.ml.conftest import FEW, FORGETFUL, Listener, never

SHAPE, CLASSES = (3, 9, 10), 4
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def behind(classes: int) -> tuple[Block, ...]:
    """The classifier."""
    return Block("end", "Flatten"), Block("last", "Linear", {"out_features": classes})


def network(*blocks: Block, shape: tuple[int, int, int] = SHAPE, classes: int = CLASSES) -> Trained:
    """The blocks with a classifier behind them and weights of a fixed seed; batch norms have seen something."""
    document = Document(blocks=(*blocks, *behind(classes)))
    torch.manual_seed(0)
    built = build(document, shape, classes)
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    mean, std = MEAN[: shape[0]], STD[: shape[0]]
    info = WeightsInfo(
        document=document,
        dataset="elsewhere",
        dataset_hash="sha256:0",
        input_shape=shape,
        classes=classes,
        mean=mean,
        std=std,
        settings=TrainingSettings(),
        epoch=1,
    )
    return Trained(info, built.eval(), Normalize(mean, std, torch.device("cpu")))


def pixels(number: int, shape: tuple[int, int, int] = SHAPE) -> Any:
    return np.random.default_rng(number).integers(0, 256, (number, *shape), dtype=np.uint8)


def difference(trained: Trained, content: bytes, number: int) -> float:
    images = pixels(number, trained.info.input_shape)
    with torch.inference_mode():
        ours = trained.logits(torch.from_numpy(images)).numpy()
    theirs = OnnxSession(content).logits(images)
    assert theirs.shape == ours.shape
    return float(np.abs(ours - theirs).max())


SAME = Block("inner", "Conv2d", {"out_channels": 3, "kernel_size": 3, "padding": 1})
SPECIAL: dict[str, tuple[Block, ...]] = {
    "BatchNorm1d": (Block("f", "Flatten"), Block("n", "BatchNorm1d")),
    "Residual": (Block("r", "Residual", {}, ((SAME, Block("a", "ReLU")), ())),),
    "Parallel": (Block("p", "Parallel", {}, ((SAME,), (Block("m", "MaxPool2d", {"kernel_size": 1}),))),),
    "Flatten": (),
    "Linear": (Block("f", "Flatten"), Block("l", "Linear", {"out_features": 7})),
    "SqueezeExcite": (Block("s", "SqueezeExcite", {"reduction": 3}),),
    "GroupNorm": (Block("g", "GroupNorm", {"num_groups": 3}),),
}
"""Those that do not simply stand behind an image of three channels."""


def holding(kind: str) -> tuple[Block, ...]:
    return SPECIAL.get(kind, (Block("b", kind),))


def chains(longest: int = 6) -> list[tuple[Block, ...]]:
    """Every kind of block in one of few networks, since an export takes seconds for a single block as well.

    A block that does not stand behind those of its network begins the next one.
    """
    found: list[tuple[Block, ...]] = [()]
    # First those that take an image, so that none of them stands behind a Flatten.
    for kind in sorted(CATALOGUE, key=lambda kind: kind == "Flatten" or holding(kind)[0].type == "Flatten"):
        blocks = tuple(msgspec.structs.replace(block, id=f"{block.id}{len(found[-1])}") for block in holding(kind))
        longer = Document(blocks=(*found[-1], *blocks, *behind(CLASSES)))
        if len(longer.blocks) <= longest + 2 and check(longer, SHAPE, CLASSES).ok:
            found[-1] += blocks
        else:
            found.append(blocks)
    return found


@pytest.mark.parametrize("chain", chains(), ids=lambda chain: "-".join(block.type for block in chain))
def test_every_kind_of_block_becomes_onnx_that_gives_the_same_logits_for_any_batch(chain: tuple[Block, ...]) -> None:
    trained = network(*chain)

    content = onnx_bytes(trained)

    onnx.checker.check_model(content, full_check=True)
    for number in (1, 2, 5):
        assert difference(trained, content, number) <= 1e-4


def test_no_kind_of_block_is_left_out_of_these_networks() -> None:
    assert {block.type for chain in chains() for block in (*chain, *behind(CLASSES))} >= set(CATALOGUE)


VARIED = {
    "adaptive maximum, windows of several lengths": Block("b", "AdaptiveMaxPool2d", {"output_size": [4, 7]}),
    "adaptive maximum, more places than there were": Block("b", "AdaptiveMaxPool2d", {"output_size": 13}),
    "adaptive mean, windows of several lengths": Block("b", "AdaptiveAvgPool2d", {"output_size": [4, 7]}),
    "dilated, strided, in groups": Block(
        "b", "Conv2d", {"out_channels": 6, "kernel_size": 3, "stride": 2, "dilation": 2, "groups": 3, "padding": 1}
    ),
    "transposed with an output padding": Block(
        "b", "ConvTranspose2d", {"out_channels": 2, "kernel_size": 3, "stride": 2, "output_padding": 1}
    ),
    "pool that rounds up": Block("b", "MaxPool2d", {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    "pool that rounds up and is padded": Block(
        "b", "MaxPool2d", {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True}
    ),
    "mean that rounds up and is padded": Block(
        "b", "AvgPool2d", {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True}
    ),
    "transposed, with an output padding as wide as its stride": Block(
        "b",
        "ConvTranspose2d",
        {"out_channels": 6, "kernel_size": 3, "stride": 1, "padding": 1, "output_padding": 1, "dilation": 2},
    ),
    "mean without its padding, rounded up": Block(
        "b", "AvgPool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}
    ),
}


@pytest.mark.parametrize("name", VARIED)
def test_settings_that_differ_among_libraries_give_the_same_logits(name: str) -> None:
    trained = network(VARIED[name])

    assert difference(trained, onnx_bytes(trained), 3) <= 1e-4


def test_an_adaptive_maximum_deep_within_becomes_onnx_and_stays_itself_in_the_network() -> None:
    pool = Block("p", "AdaptiveMaxPool2d", {"output_size": [4, 7]})
    inner = Block("r", "Parallel", {}, ((SAME, pool), (Block("q", "AdaptiveMaxPool2d", {"output_size": [4, 7]}),)))
    trained = network(
        Block("o", "Residual", {}, ((inner,), (Block("c", "Conv2d", {"out_channels": 6, "kernel_size": [6, 4]}),)))
    )
    before = str(trained.network)

    assert difference(trained, onnx_bytes(trained), 2) <= 1e-4
    assert str(trained.network) == before
    assert "AdaptiveMaxPool2d" in before


@pytest.mark.parametrize(("shape", "classes"), [((1, 8, 8), 2), ((3, 17, 11), 200), ((3, 224, 224), 3)])
def test_any_size_of_images_and_number_of_classes_will_do(shape: tuple[int, int, int], classes: int) -> None:
    trained = network(Block("p", "AvgPool2d", {"kernel_size": 4}), shape=shape, classes=classes)

    assert difference(trained, onnx_bytes(trained), 2) <= 1e-4


@pytest.fixture(scope="module")
def trained(digits: Resident, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("run")
    train(FORGETFUL, FEW, digits, folder=folder, emit=Listener(), should_stop=never)
    return load_trained(folder / WEIGHTS)


def test_the_file_tells_what_it_takes_and_where_it_comes_from(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    export_onnx(trained, path)

    proto = onnx.load(path)
    facts = {prop.key: prop.value for prop in proto.metadata_props}
    assert list(tmp_path.iterdir()) == [path], "one file, and nothing beside it"
    assert [(one.domain, one.version) for one in proto.opset_import] == [("", OPSET)]
    assert "0 to 255" in proto.doc_string
    assert "do not normalize" in proto.doc_string
    assert json.loads(facts["class_names"]) == list(trained.class_names)
    assert json.loads(facts["mean"]) == list(trained.info.mean)
    assert json.loads(facts["std"]) == list(trained.info.std)
    assert facts["dataset"] == "digits"
    assert facts["dataset_hash"] == trained.info.dataset_hash
    assert facts["weights_hash"] == content_hash(trained.network.state_dict())
    assert facts["scv_version"]
    (taken,), (given,) = proto.graph.input, proto.graph.output
    assert (taken.name, given.name) == ("pixels", "logits")
    for value, rest in ((taken, [1, 8, 8]), (given, [10])):
        batch, *others = value.type.tensor_type.shape.dim
        assert batch.dim_param == "batch"
        assert [dim.dim_value for dim in others] == rest


def test_whoever_has_the_file_alone_classifies_raw_pixels(trained: Trained, digits: Resident, tmp_path: Path) -> None:
    import onnxruntime

    export_onnx(trained, tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"pixels": digits.test_images.astype(np.float32)})

    with torch.inference_mode():
        ours = trained.logits(torch.from_numpy(digits.test_images.copy())).argmax(1).numpy()
    assert (logits.argmax(1) == ours).all()
    assert (ours == digits.test_labels).mean() > 0.5, "chance would be 0.1"


def test_the_same_network_gives_the_same_bytes_and_no_path_of_this_machine(trained: Trained) -> None:
    content = onnx_bytes(trained)

    assert content == onnx_bytes(trained)
    for trace in (b"site-packages", b".py", str(Path.cwd()).encode()):
        assert trace not in content


def refused(do: Callable[[], object]) -> str:
    with pytest.raises(ExportError) as error:
        do()
    return str(error.value)


def test_what_onnxruntime_cannot_run_is_said_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that is left as it is, though ONNX has no such one."""
    monkeypatch.setattr(onnx_export, "exportable", lambda layer: layer)
    odd = {"out_channels": 3, "kernel_size": 2, "stride": 2, "dilation": 3, "output_padding": 2}
    trained = network(Block("a1", "ReLU"), Block("odd", "ConvTranspose2d", odd))

    message = refused(lambda: onnx_bytes(trained))

    assert message.startswith("Block odd (ConvTranspose2d) cannot be written as ONNX with these settings: ")
    assert "\n" not in message


def test_numbers_that_are_others_are_never_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A translation that is wrong without any error."""
    trained = network(Block("a1", "ReLU"), Block("a2", "LeakyReLU"), Block("n", "BatchNorm2d"))
    other = network(Block("a1", "ReLU"), Block("a2", "ReLU"), Block("n", "BatchNorm2d"))
    right = onnx_export.exportable

    def wrong(layer: torch.nn.Module) -> torch.nn.Module:
        return torch.nn.Sigmoid() if isinstance(layer, torch.nn.LeakyReLU) else right(layer)

    monkeypatch.setattr(onnx_export, "exportable", wrong)

    assert "Block a2 (LeakyReLU)" in refused(lambda: onnx_bytes(trained))
    assert onnx_bytes(other)


def test_what_fails_leaves_the_earlier_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(b"earlier")
    monkeypatch.setattr(onnx_export, "MOST_BYTES", 100)

    assert "GB" in refused(lambda: export_onnx(network(), path))
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_network_of_large_numbers_is_exported_all_the_same() -> None:
    trained = network(Block("p", "ConstantPad2d", {"value": -600000.0}))

    assert onnx_bytes(trained)


def test_the_network_is_as_it_was(trained: Trained) -> None:
    names = [name for name, _ in trained.network.named_modules()]
    before = content_hash(trained.network.state_dict())
    onnx_bytes(trained)

    assert [name for name, _ in trained.network.named_modules()] == names
    assert content_hash(trained.network.state_dict()) == before
    assert not trained.network.training
