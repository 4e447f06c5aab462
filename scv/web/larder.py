"""Which dataset a model or a run is about: an official one by its name, or a version of somebody's own pictures."""

from typing import Literal, cast

from scv.blocks.message import say
from scv.data.catalogue import DatasetInfo, UnknownDatasetError, find
from scv.data.importing import PictureOptions
from scv.data.own import default_epochs, loader_of
from scv.db.tables import Dataset, DatasetVersion, Model, Run, User
from scv.errors import RefusedError
from scv.web.forms import file_name


def dataset_of(thing: Model | Run) -> DatasetInfo:
    """What a model learns from, or a run has learned from; it is loaded with `own`. Raises `UnknownDatasetError`."""
    return find(thing.dataset) if thing.own is None else own_info(thing.own)


def is_known(thing: Model | Run) -> bool:
    """Whether `dataset_of` would succeed."""
    try:
        dataset_of(thing)
    except UnknownDatasetError:
        return False
    return True


def options_of(dataset: Dataset) -> PictureOptions:
    """The form that the dataset's pictures have."""
    fit = cast("Literal['crop', 'pad', 'stretch']", dataset.fit)
    return PictureOptions(size=dataset.image_size, color=dataset.color, fit=fit)


def own_info(version: DatasetVersion) -> DatasetInfo:
    """A version as what everything else knows of a dataset.

    The exported script reads the zip that the dataset's page gives away. Of a deleted dataset only numbers are left.
    """
    dataset = version.dataset
    options = options_of(dataset)
    train, test = sum(version.train) + sum(version.validation), sum(version.test)
    return DatasetInfo(
        name=version.name,
        title=title_of(version),
        shape=(options.channels, options.size, options.size),
        class_names=tuple(version.class_names),
        train_size=train,
        test_size=test,
        epochs=default_epochs(train),
        licence="",
        source="",
        script_loader=loader_of(options),
        script_folder=file_name(f"{dataset.name} {version.number}", "zip"),
    )


def title_of(version: DatasetVersion) -> str:
    """What the version is called: the second one of Pets is Pets (2). A deleted dataset has its number only."""
    name = version.dataset.name or f"#{version.dataset_id}"
    return name if version.number == 1 else f"{name} ({version.number})"


def is_gone(thing: Model | Run) -> bool:
    """Whether the dataset was deleted, so that nothing can be trained on it any more."""
    return thing.own is not None and thing.own.dataset.deleted_at is not None


def may_train(user: User, thing: Model | Run) -> bool:
    """Whether the user may train on it still: somebody else's dataset can be deleted, or made private again."""
    if thing.own is None:
        return True
    dataset = thing.own.dataset
    return dataset.deleted_at is None and (dataset.user_id == user.id or dataset.published_at is not None)


def refuse_without_pictures(user: User, thing: Model | Run) -> None:
    """Raise `RefusedError` where the user may not, or can not, train on it."""
    if is_gone(thing):
        raise RefusedError(say("The pictures that it learned from were deleted. Have the model learn from others."))
    if not may_train(user, thing):
        raise RefusedError(say("Its pictures are private again. Have the model learn from others."))


def newest_of(dataset: Dataset) -> DatasetVersion | None:
    """The newest version that is there; the dataset is loaded with its versions."""
    return next((version for version in reversed(dataset.versions) if version.status == "ready"), None)
