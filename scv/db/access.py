"""Who may see and change what: the one place that decides it.

Each rule is a SQL condition on the rows of one noun: models, versions, runs, datasets and their versions. A report
follows its run. Loaders are built on these conditions, and their names say the permission: `get_visible_run`,
`get_editable_version`. What a user may not see is not found; what they may see and not change is refused.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from sqlalchemy import BindParameter, ColumnElement, Select, or_
from sqlalchemy.ext.asyncio import AsyncSession

from scv.db.base import Base
from scv.db.tables import Clipboard, Dataset, DatasetVersion, Identity, Model, Notice, Run, Task, User, Version
from scv.errors import NotAllowedError, NotFoundError
from scv.message import Message, say

T = TypeVar("T")

Condition = ColumnElement[bool]

Permission = Callable[[User, type[Base]], Condition]
"""`visible_to`, `editable_by` or `owned_by`."""

NOT_YOURS = say("This belongs to somebody else. You can look at it, but only its owner can change it.")


def owned_by(user: User | int | BindParameter[int], noun: type[Base]) -> Condition:
    """The rows that are the user's own, who alone may publish and delete them.

    `user` may be their id as well, or a parameter for that.
    """
    return _OWNED[noun](user.id if isinstance(user, User) else user)


def owned_by_any(user_ids: Collection[int], noun: type[Model]) -> Condition:
    """The models of any of these users."""
    return noun.user_id.in_(user_ids)


def visible_to(user: User, noun: type[Base]) -> Condition:
    """The rows that the user may look at, and, where they are datasets, train on."""
    return _VISIBLE[noun](user)


def editable_by(user: User, noun: type[Base]) -> Condition:
    """The rows that the user may change."""
    return owned_by(user, noun) & visible_to(user, noun)


async def load(
    session: AsyncSession,
    query: Select[T],
    user: User,
    noun: type[Base],
    permission: Permission,
    *,
    missing: Message,
    refusal: Message = NOT_YOURS,
) -> T:
    """The first row of `query`, which selects a noun, among those that the user may see.

    Raises `NotFoundError(missing)` where there is none, and `NotAllowedError(refusal)` where the user may see it and
    does not have the permission.
    """
    found = await session.execute(query.where(visible_to(user, noun)).add_columns(permission(user, noun)))
    row = found.first()
    if row is None:
        raise NotFoundError(missing)
    thing, allowed = row
    if not allowed:
        raise NotAllowedError(refusal)
    return thing  # type: ignore[no-any-return]  # add_columns loses the type


def owns(user: User, thing: Model | Dataset) -> bool:
    """`owned_by`, of a model or dataset that is loaded."""
    return thing.user_id == user.id


def sees(user: User, dataset: Dataset) -> bool:
    """`visible_to`, of a dataset that is loaded."""
    return dataset.deleted_at is None and (owns(user, dataset) or dataset.published_at is not None)


def require_owner(user: User) -> None:
    """Raise `NotFoundError` unless the user owns the instance: for others there are no pages about everybody's work."""
    if not user.is_owner:
        raise NotFoundError(say("There is no such page."))


def _is_visible_dataset(user: User) -> Condition:
    mine = Dataset.user_id == user.id
    return Dataset.deleted_at.is_(None) & or_(mine, Dataset.published_at.is_not(None))


_OWNED: Mapping[type[Base], Callable[[int | BindParameter[int]], Condition]] = {
    Model: lambda user_id: Model.user_id == user_id,
    Version: lambda user_id: Version.model.has(Model.user_id == user_id),
    Run: lambda user_id: Run.version.has(Version.model.has(Model.user_id == user_id)),
    Dataset: lambda user_id: Dataset.user_id == user_id,
    DatasetVersion: lambda user_id: DatasetVersion.dataset.has(Dataset.user_id == user_id),
    Clipboard: lambda user_id: Clipboard.user_id == user_id,
    Identity: lambda user_id: Identity.user_id == user_id,
    Notice: lambda user_id: Notice.user_id == user_id,
    Task: lambda user_id: Task.user_id == user_id,
}

_VISIBLE: Mapping[type[Base], Callable[[User], Condition]] = {
    Model: lambda user: owned_by(user, Model),
    Version: lambda user: owned_by(user, Version),
    Run: lambda user: owned_by(user, Run),
    Dataset: _is_visible_dataset,
    DatasetVersion: lambda user: DatasetVersion.dataset.has(_is_visible_dataset(user)),
}
"""Models, their versions and runs are their owner's alone; a published dataset is everybody's to see."""
