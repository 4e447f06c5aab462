"""Who may see, change and own what. Nothing else in SCV compares the user of a row.

A rule is a SQL condition, and holds for models and datasets; a version, a run and a run's report follow their model, a
version of a dataset follows its dataset. Loaders in the files of the nouns are built on `load` and bear the permission
in their names: `get_visible_run`, `get_editable_version`, `get_owned_dataset`.

Roles: a visitor is no user and sees none of this; a member is everybody with an account; the owner of the instance
also sees the workers' page (`web/http/guards.py`), and has no more rights in other users' models and datasets.
"""

from collections.abc import Callable, Collection
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, or_
from sqlalchemy.ext.asyncio import AsyncSession

from scv.db.tables import Clipboard, Dataset, DatasetVersion, Model, Notice, Run, User, Version
from scv.errors import ForbiddenError, NotFoundError
from scv.message import Message, say

T = TypeVar("T")

Root = type[Model] | type[Dataset] | type[Clipboard] | type[Notice]
"""The tables whose rows name their user."""

Kind = Root | type[Version] | type[Run] | type[DatasetVersion]
"""The tables that the conditions are for."""

Permission = Callable[[User, Kind], ColumnElement[bool]]
"""One of the three conditions below."""

NOT_YOURS = say("It belongs to somebody else. You can look at it, and only its owner can change it.")


def owned_by(user: User, kind: Kind) -> ColumnElement[bool]:
    """Rows of this kind that are the user's own: they alone publish and delete them."""
    return _by_root(kind, lambda root: root.user_id == user.id)


def editable_by(user: User, kind: Kind) -> ColumnElement[bool]:
    """Rows of this kind that the user may change, together with the permission to see them: today their own."""
    return owned_by(user, kind)


def visible_to(user: User, kind: Kind) -> ColumnElement[bool]:
    """Rows of this kind that the user may look at and train on: their own, and datasets that others published."""

    def rule(root: Root) -> ColumnElement[bool]:
        if root is Dataset:
            return or_(owned_by(user, root), Dataset.published_at.is_not(None)) & Dataset.deleted_at.is_(None)
        return owned_by(user, root)

    return _by_root(kind, rule)


def of_users(user_ids: Collection[int], kind: Kind) -> ColumnElement[bool]:
    """Rows of this kind that belong to any of these users: for counting, not for showing."""
    return _by_root(kind, lambda root: root.user_id.in_(user_ids))


def _by_root(kind: Kind, rule: Callable[[Root], ColumnElement[bool]]) -> ColumnElement[bool]:
    """The rule for the row that `kind` belongs to."""
    if kind is Version:
        return Version.model.has(rule(Model))
    if kind is Run:
        return Run.version.has(Version.model.has(rule(Model)))
    if kind is DatasetVersion:
        return DatasetVersion.dataset.has(rule(Dataset))
    return rule(kind)  # type: ignore[arg-type]  # the others are roots


def owns(user: User, thing: Model | Dataset) -> bool:
    """`owned_by` for a row that is loaded."""
    return thing.user_id == user.id


def sees(user: User, dataset: Dataset) -> bool:
    """`visible_to` for a dataset that is loaded."""
    return dataset.deleted_at is None and (owns(user, dataset) or dataset.published_at is not None)


async def load(
    session: AsyncSession,
    query: Select[T],
    user: User,
    kind: Kind,
    permission: Permission,
    *,
    missing: Message,
    forbidden: Message = NOT_YOURS,
) -> T:
    """The first row that `query` finds among those of `kind` that the user sees.

    Raises `NotFoundError(missing)` where there is none, and `ForbiddenError(forbidden)` where the user sees it without
    having the permission.
    """
    found = await session.execute(query.where(visible_to(user, kind)).add_columns(permission(user, kind)))
    row = found.first()
    if row is None:
        raise NotFoundError(missing)
    thing, permitted = row
    if not permitted:
        raise ForbiddenError(forbidden)
    return thing  # type: ignore[no-any-return]  # the row's type is lost by add_columns
