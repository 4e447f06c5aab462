import asyncio

from hypothesis import given
from hypothesis import strategies as st

from scv.db import leases, runs
from scv.db.engine import Database
from scv.db.scheduling import Share, Waiting, in_turn, position_of, take_next
from scv.db.tables import Run, User
from tests.db.conftest import add_model, add_run, add_user


async def ask(database: Database, user: User, times: int = 1) -> list[Run]:
    return [await add_run(database, (await add_model(database, user)).versions[0]) for _ in range(times)]


async def take(database: Database, running_per_user: int = 100) -> Run | None:
    async with database.writing() as session:
        return await take_next(session, 60, running_per_user)


async def finish(database: Database, run: Run) -> None:
    async with database.writing() as session:
        await leases.stop(session, run.id, run.lease_token or "", None)


async def taken_in_turn(database: Database) -> list[int]:
    """The ids of the runs as one worker takes and ends them."""
    order = []
    while (run := await take(database)) is not None:
        order.append(run.id)
        await finish(database, run)
    return order


async def test_who_asks_for_many_does_not_keep_others_waiting(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    many = [run.id for run in await ask(database, ada, 6)]
    few = [run.id for run in await ask(database, eve, 2)]
    assert await taken_in_turn(database) == [many[0], few[0], many[1], few[1], *many[2:]]


async def test_who_has_had_the_last_turn_comes_after_somebody_new(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    first, second = await ask(database, ada, 2)
    taken = await take(database)
    assert taken is not None
    assert taken.id == first.id
    await finish(database, taken)
    (late,) = await ask(database, eve)
    assert await taken_in_turn(database) == [late.id, second.id]


async def test_a_user_has_so_many_runs_in_training_and_no_more(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    await ask(database, ada, 3)
    first = await take(database, 1)
    assert first is not None
    assert await take(database, 1) is None
    (other,) = await ask(database, eve)
    taken = await take(database, 1)
    assert taken is not None
    assert taken.id == other.id
    await finish(database, first)
    assert await take(database, 1) is not None


async def test_workers_that_ask_at_the_same_moment_never_get_the_same(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    await ask(database, ada, 4)
    await ask(database, eve, 4)
    taken = await asyncio.gather(*(take(database, 2) for _ in range(8)))
    got = [run.id for run in taken if run is not None]
    assert len(got) == len(set(got)) == 4


async def test_a_place_in_the_queue_is_how_many_turns_it_takes(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    await ask(database, ada, 5)
    (run,) = await ask(database, eve)
    paused = (await ask(database, eve))[0]
    async with database.writing() as session:
        assert await runs.request_pause(session, paused)
    async with database.reading() as session:
        assert await position_of(session, run.id) == 2
        assert await position_of(session, paused.id) is None
        assert await position_of(session, 4711) is None


@given(
    st.lists(st.integers(1, 4), max_size=30),
    st.dictionaries(st.integers(1, 4), st.tuples(st.integers(0, 3), st.floats(0, 1e9)), max_size=4),
)
def test_turns_are_fair(users: list[int], had: dict[int, tuple[int, float]]) -> None:
    """Everybody's runs come in the order they were asked for, and nobody is ever two turns ahead of who waits."""
    waiting = [Waiting(number, 1, user) for number, user in enumerate(users)]
    shares = {user: Share(*share) for user, share in had.items()}
    order = in_turn(waiting, shares)
    assert sorted(order) == waiting
    turns = {user: shares.get(user, Share(0, 0.0)).running for user in users}
    left = {user: users.count(user) for user in users}
    for run in order:
        assert turns[run.user_id] == min(turns[user] for user in left if left[user])
        turns[run.user_id] += 1
        left[run.user_id] -= 1
    for user in set(users):
        theirs = [run.run_id for run in order if run.user_id == user]
        assert theirs == sorted(theirs)
