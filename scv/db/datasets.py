"""People's own datasets and their versions."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from scv.db import tasks
from scv.db.access import Permission, editable_by, load, owned_by, owns, visible_to
from scv.db.base import now
from scv.db.locks import lock_dataset_of
from scv.db.models import clean_name
from scv.db.tables import Dataset, DatasetVersion, Model, Notice, Run, Task, User, Version
from scv.errors import ConflictError, NotFoundError, RefusedError
from scv.message import Message, say

NO_DATASET = say("There is no such dataset.")

DATASET_NOT_YOURS = say(
    "This dataset belongs to somebody else, and only its owner can change it. You can train on it, or save it as a zip "
    "and make a dataset of your own from that."
)


def resident_name(dataset_id: int, number: int) -> str:
    """What a version's resident form is called, and models and runs call the version."""
    return f"own-{dataset_id}-{number}"


def version_title(name: str, number: int) -> str:
    """What a version of the dataset of this name is called: the second one of Pets is Pets (2)."""
    return name if number == 1 else f"{name} ({number})"


async def create_dataset(
    session: AsyncSession, user: User, name: str, *, image_size: int = 64, color: bool = True, fit: str = "crop"
) -> Dataset:
    """A new dataset without any version. Raises `RefusedError` for its name."""
    dataset = Dataset(user_id=user.id, name=clean_name(name), image_size=image_size, color=color, fit=fit)
    session.add(dataset)
    await session.flush()
    return dataset


async def get_visible_dataset(session: AsyncSession, user: User, dataset_id: int) -> Dataset:
    """A dataset that the user may look at, with its versions and its owner; raises `NotFoundError`."""
    return await _load(session, _with_versions(dataset_id), user, visible_to)


def _with_versions(dataset_id: int) -> Select[Dataset]:
    """The versions come by a statement of their own: after the dataset is locked, where it is."""
    return (
        select(Dataset)
        .where(Dataset.id == dataset_id)
        .options(selectinload(Dataset.versions).joinedload(DatasetVersion.dataset), joinedload(Dataset.user))
    )


async def get_editable_dataset(session: AsyncSession, user: User, dataset_id: int) -> Dataset:
    """A dataset whose name, images and versions the user may change, loaded like a visible one.

    Raises `NotFoundError`, and `NotAllowedError` where the user may only look at it and train on it.
    """
    return await _load(session, _with_versions(dataset_id), user, editable_by)


async def get_owned_dataset(session: AsyncSession, user: User, dataset_id: int) -> Dataset:
    """A dataset that the user may publish and delete; loads and raises as `get_editable_dataset` does."""
    return await _load(session, _with_versions(dataset_id), user, owned_by)


async def lock_editable_dataset(session: AsyncSession, user: User, dataset_id: int) -> Dataset:
    """As `get_editable_dataset`, and nobody else changes it or its versions until the session ends."""
    return await _load(session, _locked(dataset_id), user, editable_by)


async def lock_owned_dataset(session: AsyncSession, user: User, dataset_id: int) -> Dataset:
    """As `get_owned_dataset`, and nobody else changes it or its versions until the session ends."""
    return await _load(session, _locked(dataset_id), user, owned_by)


def _locked(dataset_id: int) -> Select[Dataset]:
    return _with_versions(dataset_id).with_for_update(of=Dataset, key_share=True)


async def _load(session: AsyncSession, query: Select[Dataset], user: User, permission: Permission) -> Dataset:
    return await load(session, query, user, Dataset, permission, missing=NO_DATASET, refusal=DATASET_NOT_YOURS)


async def list_visible_datasets(session: AsyncSession, user: User) -> list[Dataset]:
    """The user's own datasets and those that others published, with their versions and owners, the newest first."""
    found = await session.scalars(
        select(Dataset)
        .where(visible_to(user, Dataset))
        .order_by(Dataset.updated_at.desc(), Dataset.id.desc())
        .options(selectinload(Dataset.versions).joinedload(DatasetVersion.dataset), joinedload(Dataset.user))
    )
    return list(found)


async def get_visible_dataset_version(session: AsyncSession, user: User, name: str) -> DatasetVersion:
    """The version of this name, with its dataset, if the user may train on it; raises `NotFoundError`.

    One that is still being made is not there yet: where that fails, nothing of it stays.
    """
    query = (
        select(DatasetVersion)
        .join(DatasetVersion.dataset)
        .where(DatasetVersion.name == name, DatasetVersion.status == "ready")
        .options(contains_eager(DatasetVersion.dataset))
    )
    return await load(session, query, user, DatasetVersion, visible_to, missing=NO_DATASET)


def newest_name(dataset_id: ColumnElement[int], number: ColumnElement[int]) -> Select[str]:
    """The name of the dataset's newest version, if that is newer than the one of this number."""
    return (
        select(DatasetVersion.name)
        .where(
            DatasetVersion.dataset_id == dataset_id,
            DatasetVersion.number > number,
            DatasetVersion.status == "ready",
        )
        .order_by(DatasetVersion.number.desc())
        .limit(1)
    )


