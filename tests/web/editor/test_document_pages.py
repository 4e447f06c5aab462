"""A network as a whole: downloaded, imported from a file or from code, replaced by a starter."""

import html
import json
import re
from typing import Any

import httpx
import nbformat
import pytest

from scv.blocks.document import MAX_DEPTH, Block, Document, decode, encode
from scv.blocks.starters import STARTERS
from scv.data.official.catalogue import find
from scv.db.tables import User, Version
from tests.web.conftest import BROKEN, GOOD, Visitor, add_version, path_of, reload

CODE = """\
import torch.nn as nn

model = nn.Sequential(
    nn.Conv2d(1, 4, 3),
    nn.LSTM(3, 4),
    nn.Flatten(),
    nn.Linear(144, 10),
    nn.Rocket(),
)
"""
TAKEN = ["Conv2d", "Flatten", "Linear"]


async def read(visitor: Visitor, version: Version, text: str = "", file: bytes | None = None) -> httpx.Response:
    """Hand in a text, or a file, as the page's form does."""
    fields = {"_csrf_token": await visitor.csrf(), "revision": str(version.revision), "text": text}
    files = {"file": ("network.txt" if file is not None else "", file or b"")}
    return await visitor.client.post(f"{path_of(version)}/import", data=fields, files=files)


async def take(visitor: Visitor, version: Version, document: str, how: str, **fields: Any) -> httpx.Response:
    fields = {"revision": version.revision, "document": document, "take": how} | fields
    return await visitor.post(f"{path_of(version)}/import", fields)


def problem(answer: httpx.Response) -> str:
    return html.unescape(re.findall(r'id="problem">([^<]*)', answer.text)[0])


def offered(answer: httpx.Response) -> str:
    """The document that the preview would put in."""
    return html.unescape(re.findall(r'name="document" value="([^"]*)"', answer.text)[0])


def types(document: Document) -> list[str]:
    return [block.type for block in document.blocks]


def nested(depth: int) -> str:
    branch = '{"id":"residual1","type":"Residual","branches":[['
    return f'{{"format":1,"blocks":[{branch * depth}{"]]}" * depth}]}}'


def notebook(*cells: str) -> str:
    sources = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "# nn.Tanh()"}, *sources]})


async def test_the_downloaded_blocks_are_the_document(owner: Visitor) -> None:
    for document in (GOOD, BROKEN, STARTERS["resnet"].build((1, 8, 8), 10)):
        answer = await owner.get(f"{path_of(await add_version(owner, document))}/document.json")
        assert answer.headers["content-disposition"] == 'attachment; filename="digit-reader.json"'
        assert decode(answer.text) == document


async def test_the_downloaded_notebook_is_valid(owner: Visitor) -> None:
    answer = await owner.get(f"{path_of(await add_version(owner))}/notebook.ipynb")
    assert answer.headers["content-disposition"] == 'attachment; filename="digit-reader.ipynb"'
    nbformat.validate(nbformat.reads(answer.text, as_version=4))
    assert "nn.Conv2d(1, 4, kernel_size=3)" in answer.text
    broken = await owner.get(f"{path_of(await add_version(owner, BROKEN))}/notebook.ipynb")
    assert broken.status_code == 422
    assert "Linear needs a vector" in broken.text


async def test_what_was_downloaded_can_be_imported_again(owner: Visitor) -> None:
    version, empty = await add_version(owner), await add_version(owner, Document())
    for name in ("document.json", "script.py", "notebook.ipynb"):
        download = await owner.get(f"{path_of(version)}/{name}")
        answer = await read(owner, empty, file=download.content)
        assert answer.status_code == 200, name
        assert types(decode(offered(answer))) == ["Conv2d", "ReLU", "Flatten", "Linear"], name
        assert 'id="not-taken"' not in answer.text, name


