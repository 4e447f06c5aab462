"""Users of a database from before there were roles and identities."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, select, text

from scv.db.engine import Database
from scv.db.migrate import migrate, migrations
from scv.db.tables import Identity, Model, User
from scv.db.users import create_signin_link, redeem_signin_link
from scv.settings import Settings

BEFORE = "0007"


async def migrated(folder: Path, users: Sequence[tuple[int, str, bool]]) -> Database:
    """A database with these users, each with a model, that was made before the roles, and is migrated to today's."""
    settings = Settings(data_dir=folder).resolved()
    database = Database(settings.database_url)

    def upgrade(connection: Connection) -> None:
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)

    async with database.engine.execution_options(immediate=True).begin() as connection:
        await connection.run_sync(upgrade)
        moment = "2024-02-29 12:00:00.000000"
        for user_id, name, owner in users:
            await connection.execute(
                text(
                    "INSERT INTO users (id, name, owner, language, created_at) VALUES (:id, :name, :owner, 'ko', :at)"
                ),
                {"id": user_id, "name": name, "owner": owner, "at": moment},
            )
            await connection.execute(
                text(
                    "INSERT INTO models (user_id, name, dataset, created_at, updated_at) "
                    "VALUES (:id, 'Net', 'digits', :at, :at)"
                ),
                {"id": user_id, "at": moment},
            )
    await migrate(settings)
    return database


@pytest.mark.parametrize(
    ("users", "owners"),
    [
        ([(1, "Owner", True), (2, "Ada", False)], {1}),
        ([(3, "Ada", False), (4, "Owner", True)], {4}),
        ([(2, "Ada", False), (5, "Eve", False)], {2}),
        ([], set()),
    ],
)
async def test_the_first_user_is_the_owner_and_everybody_keeps_an_identity_and_their_things(
    tmp_path: Path, users: list[tuple[int, str, bool]], owners: set[int]
) -> None:
    database = await migrated(tmp_path, users)
    async with database.reading() as session:
        found = list(await session.scalars(select(User).order_by(User.id)))
        identities = {one.user_id: (one.provider, one.subject) for one in await session.scalars(select(Identity))}
        models = list(await session.scalars(select(Model.user_id).order_by(Model.user_id)))
    await database.close()
    assert [(user.id, user.name, user.language) for user in found] == [
        (number, name, "ko") for number, name, _ in users
    ]
    assert {user.id for user in found if user.is_owner} == owners
    assert {user.role for user in found if not user.is_owner} <= {"member"}
    assert identities == {number: ("link", str(number)) for number, _, _ in users}
    assert models == [number for number, _, _ in users]


async def test_a_sign_in_link_is_still_the_same_owners(tmp_path: Path) -> None:
    database = await migrated(tmp_path, [(7, "Owner", True), (8, "Ada", False)])
    async with database.writing() as session:
        user = await redeem_signin_link(session, await create_signin_link(session, minutes=5))
    await database.close()
    assert user.id == 7