async def rename_dataset(session: AsyncSession, dataset: Dataset, name: str) -> None:
    """Give it another name. Raises `RefusedError`."""
    dataset.name = clean_name(name)
    dataset.updated_at = now()
    await session.flush()


async def set_options(session: AsyncSession, dataset: Dataset, *, image_size: int, color: bool, fit: str) -> None:
    """Choose what its images become. Raises `RefusedError` once there is a version, which all others are like."""
    if dataset.versions:
        raise RefusedError(say("Size, colour and fit are those of the first version."))
    dataset.image_size, dataset.color, dataset.fit = image_size, color, fit
    await session.flush()


async def begin_version(session: AsyncSession, dataset: Dataset, changes: str) -> DatasetVersion:
    """A new version that is to be made, of the last one and what `changes` (JSON) says.

    `dataset` comes from `lock_editable_dataset`. The work is a task of the kind "version", about the version's name:
    commit, then hand that to the queue. Raises `ConflictError` while another is being made.
    """
    if any(version.status == "making" for version in dataset.versions):
        raise ConflictError(say("A version of it is being made already. Wait until that is done."))
    # That of one that was given up is not given again: whoever is still at work on that must not meet this one.
    dataset.last_number += 1
    number = dataset.last_number
    version = DatasetVersion(
        dataset_id=dataset.id, number=number, name=resident_name(dataset.id, number), changes=changes
    )
    session.add(version)
    dataset.failure = None
    dataset.updated_at = now()
    await session.flush()
    # What became of the one before is seen on the dataset's page; only the last can be tried again.
    await tasks.forget_ended(session, "version", [resident_name(dataset.id, number - 1)])
    await tasks.request(
        session,
        "version",
        version.name,
        user_id=dataset.user_id,
        title=version_title(dataset.name, number),
        arguments=changes,
    )
    return version


async def begin_version_again(session: AsyncSession, user: User, task: Task) -> DatasetVersion:
    """A new version in place of one that was given up, of the same changes; `task` is what became of that.

    Raises `NotFoundError`, and `ConflictError` where the dataset was changed since.
    """
    dataset_id, number = (int(part) for part in task.subject.split("-")[1:])
    dataset = await lock_editable_dataset(session, user, dataset_id)
    if dataset.last_number != number or task.arguments is None or task.state == "done":
        raise ConflictError(say("This was changed elsewhere in the meantime. Here is its present state."))
    return await begin_version(session, dataset, task.arguments)


async def stop_version(session: AsyncSession, version: DatasetVersion) -> None:
    """Give up a version that is being made; what it was to be made of is still there.

    `version` is loaded with its dataset and the dataset's versions.
    """
    await give_up_version(session, version, say("It was stopped."), forget=False)
    task = await tasks.find(session, "version", version.name)
    if task is not None:
        await tasks.request_stop(session, task)


async def version_to_make(session: AsyncSession, name: str) -> DatasetVersion | None:
    """The version with its dataset and the dataset's versions; None where it was made, given up or deleted."""
    found: DatasetVersion | None = await session.scalar(
        select(DatasetVersion)
        .where(DatasetVersion.name == name, DatasetVersion.status == "making")
        .options(joinedload(DatasetVersion.dataset).selectinload(Dataset.versions))
    )
    return found


async def has_version(session: AsyncSession, name: str) -> bool:
    """Whether there is a version of this name, made or waiting."""
    return await session.scalar(select(DatasetVersion.id).where(DatasetVersion.name == name)) is not None


async def finish_version(session: AsyncSession, name: str, **figures: Any) -> bool:
    """It has been made; `figures` are columns of the version. False where it was deleted meanwhile."""
    await lock_dataset_of(session, name)
    made = await session.scalar(
        update(DatasetVersion)
        .where(DatasetVersion.name == name, DatasetVersion.status == "making")
        .values(status="ready", changes=None, **figures)
        .returning(DatasetVersion.dataset_id)
    )
    if made is not None:
        await session.execute(update(Dataset).where(Dataset.id == made).values(updated_at=now()))
    return made is not None


async def give_up_version(session: AsyncSession, version: DatasetVersion, why: Message, *, forget: bool) -> bool:
    """It could not be made, and nothing of it stays. False where it was made, given up or deleted meanwhile.

    `version` is loaded with its dataset and the dataset's versions. `forget` says that the dataset goes as well, if
    that was to be its first version: its owner is told later.
    """
    await lock_dataset_of(session, version.name)
    given_up = await session.scalar(
        delete(DatasetVersion)
        .where(DatasetVersion.name == version.name, DatasetVersion.status == "making")
        .returning(DatasetVersion.id)
    )
    if given_up is None:
        return False
    dataset, text = version.dataset, msgspec.json.encode(why).decode()
    if forget and len(dataset.versions) == 1:
        told = say("The images of {name} could not be imported. {why}", name=dataset.name, why=why)
        session.add(Notice(user_id=dataset.user_id, text=msgspec.json.encode(told).decode()))
        await session.execute(delete(Dataset).where(Dataset.id == dataset.id))
    else:
        await session.execute(update(Dataset).where(Dataset.id == dataset.id).values(failure=text))
    return True


