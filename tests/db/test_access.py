"""Who may see and change what, as conditions of queries and of rows that are loaded."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from scv.db import models, runs, versions
from scv.db.access import editable_by, owned_by, owns, require_owner, sees, visible_to
from scv.db.base import Base
from scv.db.datasets import create_dataset, get_editable_dataset, get_owned_dataset, get_visible_dataset, resident_name
from scv.db.engine import Database
from scv.db.tables import Dataset, DatasetVersion, Model, Run, User, Version
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
        for get in (get_editable_dataset, get_owned_dataset):
            assert (await get(session, ada, made["private"].id)).name == "private"
            with pytest.raises(NotAllowedError, match="You can train on it"):
                await get(session, eve, made["published"].id)
            for hidden in ("private", "deleted"):
                with pytest.raises(NotFoundError):
                    await get(session, eve, made[hidden].id)
            with pytest.raises(NotFoundError):
                await get(session, ada, made["deleted"].id)


def test_only_the_owner_of_the_instance_passes_the_guard() -> None:
    require_owner(User(name="Owner", role="owner"))
    with pytest.raises(NotFoundError):
        require_owner(User(name="Ada", role="member"))


async def test_loaders_find_nothing_that_is_somebody_elses(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    model = await add_model(database, ada)
    run = await add_run(database, model.versions[0])
    async with database.writing() as session:
        for user, found in ((ada, True), (eve, False)):
            for loading in (
                models.get_editable_model(session, user, model.id),
                versions.get_visible_version(session, user, model.id, 1),
                versions.get_newest_visible_version(session, user, model.id),
                versions.get_editable_version(session, user, model.id, 1),
                runs.get_visible_run(session, user, run.id),
                runs.get_editable_run(session, user, run.id),
                models.rename_model(session, user, model.id, "Second"),
                models.choose_dataset(session, user, model.id, "mnist"),
            ):
                if found:
                    await loading
                else:
                    with pytest.raises(NotFoundError):
                        await loading
        with pytest.raises(NotFoundError):
            await models.delete_model(session, eve, model.id)
        assert await models.delete_model(session, ada, model.id) == [run.id]


USERS = {"user", "owner", "me"}
"""What a variable that holds a user is called."""


def is_a_users_id(node: ast.expr) -> bool:
    """`x.user_id`, `user_id`, `user.id`, `x.user.id` or `context.user.id`."""
    match node:
        case ast.Attribute(attr="user_id") | ast.Name(id="user_id"):
            return True
        case ast.Attribute(attr="id", value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in USERS
    return False


def comparisons(tree: ast.AST) -> Iterator[ast.expr]:
    """Where the id of a user is compared: by an operator, by a method of a column, by `filter_by(user_id=...)`."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                operands = (left, *others)
                finds_the_user = any(ast.unparse(operand) == "User.id" for operand in operands)
                if not finds_the_user and any(map(is_a_users_id, operands)):
                    yield node
            case ast.Call(func=ast.Attribute(value=column, attr=method)) if is_a_users_id(column) and method not in (
                "desc",
                "asc",
                "label",
            ):
                yield node
            case ast.Call(keywords=keywords, func=ast.Attribute(attr="filter_by")) if any(
                keyword.arg == "user_id" for keyword in keywords
            ):
                yield node
            case ast.MatchClass(kwd_attrs=names) if "user_id" in names:
                yield node  # type: ignore[misc]  # a pattern, which compares as an expression does


def test_no_other_file_compares_the_user_of_a_row() -> None:
    folder = ROOT / "scv"
    found = {
        path.relative_to(folder).as_posix(): [ast.unparse(node) for node in nodes]
        for path in folder.rglob("*.py")
        if (nodes := list(comparisons(ast.parse(path.read_text()))))
    }
    assert set(found) == {"db/access.py"}, found


@pytest.mark.parametrize(
    "line",
    [
        "mine = dataset.user_id == user.id",
        "mine = user.id != thing.model.user_id",
        "query.where(Model.user_id == someone)",
        "query.where(Model.user_id.in_(ids))",
        "query.where(Model.user_id.is_(None))",
        "query.filter_by(user_id=3)",
        "if user_id in allowed: pass",
        "if context.user.id == author: pass",
        "match thing:\n    case Model(user_id=1): pass",
    ],
)
def test_a_comparison_of_the_user_of_a_row_is_recognized(line: str) -> None:
    assert list(comparisons(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["Model(user_id=user.id)", "User.id == run.user_id", "select(Model.user_id)", "log(user_id=user.id)"]
)
def test_what_only_names_the_user_of_a_row_is_no_comparison(line: str) -> None:
    assert not list(comparisons(ast.parse(line)))
