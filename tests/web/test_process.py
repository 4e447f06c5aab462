"""The pages ask the database little, for many rows and for the longest document."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from scv.blocks.document import Block, Document
from tests.web.conftest import Visitor, add_run, add_version, path_of


@contextmanager
def counted(visitor: Visitor) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            statements.append(statement)

    engine = visitor.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


async def test_a_page_makes_as_many_statements_for_many_rows_as_for_one(owner: Visitor) -> None:
    async def count(path: str) -> int:
        with counted(owner) as statements:
            assert (await owner.get(path)).status_code == 200
        return len(statements)

    version = await add_version(owner)
    run = await add_run(owner, version, status="stopped")
    paths = ("/models", f"{path_of(version)}?pane=runs", f"/runs/{run.id}", "/workers")
    assert [await count(path) for path in paths]  # the first look at a model asks for its dataset
    few = [await count(path) for path in paths]
    for number in range(11):
        await add_run(owner, await add_version(owner, name=f"Model {number}"), status="stopped")
        await add_run(owner, version, status="stopped")
    many = [await count(path) for path in paths]
    assert many == few
    assert max(many) <= 7


async def test_the_longest_document_is_shown_and_edited(owner: Visitor) -> None:
    blocks = (
        *(Block(f"relu{n}", "ReLU") for n in range(398)),
        Block("flatten1", "Flatten"),
        Block("linear1", "Linear"),
    )
    version = await add_version(owner, Document(blocks=blocks))
    page = await owner.get(path_of(version))
    assert page.text.count('class="piece') == 402
    answer = await owner.operate(version, operation={"op": "add", "type": "ReLU"})
    assert answer.status_code == 422
    assert "at most 400 blocks" in answer.text