async def has_notices(session: AsyncSession, user: User) -> bool:
    """Whether there is anything that the user has not been told yet."""
    return await session.scalar(select(Notice.id).where(owned_by(user, Notice)).limit(1)) is not None


async def take_notices(session: AsyncSession, user: User) -> list[Message]:
    """What the user has not been told yet; afterwards they have."""
    taken = await session.scalars(delete(Notice).where(owned_by(user, Notice)).returning(Notice.text))
    return [msgspec.json.decode(text, type=Message) for text in taken]


async def publish_dataset(session: AsyncSession, dataset: Dataset, *, published: bool) -> None:
    """Let others look at it and train on it, or not any more."""
    if published and not any(version.status == "ready" for version in dataset.versions):
        raise RefusedError(say("There are no images in it yet that others could use."))
    dataset.published_at = (dataset.published_at or now()) if published else None
    await session.flush()


async def delete_dataset(session: AsyncSession, dataset: Dataset) -> list[str]:
    """Delete it; returns the names of its versions, whose folders the caller deletes once this is committed.

    What was trained on it keeps the shape and the number of its classes, nothing else.
    """
    names = [version.name for version in dataset.versions]
    used = set(await session.scalars(_users_of(Model.dataset, names)))
    used |= set(await session.scalars(_users_of(Run.dataset, names)))
    if not used:
        await session.execute(delete(Dataset).where(Dataset.id == dataset.id))
        await tasks.forget(session, "version", names)
        return names
    await session.execute(
        delete(DatasetVersion).where(DatasetVersion.dataset_id == dataset.id, DatasetVersion.name.not_in(used))
    )
    for version in dataset.versions:
        if version.name in used:
            numbers = [str(number) for number in range(len(version.class_names))]
            await session.execute(
                update(DatasetVersion)
                .where(DatasetVersion.id == version.id)
                .values(class_names=numbers, hash=None, bytes=0, summary=None, changes=None)
            )
    await session.execute(
        update(Dataset)
        .where(Dataset.id == dataset.id)
        .values(name="", deleted_at=now(), published_at=None, failure=None)
    )
    await tasks.forget(session, "version", names)
    return names


def _users_of(column: Any, names: Sequence[str]) -> Select[str]:
    return select(column).where(column.in_(names)).distinct()


async def delete_version(session: AsyncSession, dataset: Dataset, number: int) -> str:
    """Delete an older version that nothing uses; returns its name. Raises `NotFoundError` and `RefusedError`."""
    version = next((one for one in dataset.versions if one.number == number and one.status == "ready"), None)
    if version is None:
        raise NotFoundError(say("There is no such version."))
    if version is dataset.versions[-1]:
        raise RefusedError(say("The newest version stays. Delete the whole dataset, if you want."))
    if list(await session.scalars(_users_of(Model.dataset, [version.name]))) or list(
        await session.scalars(_users_of(Run.dataset, [version.name]))
    ):
        raise RefusedError(say("Models or runs use this version, so it stays."))
    await session.execute(delete(DatasetVersion).where(DatasetVersion.id == version.id))
    return version.name


async def runs_on(session: AsyncSession, dataset: Dataset) -> list[int]:
    """The runs, whoever has them, that learned from any version."""
    names = [version.name for version in dataset.versions]
    return list(await session.scalars(select(Run.id).where(Run.dataset.in_(names))))


async def models_on(session: AsyncSession, user: User, dataset: Dataset) -> list[tuple[Model, str]]:
    """The models that learn or have learned from any version, with their owners' names.

    The dataset's owner gets everybody's, any other user their own.
    """
    names = [version.name for version in dataset.versions]
    trained = select(Version.model_id).join(Run, Run.version_id == Version.id).where(Run.dataset.in_(names))
    found = select(Model, User.name).join(Model.user).where(or_(Model.dataset.in_(names), Model.id.in_(trained)))
    if not owns(user, dataset):
        found = found.where(owned_by(user, Model))
    rows = await session.execute(found.order_by(Model.updated_at.desc(), Model.id.desc()))
    return [(model, owner) for model, owner in rows]


async def bytes_of(session: AsyncSession, user: User) -> int:
    """How much the user's versions take on the disk."""
    total = await session.scalar(select(func.sum(DatasetVersion.bytes)).where(owned_by(user, DatasetVersion)))
    return int(total or 0)  # PostgreSQL's sum of bigints is a decimal


async def ids_of(session: AsyncSession, user: User) -> list[int]:
    """The ids of all datasets that the user has."""
    return list(await session.scalars(select(Dataset.id).where(editable_by(user, Dataset))))
