import msgspec
import pytest

from scv.blocks.check import check
from scv.blocks.starters import STARTERS, Starter
from scv.data.official.catalogue import DATASETS, DatasetInfo, find
from scv.training.recommend import NetworkFacts, network_facts, recommended
from scv.training.settings import TrainingSettings


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
@pytest.mark.parametrize("starter", [s for s in STARTERS.values() if not s.exercise], ids=lambda s: s.name)
def test_every_starter_gets_settings_in_range_and_a_reason_where_they_differ(
    starter: Starter, dataset: DatasetInfo
) -> None:
    document = starter.build(dataset.shape, dataset.classes)
    checked = check(document, dataset.shape, dataset.classes)
    advised = recommended(dataset, network_facts(document, checked))

    assert advised.settings.problems() == []
    assert bool(advised.reasons) == (advised.settings != TrainingSettings(epochs=dataset.epochs))
    assert all(str(reason).endswith(".") for reason in advised.reasons)


def test_a_network_that_normalizes_gets_a_larger_rate() -> None:
    plain, normalized = (
        recommended(find("mnist"), NetworkFacts(50_000, normalized)).settings for normalized in (False, True)
    )
    assert normalized.learning_rate > plain.learning_rate


def test_small_images_are_not_shifted() -> None:
    shifts = [recommended(find(name), NetworkFacts(50_000, False)).settings.shift for name in ("mnist", "digits")]
    assert shifts == [1, 0]


def test_digits_are_never_mirrored_and_animals_may_be() -> None:
    animals = msgspec.structs.replace(find("mnist"), mirrored=True)

    assert not recommended(find("mnist"), NetworkFacts(1000, False)).settings.flip
    advised = recommended(animals, NetworkFacts(1000, False))
    assert advised.settings.flip
    assert any("mirror" in str(reason) for reason in advised.reasons)


def test_the_facts_of_a_network_see_into_its_branches() -> None:
    digits = find("digits")
    for name, normalized in (("resnet", True), ("lenet", False)):
        document = STARTERS[name].build(digits.shape, digits.classes)
        facts = network_facts(document, check(document, digits.shape, digits.classes))
        assert facts.normalized is normalized
        assert facts.parameters > 0
