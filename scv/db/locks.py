"""What is locked until a writing transaction ends, where rows are read and then written.

SQLite has one writer at a time, so there these are plain reads. On PostgreSQL (READ COMMITTED) a statement after the
lock sees all that was committed before it. Locks are taken in one order, so that nobody waits in a circle: names, then
versions, models, users, datasets, runs. `key_share` lets others insert rows that refer to the locked one.
"""

from sqlalchemy import Connection, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from scv.db.tables import Dataset, DatasetVersion, Run, User, Version


def lock_name_on(connection: Connection, name: str) -> None:
    """Let nobody else be between this and the end of a transaction with the same name: where no row can be locked."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"scv:{name}", 0))))


async def lock_name(session: AsyncSession, name: str) -> None:
    """The same for a session."""
    await (await session.connection()).run_sync(lock_name_on, name)


async def lock_version(session: AsyncSession, version_id: int) -> bool:
    """Let nobody else edit the version or start runs of it; False where it has been deleted."""
    locked = select(Version.id).where(Version.id == version_id).with_for_update(key_share=True)
    return await session.scalar(locked) is not None


async def lock_user(session: AsyncSession, user_id: int) -> None:
    """Let nobody else change what is counted for each user."""
    await session.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))


async def hold_dataset(session: AsyncSession, name: str) -> bool:
    """Keep a dataset from being deleted until something refers to it; False where it has been.

    `name` is that of a version of a person's own dataset, such as own-12-3. Official ones are never deleted.
    """
    if not name.startswith("own-"):
        return True
    dataset = select(DatasetVersion.dataset_id).where(DatasetVersion.name == name).scalar_subquery()
    held = select(Dataset.id).where(Dataset.id == dataset, Dataset.deleted_at.is_(None)).with_for_update(read=True)
    if await session.scalar(held) is None:
        return False
    # By a statement of its own, which sees what whoever had the lock before has deleted.
    return await session.scalar(select(DatasetVersion.id).where(DatasetVersion.name == name)) is not None


async def lock_dataset_of(session: AsyncSession, version: str) -> None:
    """Let nobody else change the dataset or the versions of the dataset that has this version, by its name."""
    dataset = select(DatasetVersion.dataset_id).where(DatasetVersion.name == version).scalar_subquery()
    await session.execute(select(Dataset.id).where(Dataset.id == dataset).with_for_update(key_share=True))


async def lock_runs_of_model(session: AsyncSession, model_id: int) -> list[int]:
    """The ids of all runs of a model, which no worker and no user changes until the session ends.

    Its versions are locked before them, as whoever starts a run does.
    """
    versions = select(Version.id).where(Version.model_id == model_id).order_by(Version.id).with_for_update()
    ids = list(await session.scalars(versions))
    runs = select(Run.id).where(Run.version_id.in_(ids)).order_by(Run.id).with_for_update()
    return list(await session.scalars(runs))
