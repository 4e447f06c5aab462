import torch

from scv.blocks.document import Block, Document
from scv.blocks.starters import STARTERS
from scv.ml.trained import Trained
from tests.ml.explaining import unlearned
from tests.ml.test_hooks import NESTED, conv

SHAPE = (1, 28, 28)


def starter(name: str) -> Trained:
    return unlearned(STARTERS[name].build(SHAPE, 10), SHAPE, 10)


def test_the_larger_the_network_the_fewer_images_it_is_asked_about() -> None:
    small, large = starter("linear").cost, starter("resnet").cost
    assert small.affordable(1e11, 10, 4, 1000) == 1000
    assert 4 < large.affordable(1e11, 10, 4, 1000) < 1000
    assert large.affordable(1e11, 1e9, 4, 1000) == 4
    assert large.look * 10 * large.affordable(1e11, 10, 4, 1000) <= 1e11


def test_the_more_a_network_holds_the_fewer_images_go_through_it_together() -> None:
    assert starter("linear").cost.at_once == 256
    assert starter("resnet").cost.at_once < 256
    wide = Document(blocks=(Block("up", "Upsample", {"scale_factor": 16}), conv("wide", 512), *NESTED.blocks[-2:]))
    large = unlearned(wide, (1, 8, 8), 10)
    assert 1 <= large.cost.at_once * 512 * 128 * 128 <= 2**25


def test_an_answer_costs_what_the_check_counts_and_a_look_more() -> None:
    for name in ("lenet", "resnet"):
        trained = starter(name)
        assert trained.checked.multiply_adds == trained.cost.answer < trained.cost.look
    small = starter("linear")
    assert small.checked.multiply_adds < small.cost.answer < small.cost.look, "reading the image costs more"


def test_a_cost_is_worked_out_once_and_is_that_of_the_same_network_anew() -> None:
    trained = starter("lenet")
    assert trained.cost is trained.cost
    with torch.no_grad():
        next(trained.network.parameters()).zero_()
    assert trained.cost == starter("lenet").cost
