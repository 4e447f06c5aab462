"""Who may see and change what, as conditions of queries and of rows that are loaded."""

import ast
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from scv.db.access import editable_by, owned_by, owns, require_owner, sees, visible_to
from scv.db.datasets import create_dataset, get_editable_dataset, get_visible_dataset, resident_name
from scv.db.engine import Database
from scv.db.tables import Base, Dataset, DatasetVersion, Model, Run, User, Version
from scv.errors import NotAllowedError, NotFoundError
from scv.settings import ROOT
from tests.db.conftest import add_model, add_run, add_user


async def add_datasets(database: Database, user: User) -> dict[str, Dataset]:
    """A private, a published and a deleted dataset, each with a version."""
    moment = datetime.now(UTC)
    columns = {"private": {}, "published": {"published_at": moment}, "deleted": {"deleted_at": moment}}
    made = {}
    async with database.writing() as session:
        for name, values in columns.items():
            dataset = await create_dataset(session, user, name)
            for column, value in values.items():
                setattr(dataset, column, value)
            version = DatasetVersion(dataset_id=dataset.id, number=1, name=resident_name(dataset.id, 1), status="ready")
            session.add(version)
            made[name] = dataset
    return made


async def ids(database: Database, noun: type[Base], condition: object) -> set[int]:
    async with database.reading() as session:
        return set(await session.scalars(select(noun.id).where(condition)))  # type: ignore[attr-defined, arg-type]


async def test_models_versions_and_runs_are_their_owners_alone(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    model = await add_model(database, ada)
    run = await add_run(database, model.versions[0])
    for noun, thing in ((Model, model), (Version, model.versions[0]), (Run, run)):
        for rule in (owned_by, visible_to, editable_by):
            assert await ids(database, noun, rule(ada, noun)) == {thing.id}  # type: ignore[attr-defined]
            assert await ids(database, noun, rule(eve, noun)) == set()


async def test_a_published_dataset_is_visible_to_all_and_changed_by_its_owner(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    made = await add_datasets(database, ada)
    private, published = made["private"].id, made["published"].id
    assert await ids(database, Dataset, visible_to(ada, Dataset)) == {private, published}
    assert await ids(database, Dataset, editable_by(ada, Dataset)) == {private, published}
    assert await ids(database, Dataset, visible_to(eve, Dataset)) == {published}
    assert await ids(database, Dataset, editable_by(eve, Dataset)) == set()
    assert len(await ids(database, DatasetVersion, visible_to(ada, DatasetVersion))) == 2
    assert len(await ids(database, DatasetVersion, visible_to(eve, DatasetVersion))) == 1


async def test_what_is_loaded_is_judged_as_queries_judge_it(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    for dataset in (await add_datasets(database, ada)).values():
        for user in (ada, eve):
            assert sees(user, dataset) == (dataset.id in await ids(database, Dataset, visible_to(user, Dataset)))
            assert owns(user, dataset) == (dataset.id in await ids(database, Dataset, owned_by(user, Dataset)))


async def test_what_is_seen_and_not_changed_is_refused_with_a_way_on(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    made = await add_datasets(database, ada)
    async with database.reading() as session:
        assert (await get_visible_dataset(session, eve, made["published"].id)).name == "published"
        with pytest.raises(NotAllowedError, match="You can train on it"):
            await get_editable_dataset(session, eve, made["published"].id)
        with pytest.raises(NotFoundError):
            await get_editable_dataset(session, eve, made["private"].id)


def test_only_the_owner_of_the_instance_passes_the_guard() -> None:
    require_owner(User(name="Owner", role="owner"))
    with pytest.raises(NotFoundError):
        require_owner(User(name="Ada", role="member"))


def test_no_other_file_compares_whose_a_row_is() -> None:
    comparing = set()
    for path in (ROOT / "scv").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                operands = {ast.unparse(operand) for operand in (node.left, *node.comparators)}
                looks_a_user_up = "User.id" in operands
                if not looks_a_user_up and any(operand.endswith(".user_id") for operand in operands):
                    comparing.add(path.relative_to(ROOT / "scv").as_posix())
    assert comparing == {"db/access.py"}
