"""Who gets what: each route is asked for something that is there, by everybody whom it could concern.

The requests are the table `access_cases.CASES`; a route that has none in it fails.
"""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from scv.db.tables import User
from scv.jobs.predictor_supervisor import keep_predictor
from scv.jobs.worker import end_task
from tests.web.access_cases import CASES, SEEN_WHEN_PUBLISHED, Case
from tests.web.access_world import NAMES, World, open_world
from tests.web.routes import routes

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with open_world(tmp_path_factory.mktemp("world")) as world:
        predictor = asyncio.create_task(keep_predictor(world.settings, set()))
        yield world
        await end_task(predictor)


async def test_each_route_is_in_the_table_and_nothing_else(world: World) -> None:
    assert set(CASES) == {f"{method} {path}" for method, path in routes(world.app)}


def permitted(case: Case, world: World) -> tuple[list[User], list[User]]:
    """Who of the people gets the success answer, and who must not."""
    match case.whose:
        case "its owner":
            return [world.ada], [world.mallory, world.owner]
        case "the owner of the instance":
            return [world.owner], [world.mallory, world.ada]
    return [world.ada, world.mallory, world.owner], []


@pytest.mark.parametrize(
    ("route", "case"), [pytest.param(route, case, id=route) for route, cases in CASES.items() for case in cases]
)
async def test_what_is_there_is_for_those_whom_it_is_for(world: World, route: str, case: Case) -> None:
    method, _, path = route.partition(" ")
    address = case.address(path, await case.of(world))

    async def answer(user: User | None) -> httpx.Response:
        return await world.request(user, method, address, case.fields, case.files)

    allowed, strangers = permitted(case, world)
    visitor = await answer(None)
    if case.whose == "everybody":
        assert visitor.status_code == case.answer
        return
    assert (visitor.status_code, visitor.headers["location"]) == (303, "/sign-in")
    for stranger in strangers:
        refused = await answer(stranger)
        assert refused.status_code == 404, stranger.name
        assert not any(name in refused.text for name in NAMES), stranger.name
    for user in allowed:  # only now: what a stranger was refused has not happened
        given = await answer(user)
        assert given.status_code == case.answer, (user.name, given.text)
        assert given.headers.get("location") != "/sign-in"


OF_DATASETS = [
    pytest.param(route, case, id=route)
    for route, cases in CASES.items()
    for case in cases
    if case.whose == "its owner" and ("{dataset_id" in route or route.startswith("GET /datasets/{name"))
]


@pytest.mark.parametrize(("route", "case"), OF_DATASETS)
async def test_a_published_dataset_is_seen_by_others_and_changed_by_its_owner_alone(
    world: World, route: str, case: Case
) -> None:
    method, _, path = route.partition(" ")
    ids = await case.of(world)
    await world.publish(ids["dataset_id"], published=True)
    given = await world.request(world.mallory, method, case.address(path, ids), case.fields, case.files)
    await world.publish(ids["dataset_id"], published=False)
    if route in SEEN_WHEN_PUBLISHED or "{name:str}" in route:
        assert given.status_code == case.answer
    else:
        assert given.status_code == 403
        assert "make a dataset of your own" in given.text
