"""Who may see, change and own what, by the one file that decides it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from scv.db import access, datasets, models, runs, versions
from scv.db.engine import Database
from scv.db.tables import Dataset, DatasetVersion, Model, Run, User, Version, now
from scv.errors import ForbiddenError, NotFoundError
from scv.settings import ROOT
from tests.db.conftest import add_model, add_run, add_user

KINDS: tuple[access.Kind, ...] = (Model, Version, Run, Dataset, DatasetVersion)


async def add_dataset(database: Database, user: User, name: str = "Pets", **columns: object) -> Dataset:
    """A dataset with one version that is ready."""
    async with database.writing() as session:
        dataset = Dataset(user_id=user.id, name=name, **columns)
        session.add(dataset)
        await session.flush()
        resident = datasets.resident_name(dataset.id, 1)
        session.add(DatasetVersion(dataset_id=dataset.id, number=1, name=resident, status="ready"))
    return dataset


async def ids(database: Database, permission: access.Permission, user: User, kind: access.Kind) -> set[int]:
    async with database.reading() as session:
        return set(await session.scalars(select(kind.id).where(permission(user, kind))))  # type: ignore[union-attr]  # all of KINDS have an id


async def test_everything_of_a_users_own_is_theirs_to_see_and_change_and_nobody_elses(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    for user in (ada, eve):
        await add_run(database, (await add_model(database, user)).versions[0])
        await add_dataset(database, user)
    for permission in (access.visible_to, access.editable_by, access.owned_by):
        for kind in KINDS:
            hers, others = await ids(database, permission, ada, kind), await ids(database, permission, eve, kind)
            assert len(hers) == len(others) == 1, (permission, kind)
            assert hers != others, (permission, kind)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("deleted", [False, True])
async def test_a_published_dataset_is_for_everybody_to_see_until_it_is_deleted(
    database: Database, published: bool, deleted: bool
) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    columns = {"published_at": now() if published else None, "deleted_at": now() if deleted else None}
    dataset = await add_dataset(database, ada, **columns)
    for user in (ada, eve):
        seen = not deleted and (published or user is ada)
        for kind in (Dataset, DatasetVersion):
            assert bool(await ids(database, access.visible_to, user, kind)) == seen
            assert bool(await ids(database, access.editable_by, user, kind)) == (user is ada)
            assert bool(await ids(database, access.owned_by, user, kind)) == (user is ada)
        assert access.sees(user, dataset) == seen
        assert access.owns(user, dataset) == (user is ada)


async def test_what_is_not_seen_is_not_found_and_what_is_seen_only_is_refused(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    private, shared = await add_dataset(database, ada), await add_dataset(database, ada, published_at=now())
    async with database.reading() as session:
        assert (await datasets.get_visible_dataset(session, eve, shared.id)).id == shared.id
        for get in (datasets.get_editable_dataset, datasets.get_owned_dataset):
            assert (await get(session, ada, private.id)).id == private.id
            with pytest.raises(NotFoundError):
                await get(session, eve, private.id)
            with pytest.raises(ForbiddenError, match="a dataset of your own"):
                await get(session, eve, shared.id)


async def test_loaders_find_nothing_that_is_somebody_elses(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    model = await add_model(database, ada)
    run = await add_run(database, model.versions[0])
    async with database.writing() as session:
        for user, found in ((ada, True), (eve, False)):
            for loading in (
                models.get_visible_model(session, user, model.id),
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

ALLOWED = {("db/scheduling.py", "User.id == free[0].user_id")}
"""Comparisons that decide nothing: this one locks the row of the user whose run is next."""


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
            case ast.Compare(left=left, comparators=others) if any(map(is_a_users_id, (left, *others))):
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


def found_in(folder: Path) -> set[tuple[str, str]]:
    return {
        (str(path.relative_to(folder)), ast.unparse(node))
        for path in folder.rglob("*.py")
        for node in comparisons(ast.parse(path.read_text()))
        if path.relative_to(folder) != Path("db/access.py")
    }


def test_no_other_file_compares_the_user_of_a_row() -> None:
    assert found_in(ROOT / "scv") == ALLOWED


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


@pytest.mark.parametrize("line", ["Model(user_id=user.id)", "select(Model.user_id)", "log(user_id=user.id)"])
def test_what_only_names_the_user_of_a_row_is_no_comparison(line: str) -> None:
    assert not list(comparisons(ast.parse(line)))
