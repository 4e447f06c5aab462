from scv.blocks.document import Block
from scv.db.clipboards import clipboard_of, set_clipboard
from scv.db.engine import Database
from scv.db.tables import Clipboard
from tests.db.conftest import add_user

RELU, LINEAR = (Block("a", "ReLU"),), (Block("b", "Linear", {"out_features": 3}),)


async def test_the_last_copy_stays_until_the_next(database: Database) -> None:
    ada = await add_user(database)
    async with database.reading() as session:
        assert await clipboard_of(session, ada) == ()
    for blocks in (RELU, LINEAR):
        async with database.writing() as session:
            await set_clipboard(session, ada, blocks)
    async with database.reading() as session:
        assert await clipboard_of(session, ada) == LINEAR


async def test_what_another_version_left_unreadable_counts_as_nothing_copied(database: Database) -> None:
    ada = await add_user(database)
    async with database.writing() as session:
        session.add(Clipboard(user_id=ada.id, blocks_json='[{"kind":"later"}]'))
    async with database.reading() as session:
        assert await clipboard_of(session, ada) == ()


async def test_everybody_has_a_clipboard_of_their_own(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    async with database.writing() as session:
        await set_clipboard(session, ada, RELU)
        await set_clipboard(session, eve, LINEAR)
    async with database.reading() as session:
        assert (await clipboard_of(session, ada), await clipboard_of(session, eve)) == (RELU, LINEAR)


async def test_a_clipboard_goes_with_its_user(database: Database) -> None:
    ada = await add_user(database)
    async with database.writing() as session:
        await set_clipboard(session, ada, RELU)
    async with database.writing() as session:
        await session.delete(ada)
    async with database.reading() as session:
        assert await clipboard_of(session, ada) == ()
