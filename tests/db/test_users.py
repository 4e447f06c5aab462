import asyncio

import pytest
from sqlalchemy import select, text

from scv.db import users
from scv.db.engine import Database
from scv.db.tables import User
from scv.errors import RefusedError


async def make_link(database: Database, minutes: int = 10) -> str:
    async with database.writing() as session:
        return await users.create_signin_link(session, minutes=minutes)


async def redeem(database: Database, token: str) -> User:
    async with database.writing() as session:
        return await users.redeem_signin_link(session, token)


async def test_the_first_link_makes_the_owner_and_later_ones_find_them(database: Database) -> None:
    first = await redeem(database, await make_link(database))
    second = await redeem(database, await make_link(database))
    assert first.is_owner
    assert second.id == first.id


async def test_a_link_signs_in_once_however_many_try_at_once(database: Database) -> None:
    token = await make_link(database)
    results = await asyncio.gather(*(redeem(database, token) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, User) for result in results) == 1
    assert sum(isinstance(result, RefusedError) for result in results) == 4


async def test_a_link_that_is_too_old_or_made_up_is_refused(database: Database) -> None:
    old = await make_link(database, minutes=-1)
    for token in (old, "made-up", ""):
        with pytest.raises(RefusedError):
            await redeem(database, token)


async def test_a_session_knows_its_user_until_it_ends(database: Database) -> None:
    user = await redeem(database, await make_link(database))
    async with database.writing() as session:
        token = await users.start_session(session, user, days=1)
    async with database.reading() as session:
        found = await users.user_of_session(session, token)
        assert found is not None
        assert found.id == user.id
        assert await users.user_of_session(session, token + "x") is None
    async with database.writing() as session:
        await users.end_session(session, token)
    async with database.reading() as session:
        assert await users.user_of_session(session, token) is None


async def test_a_session_that_ran_out_knows_nobody(database: Database) -> None:
    user = await redeem(database, await make_link(database))
    async with database.writing() as session:
        token = await users.start_session(session, user, days=-1)
    async with database.reading() as session:
        assert await users.user_of_session(session, token) is None


async def test_the_database_holds_no_token(database: Database) -> None:
    link = await make_link(database)
    spare = await make_link(database)
    user = await redeem(database, link)
    async with database.writing() as session:
        cookie = await users.start_session(session, user, days=1)
    async with database.reading() as session:
        kept = [*await session.scalars(text("SELECT token_hash FROM signin_links"))]
        kept += [*await session.scalars(text("SELECT token_hash FROM sessions"))]
    assert len(kept) == 3
    assert not {link, spare, cookie} & set(kept)


async def test_the_chosen_language_is_kept(database: Database) -> None:
    user = await redeem(database, await make_link(database))
    async with database.writing() as session:
        await users.set_language(session, user, "ko")
    async with database.reading() as session:
        assert await session.scalar(select(User.language)) == "ko"