async def test_parts_that_cannot_be_taken_are_named_by_their_line(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await read(owner, version, CODE)
    assert "2 lines could not be imported" in answer.text
    named = re.findall(r"<b>(Line \d+)</b> <span>([^<]*)", answer.text)
    assert named == [("Line 5", "nn.LSTM(3, 4) cannot be imported."), ("Line 8", "nn.Rocket() cannot be imported.")]
    assert types(decode(offered(answer))) == TAKEN
    assert "nn.Sequential(" in answer.text


async def test_a_preview_changes_nothing(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await read(owner, version, CODE)
    assert 'class="network"' in answer.text
    for part in ("data-block=", 'name="operation"', 'id="piece-', 'name="param:'):
        assert part not in answer.text
    assert (await reload(owner, version)).revision == 0


async def test_a_file_counts_before_the_text(owner: Visitor) -> None:
    answer = await read(owner, await add_version(owner), "nothing of use", b"\xef\xbb\xbf" + encode(GOOD))
    assert decode(offered(answer)) == GOOD


async def test_the_commands_of_a_notebook_are_no_code(owner: Visitor) -> None:
    text = notebook(
        "%matplotlib inline\n!pip install \\\n  torch\n",
        "%%bash\necho '(' && ls\n",
        "%%time\nimport torch.nn as nn\nfiles = !ls\nif files:\n    !rm -r data\nprint('%s'\n      % files)\n",
        "model = nn.Sequential(nn.Flatten(),\n    nn.Linear(64, 10))",
    )
    assert types(decode(offered(await read(owner, await add_version(owner), text)))) == ["Flatten", "Linear"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "There is nothing to read yet"),
        (" \n", "There is nothing to read yet"),
        ("{", "This is no valid JSON"),
        ('{"format":2,"blocks":[]}', "This is no block document"),
        ('{"format":1,"blocks":[{"id":1}]}', "This is no block document"),
        ("nn.Sequential(", "Line 1 is not valid Python"),
        ("import os\nos.abort()", "There is no network in this code"),
        ("(" * 5000, "Line 1 is not valid Python"),
        ("x" * 300_000, "longer than 200,000 characters"),
        (nested(1000), "nested too deeply"),
        (notebook("%matplotlib inline"), "There is no network in this code"),
    ],
)
async def test_a_text_without_a_network_is_explained_and_stays(owner: Visitor, text: str, reason: str) -> None:
    answer = await read(owner, await add_version(owner), text)
    assert answer.status_code == 422
    assert reason in problem(answer)
    assert html.escape(text, quote=True).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in answer.text
    assert 'id="found"' not in answer.text


async def test_a_file_that_is_no_text_is_refused(owner: Visitor) -> None:
    answer = await read(owner, await add_version(owner), "typed", b"\x89PNG\r\n\x1a\n\xff\xfe")
    assert answer.status_code == 422
    assert "This file is not text" in problem(answer)
    assert ">typed</textarea>" in answer.text


async def test_a_file_that_is_too_large_is_refused(owner: Visitor) -> None:
    assert (await read(owner, await add_version(owner), file=b"x" * 600_000)).status_code == 413


@pytest.mark.parametrize(
    ("part", "status"),
    [
        (b'name="text"\r\n\r\n\xff\xfe', 400),
        (b'name="text"\r\nContent-Type: text/plain; charset=none\r\n\r\nx', 400),
        (b'name="text"; filename="x"\r\n\r\nx', 422),
        (b'name="text"', 400),
        (b"\r\n\r\nx", 422),
    ],
)
async def test_a_malformed_upload_is_refused(owner: Visitor, part: bytes, status: int) -> None:
    version = await add_version(owner)
    body = b"--x\r\nContent-Disposition: form-data; " + part + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x", "X-CSRFToken": await owner.csrf()}
    answer = await owner.client.post(f"{path_of(version)}/import", content=body, headers=headers)
    assert answer.status_code == status


async def test_an_uploaded_file_is_no_token_here_either(owner: Visitor) -> None:
    version = await add_version(owner)
    for files in ({"_csrf_token": ("a.txt", b"x")}, {"file": ("a.json", encode(GOOD))}):
        answer = await owner.client.post(f"{path_of(version)}/import", files=files)
        assert answer.status_code == 403


async def test_files_are_taken_by_the_import_page_alone(owner: Visitor) -> None:
    version, token = await add_version(owner), await owner.csrf()
    for address in ("/starters", "/operations", "/runs"):
        files = {"file": ("a.json", encode(GOOD))}
        answer = await owner.client.post(f"{path_of(version)}{address}", data={"_csrf_token": token}, files=files)
        assert answer.status_code == 400, address
    assert (await reload(owner, version)).revision == 0


