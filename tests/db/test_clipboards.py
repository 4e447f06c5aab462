from scv.db.clipboards import clipboard_of, set_clipboard
from scv.db.engine import Database
from tests.db.conftest import add_user


async def test_the_last_copy_stays_until_the_next(database: Database) -> None:
    ada = await add_user(database)
    async with database.reading() as session:
        assert await clipboard_of(session, ada) is None
    for blocks in ("[1]", "[2]"):
        async with database.writing() as session:
            await set_clipboard(session, ada, blocks)
    async with database.reading() as session:
        assert await clipboard_of(session, ada) == "[2]"


async def test_everybody_has_a_clipboard_of_their_own(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    async with database.writing() as session:
        await set_clipboard(session, ada, "[1]")
        await set_clipboard(session, eve, "[2]")
    async with database.reading() as session:
        assert (await clipboard_of(session, ada), await clipboard_of(session, eve)) == ("[1]", "[2]")


async def test_a_clipboard_goes_with_its_user(database: Database) -> None:
    ada = await add_user(database)
    async with database.writing() as session:
        await set_clipboard(session, ada, "[1]")
    async with database.writing() as session:
        await session.delete(ada)
    async with database.reading() as session:
        assert await clipboard_of(session, ada) is None
