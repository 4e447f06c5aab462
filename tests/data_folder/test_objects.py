"""All that the folder holds is there after the migration, as CONTENTS.md counts it up."""

import json
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import select

from scv.db.base import Base
from scv.db.engine import Database
from scv.db.tables import (
    Clipboard,
    Dataset,
    DatasetVersion,
    DocumentState,
    EpochMetric,
    Identity,
    Model,
    Notice,
    Run,
    Session,
    SigninLink,
    User,
    Version,
)
from scv.report.contents import CONTENTS, Contents
from scv.settings import Settings
from tests.data_folder.folder import Rows, tables_of

DATASET = attrgetter("id", "user_id", "name", "image_size", "color", "fit", "last_number")
DATASET_VERSION = attrgetter("id", "name", "status", "class_names", "train", "validation", "test", "bytes")
BEFORE_EPOCHS = attrgetter("dataset", "status", "paused", "series", "attempt", "stop_requested", "failure_code")
AFTER_EPOCHS = attrgetter("best_epoch", "test_accuracy", "test_loss", "parameters", "device")
"""Columns of CONTENTS.md that are columns of today's tables."""


def cell(value: object) -> str:
    """As CONTENTS.md writes a value of SQLite's."""
    match value:
        case None:
            return "–"
        case datetime():
            return str(value.replace(tzinfo=None))
        case bool():
            return str(int(value))
        case list():
            return json.dumps(value)
    return str(value)


def rows(header: Rows, *found: Sequence[Any]) -> Rows:
    """Values under the names of a table's columns."""
    return [dict(zip(header[0], map(cell, row), strict=True)) for row in found]


async def every(database: Database, table: type[Any]) -> list[Any]:
    async with database.reading() as session:
        return list(await session.scalars(select(table).order_by(*table.__table__.primary_key)))


def chain(blocks: list[dict[str, Any]]) -> str:
    """The blocks of a document, briefly."""

    def one(block: dict[str, Any]) -> str:
        values = ", ".join(f"{name}={value}" for name, value in block.get("params", {}).items())
        branches = "".join(f" [{chain(branch)}]" for branch in block.get("branches") or ())
        return f"{block['id']} {block['type']}({values}){branches}"

    return ", ".join(map(one, blocks))


async def test_no_row_is_lost(database: Database) -> None:
    (expected,) = tables_of("Tables")
    tables = {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}
    counts = {name: len(await every(database, table)) for name, table in tables.items()}
    before = {row["table"]: int(row["rows"]) for row in expected if row["table"] != "alembic_version"}
    assert counts == {**before, "identities": 2, "tasks": 2}


async def test_the_owner_is_the_owner_and_the_second_user_a_member_and_both_have_an_identity(
    database: Database,
) -> None:
    _, users, sessions, links = tables_of("Users and sessions")
    found = await every(database, User)
    assert [user.role for user in found] == ["owner", "member"]
    assert rows(users, *((user.id, user.name, user.is_owner, user.language) for user in found)) == users
    assert [(one.user_id, one.provider, one.subject) for one in await every(database, Identity)] == [
        (1, "link", "1"),
        (2, "link", "2"),
    ]
    assert sessions == rows(
        sessions,
        *(
            (one.id, one.user_id, one.created_at, one.expires_at, one.token_hash[:8])
            for one in await every(database, Session)
        ),
    )
    assert links == rows(
        links, *((one.id, one.expires_at, one.used_at, one.token_hash[:8]) for one in await every(database, SigninLink))
    )


async def test_own_datasets_and_their_versions_are_as_they_were(database: Database) -> None:
    datasets, versions, notices = tables_of("Own datasets")
    assert datasets == rows(
        datasets,
        *(
            (*DATASET(one), one.published_at is not None, one.deleted_at is not None, one.failure)
            for one in await every(database, Dataset)
        ),
    )
    assert versions == rows(
        versions,
        *(
            (*DATASET_VERSION(one), one.hash and one.hash[:19], one.changes)
            for one in await every(database, DatasetVersion)
        ),
    )
    assert notices == rows(notices, *((one.id, one.user_id, one.text) for one in await every(database, Notice)))


async def test_models_their_documents_and_their_histories_are_as_they_were(database: Database) -> None:
    models, versions, clipboards = tables_of("Models")
    assert models == rows(
        models, *((one.id, one.user_id, one.name, one.dataset) for one in await every(database, Model))
    )
    states = await every(database, DocumentState)
    found = []
    for one in await every(database, Version):
        steps = [state.step for state in states if state.version_id == one.id]
        back, on = sum(step < one.step for step in steps), sum(step > one.step for step in steps)
        document = json.loads(one.document_json)
        assert len(one.document.blocks) == len(document["blocks"])
        texts = {state.document_json for state in states if (state.version_id, state.step) == (one.id, one.step)}
        assert texts <= {one.document_json}
        found.append((one.id, one.model_id, one.number, one.revision, one.step, back, on, chain(document["blocks"])))
    assert versions == rows(versions, *found)
    copied = await every(database, Clipboard)
    assert clipboards == rows(clipboards, *((one.user_id, one.blocks_json) for one in copied))
    assert [[block.type for block in one.blocks] for one in copied] == [["Conv2d"], ["ReLU"]]


async def test_runs_their_settings_and_their_figures_are_as_they_were(database: Database) -> None:
    runs, settings, _, failures = tables_of("Runs")
    versions = {one.id: one for one in await every(database, Version)}
    models = {one.id: one for one in await every(database, Model)}
    metrics = await every(database, EpochMetric)
    found = await every(database, Run)
    assert runs == rows(
        runs,
        *(
            (
                one.id,
                models[version.model_id].user_id,
                version.model_id,
                version.number,
                *BEFORE_EPOCHS(one),
                sum(epoch.run_id == one.id for epoch in metrics),
                *AFTER_EPOCHS(one),
                not one.is_of(version),
            )
            for one in found
            for version in [versions[one.version_id]]
        ),
    )
    assert {row["run"]: json.loads(row["settings"]) for row in settings} == {
        str(one.id): msgspec.to_builtins(one.settings) for one in found
    }
    assert failures == rows(
        failures, *((one.id, one.failure_message) for one in found if one.failure_message is not None)
    )
    assert all(epoch.epoch >= 1 and 0 <= epoch.validation_accuracy <= 1 for epoch in metrics)


async def test_weights_checkpoints_and_reports_are_where_today_s_code_looks_for_them(settings: Settings) -> None:
    _, _, files, _ = tables_of("Runs")
    for row in files:
        folder = settings.data_dir / "files" / "runs" / row["run"]
        assert (folder / "weights.safetensors").exists() == (row["weights"] == "yes"), row
        assert len(list(folder.glob("checkpoint*"))) == int(row["checkpoints"]), row
        if row["sections"] != "–":
            contents = msgspec.json.decode((folder / "report" / CONTENTS).read_bytes(), type=Contents)
            done = sum(section.state == "done" for section in contents.sections)
            assert f"{done} of {len(contents.sections)}" == row["sections"], row
