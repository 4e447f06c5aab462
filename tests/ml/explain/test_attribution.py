from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from scv.blocks.check import check
from scv.blocks.document import Block, Document
from scv.data.resident import Resident
from scv.ml.explain.attribution import (
    GAP,
    cam_layer,
    grad_cam,
    integrated_gradients,
    make_attribution,
    occlusion,
    occlusion_window,
)
from scv.ml.scores import background, score_layers, scores
from scv.ml.trained import Trained
from scv.report.attribution import Attribution
from tests.blocks.generate import nested_documents
from tests.examples import examples
from tests.ml.conftest import document
from tests.ml.explaining import NETWORKS, Told, answers, images, learned, sample, unlearned


@pytest.fixture(params=list(NETWORKS))
def trained(request: pytest.FixtureRequest, mnist: Resident) -> Trained:
    return learned(request.param, mnist)


def normalized(trained: Trained, resident: Resident, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images as the network gets them, what it answers, and the background as the network gets it."""
    pixels = sample(resident, count)
    empty = trained.normalize(background(trained).expand(1, *pixels.shape[1:]))
    return trained.normalize(pixels), scores(trained, pixels).argmax(1), empty


def test_the_networks_have_learned(trained: Trained, mnist: Resident) -> None:
    right = scores(trained, sample(mnist, 1000)).argmax(1).numpy() == mnist.test_labels[:1000]
    assert right.mean() > 0.85


@pytest.mark.parametrize("name", ["lenet", "residual", "pooled"])
def test_grad_cam_is_captums(name: str, mnist: Resident) -> None:
    trained = learned(name, mnist)
    inputs, targets, _ = normalized(trained, mnist, 12)
    layer = cam_layer(trained)
    assert layer is not None

    theirs = LayerGradCam(trained.network, trained.network[layer.place]).attribute(
        inputs, targets, relu_attributions=True
    )

    ours = grad_cam(trained, sample(mnist, 12), targets)
    assert ours.shape == (12, *layer.shape[1:])
    assert ours.max() > 0
    torch.testing.assert_close(ours, theirs[:, 0].detach(), rtol=1e-4, atol=1e-5)


def test_integrated_gradients_are_captums(trained: Trained, mnist: Resident) -> None:
    inputs, targets, empty = normalized(trained, mnist, 6)

    theirs, _ = IntegratedGradients(trained.network).attribute(
        inputs, empty, targets, n_steps=32, method="gausslegendre", return_convergence_delta=True
    )

    ours = integrated_gradients(trained, sample(mnist, 6), targets, steps=(32,))
    torch.testing.assert_close(ours.values, theirs.float(), rtol=1e-3, atol=1e-4)
    assert ours.steps.tolist() == [32] * 6


@pytest.mark.parametrize(("window", "strides"), [((6, 6), (3, 3)), ((5, 7), (2, 4))])
def test_occlusion_is_captums(
    trained: Trained, mnist: Resident, window: tuple[int, int], strides: tuple[int, int]
) -> None:
    inputs, targets, empty = normalized(trained, mnist, 3)

    theirs = Occlusion(trained.network).attribute(
        inputs, (1, *window), (1, *strides), baselines=empty, target=targets, perturbations_per_eval=16
    )

    ours = occlusion(trained, sample(mnist, 3), targets, window=window, strides=strides)
    torch.testing.assert_close(ours, theirs[:, 0].float(), rtol=1e-4, atol=1e-4)


def test_integrated_gradients_sum_up_to_the_difference_of_the_scores(trained: Trained, mnist: Resident) -> None:
    pixels = sample(mnist, 10)
    targets = torch.arange(10)

    found = integrated_gradients(trained, pixels, targets)

    start = scores(trained, background(trained).expand(1, *pixels.shape[1:]))[0, targets]
    difference = scores(trained, pixels)[torch.arange(10), targets] - start
    missed = (found.values.sum((1, 2, 3)) - difference).abs()
    assert (missed <= GAP * found.values.abs().sum((1, 2, 3)) + 1e-4).all()
    assert (found.gaps <= GAP).all()


def test_a_softmax_at_the_end_changes_no_attribution(mnist: Resident) -> None:
    plain = learned("lenet", mnist)
    pixels, targets = sample(mnist, 4), torch.tensor([7, 2, 1, 0])
    for last in ("Softmax", "LogSoftmax"):
        blocks = (*plain.info.document.blocks, Block("end", last))
        ended = unlearned(Document(blocks=blocks), (1, 28, 28), 10)
        ended.network.load_state_dict(plain.network.state_dict())
        ended = Trained(
            msgspec.structs.replace(plain.info, document=Document(blocks=blocks)), ended.network, plain.normalize
        )

        for method in (grad_cam, occlusion, lambda *given: integrated_gradients(*given).values):
            ours, theirs = method(ended, pixels, targets), method(plain, pixels, targets)
            assert theirs.abs().max() > 0
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)  # their weights lie in another order


def test_layers_that_work_in_place_change_no_attribution(mnist: Resident) -> None:
    plain = learned("residual", mnist)
    pixels, targets = sample(mnist, 4), torch.tensor([7, 2, 1, 0])
    before = grad_cam(plain, pixels, targets), integrated_gradients(plain, pixels, targets).values
    changed = [part for part in plain.network.modules() if isinstance(part, nn.ReLU)]
    assert len(changed) >= 3
    try:
        for part in changed:
            part.inplace = True
        after = grad_cam(plain, pixels, targets), integrated_gradients(plain, pixels, targets).values
    finally:
        for part in changed:
            part.inplace = False
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other)


def test_one_image_is_explained_as_among_others(trained: Trained, mnist: Resident) -> None:
    pixels, targets = sample(mnist, 5), torch.tensor([7, 2, 1, 0, 4])
    for method in (occlusion, *([grad_cam] if cam_layer(trained) else [])):
        torch.testing.assert_close(method(trained, pixels, targets)[3:4], method(trained, pixels[3:4], targets[3:4]))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (document("Flatten", ("Linear", {"out_features": 3})), None),
        (document(("AvgPool2d", {"kernel_size": 2}), "Flatten", ("Linear", {"out_features": 3})), None),
        (document(("Conv2d", {"out_channels": 3, "kernel_size": 12}), "Flatten"), None),
        (document(("Conv2d", {"out_channels": 3}), "AdaptiveAvgPool2d", "Flatten"), "conv1"),
        (
            document(
                "BatchNorm2d", ("Conv2d", {"out_channels": 4}), "ReLU", "Flatten", ("Linear", {"out_features": 3})
            ),
            "relu1",
        ),
    ],
)
def test_grad_cam_reads_the_last_layer_that_still_has_places(network: Document, expected: str | None) -> None:
    layer = cam_layer(unlearned(network, (2, 12, 12), 3))
    assert (layer.name if layer else None) == expected
    if layer is None:
        with pytest.raises(ValueError, match="no feature maps"):
            grad_cam(unlearned(network, (2, 12, 12), 3), torch.zeros(1, 2, 12, 12), torch.tensor([0]))


@pytest.mark.parametrize(("mean", "expected"), [(0.1, 0), (0.9, 255), (0.5, 128)])
def test_the_background_is_what_is_usual_in_the_dataset(mean: float, expected: int) -> None:
    trained = unlearned(document("Flatten", ("Linear", {"out_features": 3})), (3, 8, 8), 3, mean)
    assert background(trained).flatten().tolist() == [expected] * 3


@settings(max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_network_that_can_be_trained_can_be_explained(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(1, 8, 8), (3, 9, 12), (2, 16, 11)]))
    classes = data.draw(st.sampled_from([2, 7, 200]))
    network = data.draw(nested_documents(shape, classes))
    result = check(network, shape, classes)
    if not result.ok or result.multiply_adds > 5e7:
        return
    trained = unlearned(network, shape, classes)
    pixels = torch.randint(0, 256, (3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 1, classes - 1])

    assert scores(trained, pixels).shape == (3, classes)
    if layer := cam_layer(trained):
        assert grad_cam(trained, pixels, targets).shape == (3, *layer.shape[1:])
    assert integrated_gradients(trained, pixels, targets, steps=(4,)).values.shape == (3, *shape)
    assert occlusion(trained, pixels, targets).shape == (3, *shape[1:])
    assert all(parameter.grad is None for parameter in trained.network.parameters())


def test_the_window_follows_the_image() -> None:
    assert occlusion_window((1, 28, 28)) == ((6, 6), (3, 3))
    assert occlusion_window((3, 8, 8)) == ((2, 2), (1, 1))
    assert occlusion_window((3, 224, 112)) == ((45, 22), (22, 11))


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_section_is_made(name: str, mnist: Resident, tmp_path: Path) -> None:
    trained, told = learned(name, mnist), Told()

    made = make_attribution(trained, mnist, tmp_path, told, answers(trained, mnist))

    assert told.sound
    assert msgspec.json.decode(msgspec.json.encode(made), type=Attribution) == made
    right = [example for example in made.examples if example.label == example.predicted]
    wrong = [example for example in made.examples if example.label != example.predicted]
    assert {example.label for example in right} == set(range(10))
    assert wrong == sorted(wrong, key=lambda example: -example.confidence)
    assert wrong
    for example in made.examples:
        assert mnist.test_labels[example.index] == example.label
    assert [method.tiles is not None for method in made.methods] == [name != "perceptron", True, True]
    for tiles in (made.sprite, *(method.tiles for method in made.methods if method.tiles)):
        with Image.open(tmp_path / tiles.file) as plate:
            assert plate.size == (tiles.columns * tiles.width, -(-tiles.count // tiles.columns) * tiles.height)
        assert tiles.count == len(made.examples)
    assert made.gap <= GAP
    grad_cam_notes = " ".join(map(str, made.methods[0].notes))
    assert ("Low resolution" in grad_cam_notes) == (name == "lenet"), "its maps are of 4 × 4 points"
    assert ("tells apart" in grad_cam_notes) == (name in ("lenet", "residual")), "they flatten their maps"
    assert ("no Grad-CAM" in grad_cam_notes) == (name == "perceptron")


def test_many_classes_and_colour_make_a_section_too(tmp_path: Path) -> None:
    resident = images(tmp_path, (3, 9, 10), 200, 400)
    network = document(("Conv2d", {"out_channels": 4}), "ReLU", "Flatten", ("Linear", {"out_features": 200}))

    trained = unlearned(network, (3, 9, 10), 200)

    made = make_attribution(trained, resident, tmp_path, Told(), answers(trained, resident))

    assert 0 < len(made.examples) <= 32
    assert np.isfinite([example.confidence for example in made.examples]).all()


def test_what_tell_raises_ends_the_section(mnist: Resident, tmp_path: Path) -> None:
    class Enough(Exception):  # noqa: N818 - a wish
        pass

    def stop(share: float) -> None:
        raise Enough

    trained = learned("lenet", mnist)
    outcomes = answers(trained, mnist)
    with pytest.raises(Enough):
        make_attribution(trained, mnist, tmp_path, stop, outcomes)


def test_the_scores_are_the_networks_own(trained: Trained, mnist: Resident) -> None:
    assert torch.equal(scores(trained, sample(mnist, 8)), trained.logits(sample(mnist, 8)).detach())
    assert len(score_layers(trained)) == len(trained.network)