async def test_replacing_is_one_step_that_undo_takes_back(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await take(
        owner, version, offered(await read(owner, version, CODE)), "replace", block="relu1", view="list"
    )
    assert answer.url.path == path_of(version)
    assert "view=list" in str(answer.url)
    saved = await reload(owner, version)
    assert (types(saved.document), saved.revision) == (TAKEN, 1)
    await owner.operate(saved, action="undo")
    assert (await reload(owner, version)).document == GOOD


async def test_inserted_blocks_come_after_the_chosen_one_as_one_step(owner: Visitor) -> None:
    version = await add_version(owner)
    await take(owner, version, encode(GOOD).decode(), "insert", block="relu1")
    saved = await reload(owner, version)
    blocks = saved.document.blocks
    assert [block.type for block in blocks[:4]] == ["Conv2d", "ReLU", "Conv2d", "ReLU"]
    assert len({block.id for block in blocks}) == 8
    await owner.operate(saved, action="undo")
    assert (await reload(owner, version)).document == GOOD


async def test_a_stale_import_overwrites_nothing_and_is_offered_again(owner: Visitor) -> None:
    version = await add_version(owner)
    await owner.operate(version, operation={"op": "remove", "block": "relu1"})
    for how in ("replace", "insert"):
        answer = await take(owner, version, encode(BROKEN).decode(), how)
        assert answer.status_code == 409
        assert "changed elsewhere" in problem(answer)
        assert decode(offered(answer)) == BROKEN
        assert 'name="revision" value="1"' in answer.text
    assert types((await reload(owner, version)).document) == ["Conv2d", "Flatten", "Linear"]


async def test_unknown_kinds_of_blocks_may_replace_but_not_be_inserted(owner: Visitor) -> None:
    version = await add_version(owner)
    foreign = encode(Document(blocks=(Block("<b>", "Rocket", {"fuel": [1]}), Block("<b>", "ReLU")))).decode()
    answer = await read(owner, version, foreign)
    assert "<b>Rocket" not in answer.text
    answer = await take(owner, version, foreign, "insert")
    assert (answer.status_code, problem(answer)) == (422, "There is no block of the type Rocket.")
    answer = await take(owner, version, foreign, "replace")
    assert answer.status_code == 200
    assert types((await reload(owner, version)).document) == ["Rocket", "ReLU"]


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 300])
async def test_what_is_nested_too_deep_is_shown_with_its_error_and_never_inserted(owner: Visitor, depth: int) -> None:
    version = await add_version(owner)
    assert (await read(owner, version, nested(depth))).status_code == 200
    answer = await take(owner, version, nested(depth), "insert")
    assert answer.status_code == 422
    assert "nested at most" in problem(answer)
    await take(owner, version, nested(depth), "replace")
    for query in ("", "?view=list", "?pane=code"):
        page = await owner.get(path_of(version) + query)
        assert page.status_code == 200
        assert 'class="state bad"' in page.text


async def test_what_cannot_be_taken_changes_nothing(owner: Visitor) -> None:
    version = await add_version(owner)
    for document in ("", "{", '{"format":1}x', nested(1000)):
        assert (await take(owner, version, document, "replace")).status_code == 422
    assert (await reload(owner, version)).revision == 0


async def test_a_starter_takes_the_place_of_the_network_as_one_step(owner: Visitor) -> None:
    version, digits = await add_version(owner), find("digits")
    page = await owner.get(f"{path_of(version)}/starters")
    for name in STARTERS:
        assert f'id="start-{name}"' in page.text
    await owner.post(f"{path_of(version)}/starters", {"revision": 0, "starter": "lenet"})
    saved = await reload(owner, version)
    assert saved.document == STARTERS["lenet"].build(digits.shape, digits.classes)
    await owner.operate(saved, action="undo")
    assert (await reload(owner, version)).document == GOOD


async def test_a_stale_or_unknown_starter_changes_nothing(owner: Visitor) -> None:
    version = await add_version(owner)
    for fields, status in (({"revision": 7, "starter": "lenet"}, 409), ({"revision": 0, "starter": "rocket"}, 422)):
        answer = await owner.post(f"{path_of(version)}/starters", fields)
        assert answer.status_code == status
        assert 'role="alert"' in answer.text
    assert (await reload(owner, version)).revision == 0


async def test_a_stranger_finds_nothing_to_take_or_to_replace(owner: Visitor) -> None:
    async with owner.database.writing() as session:
        eve = User(name="Eve")
        session.add(eve)
    version = await add_version(owner, user=eve)
    for page in ("document.json", "script.py", "notebook.ipynb", "import", "starters"):
        assert (await owner.get(f"{path_of(version)}/{page}")).status_code == 404, page
    assert (await read(owner, version, CODE)).status_code == 404
    assert (await take(owner, version, encode(BROKEN).decode(), "replace")).status_code == 404
    answer = await owner.post(f"{path_of(version)}/starters", {"revision": 0, "starter": "lenet"})
    assert answer.status_code == 404
    assert (await reload(owner, version)).revision == 0
