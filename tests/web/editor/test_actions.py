"""Buttons that need more than the document: clipboard, search, repair of everything, what to do after a conflict."""

import html
import re
from typing import Any

import httpx
import pytest

from scv.blocks.check import check
from scv.blocks.document import MAX_DEPTH, Block, Document
from scv.blocks.findings import errors
from scv.blocks.starters import STARTERS
from scv.db import clipboards
from scv.db.tables import Clipboard, User, Version
from tests.web.conftest import BROKEN, GOOD, Visitor, add_version, path_of, reload

RESIDUAL = Document(
    blocks=(
        Block("residual1", "Residual", {}, ((Block("conv1", "Conv2d", {"out_channels": 4, "padding": 1}),), ())),
        Block("relu1", "ReLU"),
    )
)


async def blocks(visitor: Visitor, version: Version) -> list[str]:
    return [block.type for block in (await reload(visitor, version)).document.blocks]


async def clipboard(visitor: Visitor) -> tuple[Block, ...]:
    user = await visitor.user()
    async with visitor.database.reading() as session:
        return await clipboards.clipboard_of(session, user)


async def put_in_clipboard(visitor: Visitor, text: str, user: User | None = None) -> None:
    user = user or await visitor.user()
    async with visitor.database.writing() as session:
        await session.merge(Clipboard(user_id=user.id, blocks_json=text))


async def press(visitor: Visitor, version: Version, **fields: Any) -> httpx.Response:
    """Press a button in a page that shows the present state."""
    return await visitor.operate(await reload(visitor, version), **fields)


def again(answer: httpx.Response) -> tuple[str, str] | None:
    """Name and value of the button that asks for the same once more."""
    found = re.search(r'id="again" name="(\w+)"\s+value="([^"]*)"', answer.text)
    return (found[1], html.unescape(found[2])) if found else None


async def stale(visitor: Visitor, **fields: Any) -> httpx.Response:
    """Press a button in a page that shows the state before somebody removed relu1."""
    version = await add_version(visitor)
    await visitor.operate(version, operation={"op": "remove", "block": "relu1"})
    answer = await visitor.operate(version, **fields)
    assert answer.status_code == 409
    assert await blocks(visitor, version) == ["Conv2d", "Flatten", "Linear"]
    return answer


async def test_a_copied_block_is_pasted_after_the_chosen_one(owner: Visitor) -> None:
    version = await add_version(owner)
    assert 'id="paste"' not in (await owner.get(path_of(version))).text
    answer = await owner.operate(version, action="copy", block="conv1")
    assert "Conv2d copied." in answer.text
    assert "Paste Conv2d" in answer.text
    answer = await press(owner, version, action="paste", block="relu1")
    assert "Conv2d pasted at position 3." in answer.text
    pasted = (await reload(owner, version)).document.blocks[2]
    assert pasted == Block("conv2", "Conv2d", {"out_channels": 4})
    await press(owner, version, action="paste")
    assert (await blocks(owner, version)).count("Conv2d") == 3


