"""Which dataset a model or a run is about: an official one by its name, or a version of somebody's own images."""

import msgspec

from scv.data.official.catalogue import DATASETS, DatasetInfo, UnknownDatasetError, find
from scv.data.own.description import default_epochs, loader_of
from scv.db import datasets
from scv.db.access import sees
from scv.db.tables import Dataset, DatasetVersion, Model, Run, User
from scv.errors import RefusedError
from scv.jobs.own_datasets import options_of
from scv.message import Message, say
from scv.web.datasets.state import DatasetState, states_of
from scv.web.http.forms import file_name
from scv.web.http.services import Services


def dataset_of(thing: Model | Run) -> DatasetInfo:
    """What a model learns from, or a run has learned from; it is loaded with `own`. Raises `UnknownDatasetError`."""
    return find(thing.dataset) if thing.own is None else own_info(thing.own)


async def find_for(services: Services, user: User, name: str) -> DatasetInfo:
    """A dataset that the user may look at, by its name. Raises `NotFoundError`."""
    if (official := DATASETS.get(name)) is not None:
        return official
    async with services.database.reading() as session:
        return own_info(await datasets.get_visible_dataset_version(session, user, name))


async def states_for(services: Services, user: User, also: str = "") -> tuple[DatasetState, ...]:
    """What the user can train on: the official datasets, and the newest version of each of the others.

    `also` is the name of a version that is among them even if it is not the newest.
    """
    async with services.database.reading() as session:
        found = await datasets.list_visible_datasets(session, user)
    versions = [
        version
        for dataset in found
        for version in dataset.versions
        if version.status == "ready" and (version.name == also or version is dataset.newest)
    ]
    return await states_of(services, [*map(own_info, versions), *DATASETS.values()])


def title_if_known(thing: Model | Run) -> str:
    """The dataset's title; nothing of a deleted one; the name it was called by where none is known by it any more."""
    if is_gone(thing):
        return ""
    try:
        return dataset_of(thing).title
    except UnknownDatasetError:
        return thing.dataset


def own_info(version: DatasetVersion) -> DatasetInfo:
    """A version as what everything else knows of a dataset.

    The exported script reads the zip that the dataset's page gives away. Of a deleted dataset only numbers are left.
    """
    dataset = version.dataset
    options = options_of(dataset)
    validation = sum(version.validation)
    train, test = sum(version.train) + validation, sum(version.test)
    return DatasetInfo(
        name=version.name,
        title=title_of(version),
        shape=(options.channels, options.size, options.size),
        class_names=tuple(version.class_names),
        train_size=train,
        test_size=test,
        validation_size=validation,
        epochs=default_epochs(train),
        licence="",
        source="",
        script_loader=loader_of(options, validation > 0),
        script_folder=file_name(f"{dataset.name} {version.number}", "zip"),
    )


def title_of(version: DatasetVersion) -> str:
    """What the version is called. A deleted dataset has its number only."""
    return datasets.version_title(version.dataset.name or f"#{version.dataset_id}", version.number)


def is_gone(thing: Model | Run) -> bool:
    """Whether the dataset was deleted, so that nothing can be trained on it any more."""
    return thing.own is not None and thing.own.dataset.deleted_at is not None


def may_train(user: User, thing: Model | Run) -> bool:
    """Whether the user may train on it still: somebody else's dataset can be deleted, or made private again."""
    if thing.own is None:
        return True
    dataset = thing.own.dataset
    return sees(user, dataset)


def refuse_without_images(user: User, thing: Model | Run) -> None:
    """Raise `RefusedError` where the user may not, or can not, train on it."""
    if is_gone(thing):
        raise RefusedError(say("The dataset was deleted. Choose another dataset for this model."))
    if not may_train(user, thing):
        raise RefusedError(say("The dataset is private again. Choose another dataset for this model."))


def failure_of(dataset: Dataset) -> Message | None:
    """Why the dataset's last version could not be made."""
    return None if dataset.failure is None else msgspec.json.decode(dataset.failure, type=Message)
