"""Models: what a user builds."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from scv.blocks.document import Document
from scv.db import tasks
from scv.db.access import Permission, editable_by, load, owned_by
from scv.db.base import now
from scv.db.locks import hold_dataset, lock_runs_of_model
from scv.db.tables import DatasetVersion, Model, Run, User, Version
from scv.errors import RefusedError
from scv.message import say
from scv.training.settings import TrainingSettings

NAME_LENGTH = 60
PAGE_SIZE = 12

Sort = Literal["updated", "created"]
Order = Literal["newest", "oldest"]


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """A model as a list shows it: with its newest version and the newest run of any version."""

    model: Model
    version: Version
    run: Run | None


@dataclass(frozen=True, kw_only=True)
class ModelPage:
    """One page of a list. `total` counts all models found; pages count from 1 and there is always one."""

    cards: tuple[ModelCard, ...]
    total: int
    page: int
    pages: int


def with_own(relation: Any) -> Any:
    """Load a model's or a run's own dataset with it: the version and what it is a version of."""
    return joinedload(relation).joinedload(DatasetVersion.dataset)


def clean_name(name: str) -> str:
    """A name without superfluous spaces. Raises `RefusedError` where it is empty or too long."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_LENGTH:
        raise RefusedError(say("A name has 1 to {most} characters.", most=NAME_LENGTH))
    return name


async def get_editable_model(session: AsyncSession, user: User, model_id: int) -> Model:
    """A model that the user may change; raises `NotFoundError`, `NotAllowedError`."""
    return await _load(session, user, model_id, editable_by)


async def get_owned_model(session: AsyncSession, user: User, model_id: int) -> Model:
    """A model that the user may delete; raises `NotFoundError`, `NotAllowedError`."""
    return await _load(session, user, model_id, owned_by)


async def _load(
    session: AsyncSession, user: User, model_id: int, permission: Permission, *, lock: bool = False
) -> Model:
    query = select(Model).where(Model.id == model_id)
    if lock:
        query = query.with_for_update(key_share=True)
    return await load(session, query, user, Model, permission, missing=say("There is no such model."))


async def lock_editable_model(session: AsyncSession, user: User, model_id: int) -> Model:
    """As `get_editable_model`, and nobody else writes to it until the session ends."""
    return await _load(session, user, model_id, editable_by, lock=True)


async def list_owned_models(
    session: AsyncSession,
    user: User,
    *,
    search: str = "",
    dataset: str = "",
    sort: Sort = "updated",
    order: Order = "newest",
    page: int = 1,
) -> ModelPage:
    """One page of the user's models, in four statements. A page out of range gives the nearest there is.

    `search` is found anywhere in the name; `dataset` is an official one's name, or own-12 for all versions of
    dataset 12; an empty one does not filter.
    """
    found = select(Model).where(owned_by(user, Model))
    if search.strip():
        found = found.where(Model.name.icontains(search.strip(), autoescape=True))
    if dataset:
        # A person's own dataset is found in all of its versions.
        same = Model.dataset.startswith(f"{dataset}-", autoescape=True) if dataset.startswith("own-") else None
        found = found.where(Model.dataset == dataset if same is None else same)
    total = await session.scalar(select(func.count()).select_from(found.subquery())) or 0
    pages = max(1, math.ceil(total / PAGE_SIZE))
    page = min(max(page, 1), pages)

    column = Model.updated_at if sort == "updated" else Model.created_at
    by = (column.desc(), Model.id.desc()) if order == "newest" else (column, Model.id)
    shown = found.order_by(*by).limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE).options(with_own(Model.own))
    models = (await session.scalars(shown)).all()
    ids = [model.id for model in models]
    versions = {version.model_id: version for version in await session.scalars(_newest_versions(ids))}
    runs = {model_id: run for run, model_id in await session.execute(_newest_runs(ids))}
    cards = tuple(ModelCard(model=model, version=versions[model.id], run=runs.get(model.id)) for model in models)
    return ModelPage(cards=cards, total=total, page=page, pages=pages)


def _newest_versions(model_ids: list[int]) -> Select[Version]:
    newest = (
        select(func.max(Version.number).label("number"), Version.model_id)
        .where(Version.model_id.in_(model_ids))
        .group_by(Version.model_id)
        .subquery()
    )
    return select(Version).join(newest, (Version.model_id == newest.c.model_id) & (Version.number == newest.c.number))


def _newest_runs(model_ids: list[int]) -> Select[Run, int]:
    newest = (
        select(func.max(Run.id).label("id"), Version.model_id)
        .join(Version, Run.version_id == Version.id)
        .where(Version.model_id.in_(model_ids))
        .group_by(Version.model_id)
        .subquery()
    )
    return select(Run, newest.c.model_id).join(newest, Run.id == newest.c.id)


async def create_model(
    session: AsyncSession, user: User, name: str, dataset: str, document: Document, settings: TrainingSettings
) -> Model:
    """A new model with its first version.

    Raises `RefusedError` when the name is empty or too long, or the dataset was deleted.
    """
    await _refuse_deleted(session, dataset)
    moment = now()
    model = Model(user_id=user.id, name=clean_name(name), dataset=dataset, created_at=moment, updated_at=moment)
    model.versions = [Version(number=1, document=document, settings=settings, created_at=moment, updated_at=moment)]
    session.add(model)
    await session.flush()
    return model


async def _refuse_deleted(session: AsyncSession, dataset: str) -> None:
    if not await hold_dataset(session, dataset):
        raise RefusedError(say("Choose a dataset."))


async def rename_model(session: AsyncSession, user: User, model_id: int, name: str) -> Model:
    """Give the model another name; raises `NotFoundError`, `NotAllowedError`, `RefusedError`."""
    model = await lock_editable_model(session, user, model_id)
    model.name = clean_name(name)
    model.updated_at = now()
    await session.flush()
    return model


async def choose_dataset(session: AsyncSession, user: User, model_id: int, dataset: str) -> Model:
    """Have the model learn from another dataset from now on.

    Raises `NotFoundError`, `NotAllowedError`, and `RefusedError` where the dataset was deleted.
    """
    model = await lock_editable_model(session, user, model_id)
    await _refuse_deleted(session, dataset)
    model.dataset = dataset
    model.updated_at = now()
    await session.flush()
    return model


async def delete_model(session: AsyncSession, user: User, model_id: int) -> list[int]:
    """Delete the model with all its versions and runs; a run that goes on is ended by its worker.

    Returns the ids of the runs, whose files (`runs/{id}`) the caller deletes once this is committed.
    Raises `NotFoundError`, `NotAllowedError`.
    """
    model = await get_owned_model(session, user, model_id)
    run_ids = await lock_runs_of_model(session, model.id)
    await session.execute(delete(Model).where(Model.id == model.id))
    await tasks.forget(session, "report", [str(run_id) for run_id in run_ids])
    return run_ids