async def test_a_cut_block_is_gone_and_in_the_clipboard(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.operate(version, action="cut", block="relu1")
    assert await blocks(owner, version) == ["Conv2d", "Flatten", "Linear"]
    assert "block=flatten1" in answer.headers["hx-replace-url"]
    await press(owner, version, action="paste", block="conv1")
    assert await blocks(owner, version) == ["Conv2d", "ReLU", "Flatten", "Linear"]
    for _ in range(2):
        await press(owner, version, action="undo")
    assert (await reload(owner, version)).document == GOOD


async def test_what_was_typed_is_copied_and_cut_with_it(owner: Visitor) -> None:
    for action in ("copy", "cut"):
        version = await add_version(owner)
        await owner.operate(version, action=action, block="conv1", param__conv1__out_channels="24")
        copied = await clipboard(owner)
        assert copied[0].params["out_channels"] == 24, action


async def test_a_container_goes_to_another_model_with_all_that_it_holds(owner: Visitor) -> None:
    source, target = await add_version(owner, RESIDUAL), await add_version(owner, name="Other")
    await owner.operate(source, action="copy", block="residual1")
    answer = await owner.operate(target, action="paste", block="conv1")
    assert "Residual pasted at position 2." in answer.text
    pasted = (await reload(owner, target)).document.blocks[1]
    assert pasted.branches == ((Block("conv2", "Conv2d", {"out_channels": 4, "padding": 1}),), ())
    await press(owner, source, action="paste", block="residual1", branch="1")
    residual = (await reload(owner, source)).document.blocks[0]
    assert residual.branches is not None
    assert [block.type for block in residual.branches[1]] == ["Residual"]


async def test_a_container_can_be_pasted_into_itself_down_to_the_deepest_level(owner: Visitor) -> None:
    version = await add_version(owner, RESIDUAL)
    for depth in range(2, MAX_DEPTH + 2):
        await press(owner, version, action="copy", block="residual1")
        answer = await press(owner, version, action="paste", block="residual1", branch="1")
        assert answer.status_code == (200 if depth <= MAX_DEPTH else 422), depth
    assert "nested at most" in answer.text


async def test_pasting_nothing_says_what_to_do(owner: Visitor) -> None:
    version = await add_version(owner)
    for text in (None, "[]", "{", '[{"id":1}]', '[{"id":"a","type":"ReLU","more":1}]', "[" * 5000):
        if text is not None:
            await put_in_clipboard(owner, text)
        page = await owner.get(path_of(version))
        assert (page.status_code, 'id="paste"' in page.text) == (200, False), text
        answer = await owner.operate(version, action="paste")
        assert answer.status_code == 422
        assert "Nothing was copied yet" in answer.text
    assert (await reload(owner, version)).revision == 0


async def test_a_block_of_another_scv_in_the_clipboard_is_refused(owner: Visitor) -> None:
    version = await add_version(owner)
    await put_in_clipboard(owner, '[{"id":"a","type":"<b>Rocket"}]')
    answer = await owner.operate(version, action="paste")
    assert answer.status_code == 422
    assert "There is no block of the type &lt;b&gt;Rocket." in answer.text


async def test_what_somebody_else_copied_is_not_mine(owner: Visitor) -> None:
    async with owner.database.writing() as session:
        eve = User(name="Eve")
        session.add(eve)
    await put_in_clipboard(owner, '[{"id":"a","type":"ReLU"}]', eve)
    version = await add_version(owner)
    assert 'id="paste"' not in (await owner.get(path_of(version))).text
    assert (await owner.operate(version, action="paste")).status_code == 422


async def test_a_refused_cut_leaves_network_and_clipboard_as_they_were(owner: Visitor) -> None:
    version = await add_version(owner)
    await owner.operate(version, action="copy", block="relu1")
    before = await clipboard(owner)
    refused: list[dict[str, Any]] = [{"block": "linear1", "param__conv1__kernel_size": "three"}, {"block": "gone"}, {}]
    for fields in refused:
        answer = await owner.operate(version, action="cut", **fields)
        assert answer.status_code == 422, fields
        assert (await clipboard(owner), await blocks(owner, version)) == (before, [b.type for b in GOOD.blocks])
    stale_version = await reload(owner, version)
    await owner.operate(stale_version, operation={"op": "remove", "block": "relu1"})
    assert (await owner.operate(stale_version, action="cut", block="conv1")).status_code == 409
    assert await clipboard(owner) == before


@pytest.mark.parametrize(
    ("language", "search", "added"),
    [
        ("en", "conv", "Conv2d"), ("en", " RELU ", "ReLU"), ("en", "pool", "MaxPool2d"),
        ("ko", "풀링", "MaxPool2d"), ("ko", "conv", "Conv2d"),
    ],
)  # fmt: skip
async def test_the_best_match_of_a_search_is_added(owner: Visitor, language: str, search: str, added: str) -> None:
    version = await add_version(owner)
    await owner.post("/language", {"language": language})
    await owner.operate(version, find=search, search=search, block="relu1")
    assert (await blocks(owner, version))[2] == added


async def test_a_search_without_a_match_changes_nothing(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.operate(version, find="<b>rocket", search="<b>rocket")
    assert answer.status_code == 422
    assert "No block matches “&lt;b&gt;rocket”." in answer.text
    assert (await reload(owner, version)).revision == 0


async def test_a_search_shows_the_matches_as_the_palette(owner: Visitor) -> None:
    path = path_of(await add_version(owner))
    answer = await owner.get(f"{path}?search=pool", target="kinds")
    assert re.findall(r'id="add-(\w+)"', answer.text)[:2] == ["MaxPool2d", "AvgPool2d"]
    assert "<form" not in answer.text
    assert "No block has a name like this" in (await owner.get(f"{path}?search=rocket", target="kinds")).text
    assert 'id="add-Conv2d"' in (await owner.get(f"{path}?search=+", target="kinds")).text


async def test_a_search_without_javascript_is_kept_after_saving(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.operate(version, htmx=False, search="pool")
    assert "search=pool" in str(answer.url)
    assert re.findall(r'id="add-(\w+)"', answer.text)[0] == "MaxPool2d"


async def test_repairing_all_says_how_much_and_is_one_step(owner: Visitor) -> None:
    broken = STARTERS["broken"].build((1, 8, 8), 10)
    version = await add_version(owner, broken)
    answer = await owner.operate(version, action="repair")
    said = re.search(r"(\d+) fixed, (\d+) errors left\.", answer.text)
    assert said is not None
    saved = await reload(owner, version)
    left = len(errors(check(saved.document, (1, 8, 8), 10)))
    assert (int(said[1]) >= 7, int(said[2]), left, saved.revision) == (True, 0, 0, 1)
    assert 'id="repair"' not in answer.text
    await press(owner, version, action="undo")
    assert (await reload(owner, version)).document == broken


async def test_what_was_typed_is_repaired_as_well(owner: Visitor) -> None:
    version = await add_version(owner, BROKEN)
    await owner.operate(version, action="repair", param__conv1__out_channels="6")
    assert await blocks(owner, version) == ["Conv2d", "Flatten", "Linear"]
    assert (await reload(owner, version)).document.blocks[0].params["out_channels"] == 6


async def test_after_a_conflict_typed_texts_stay_and_can_be_saved(owner: Visitor) -> None:
    answer = await stale(
        owner, param__conv1__out_channels="24", param__conv1__kernel_size="9", typed="param:conv1:out_channels"
    )
    assert re.search(r'name="param:conv1:out_channels" value="24"', answer.text)
    assert re.search(r'name="param:conv1:kernel_size" value="3"', answer.text)
    assert again(answer) == ("operation", "")
    assert "Apply my change here as well" in answer.text


async def test_after_a_conflict_the_pressed_button_is_offered_again(owner: Visitor) -> None:
    operation = '{"op":"add","type":"Tanh","position":0}'
    answer = await stale(owner, operation=operation)
    assert again(answer) == ("operation", operation)
    for fields in ({"action": "repair"}, {"action": "paste"}, {"action": "cut", "block": "conv1"}, {"find": "conv"}):
        ((name, value), *_) = fields.items()
        assert again(await stale(owner, **fields)) == (name, value)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"operation": '{"op":"remove","block":"relu1"}'},
        {"operation": '{"op":"move","block":"linear1","position":3}'},
        {"operation": "["},
        {"action": "cut", "block": "relu1"},
        {"action": "copy", "block": "relu1"},
        {"action": "undo"},
    ],
)
async def test_what_no_longer_fits_is_not_offered_again(owner: Visitor, fields: dict[str, str]) -> None:
    answer = await stale(owner, **fields)
    assert again(answer) is None
    assert "changed elsewhere" in answer.text
