"""The editor's form: what is typed and pressed becomes a saved document, or is refused and changes nothing."""

import re

from scv.blocks.document import Block, Document
from scv.blocks.starters import STARTERS
from tests.web.conftest import BROKEN, Visitor, add_version, path_of, reload

NESTED = Document(
    blocks=(
        Block("residual1", "Residual", {}, ((Block("conv1", "Conv2d", {"out_channels": 4, "padding": 1}),), ())),
        Block("parallel1", "Parallel", {}, ((), (Block("relu1", "ReLU"),))),
        Block("flatten1", "Flatten"),
        Block("linear1", "Linear", {"out_features": 10}),
    )
)
"""A network with containers; the shortcut does not fit yet."""


def types(document: Document) -> list[str]:
    return [block.type for block in document.blocks]


async def test_an_empty_version_offers_a_first_step(owner: Visitor) -> None:
    page = await owner.get(path_of(await add_version(owner, Document())))
    assert page.status_code == 200
    assert "The network is empty" in page.text
    assert "Start with Flatten and Linear" in page.text


async def test_every_block_stands_with_its_shape(owner: Visitor) -> None:
    page = await owner.get(path_of(await add_version(owner)))
    for text in ("4 × 6 × 6", "<b>144</b>", "<b>10</b>", "fits", "40 parameters"):
        assert text in page.text


async def test_a_pressed_chip_adds_its_block_and_chooses_it(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.operate(version, operation={"op": "add", "type": "MaxPool2d", "position": 2})
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert "MaxPool2d added at position 3. Output 4 × 3 × 3." in answer.text
    assert answer.headers["hx-replace-url"].endswith("?block=pool1&pane=block")
    saved = await reload(owner, version)
    assert types(saved.document) == ["Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"]
    assert saved.revision == 1


async def test_typed_text_and_a_pressed_button_are_saved_together(owner: Visitor) -> None:
    version = await add_version(owner)
    await owner.operate(
        version, param__conv1__out_channels="8", operation={"op": "move", "block": "relu1", "position": 0}
    )
    saved = (await reload(owner, version)).document
    assert [block.id for block in saved.blocks] == ["relu1", "conv1", "flatten1", "linear1"]
    assert saved.blocks[1].params["out_channels"] == 8


async def test_settings_and_parameters_are_saved_together(owner: Visitor) -> None:
    version = await add_version(owner)
    await owner.operate(version, param__conv1__out_channels="8", setting__epochs="7")
    saved = await reload(owner, version)
    assert saved.settings.epochs == 7
    assert saved.document.blocks[0].params["out_channels"] == 8


async def test_unchanged_fields_save_nothing(owner: Visitor) -> None:
    version = await add_version(owner)
    await owner.operate(version, param__conv1__out_channels="4", setting__epochs="3")
    assert (await reload(owner, version)).revision == 0


async def test_a_text_that_cannot_be_read_stays_in_its_field_and_changes_nothing(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.operate(
        version, param__conv1__kernel_size="three", operation={"op": "remove", "block": "relu1"}
    )
    assert answer.status_code == 422
    assert 'value="three"' in answer.text
    assert "kernel_size is three, but must be a whole number" in answer.text
    assert 'aria-describedby="param-conv1-kernel_size-error"' in answer.text
    assert (await reload(owner, version)).document == version.document


async def test_a_block_with_an_unreadable_text_can_still_be_removed(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.operate(
        version, param__conv1__kernel_size="three", operation={"op": "remove", "block": "conv1"}
    )
    assert answer.status_code == 200
    assert types((await reload(owner, version)).document) == ["ReLU", "Flatten", "Linear"]


async def test_a_stale_form_is_told_so_and_overwrites_nothing(owner: Visitor) -> None:
    version = await add_version(owner)
    await owner.operate(version, operation={"op": "remove", "block": "relu1"})
    answer = await owner.operate(version, operation={"op": "remove", "block": "linear1"})
    assert answer.status_code == 409
    assert "changed elsewhere" in answer.text
    assert 'id="piece-linear1"' in answer.text
    assert 'name="revision" value="1"' in answer.text
    assert types((await reload(owner, version)).document) == ["Conv2d", "Flatten", "Linear"]


async def test_a_broken_joint_shows_its_arithmetic_and_its_fixes(owner: Visitor) -> None:
    version = await add_version(owner, BROKEN)
    page = await owner.get(path_of(version))
    assert "Linear needs a vector, but a 4 × 6 × 6 tensor arrives." in page.text
    assert "4 × 6 × 6 = 144 numbers per image" in page.text
    answer = await owner.operate(version, operation=[{"op": "add", "type": "Flatten", "position": 1}])
    assert "fits" in answer.text


async def test_without_javascript_a_press_leads_back_to_the_editor(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.operate(version, htmx=False, operation={"op": "duplicate", "block": "relu1"})
    assert [step.status_code for step in answer.history] == [303]
    assert answer.url.path == path_of(version)
    assert answer.text.count(">ReLU</a>") == 2


async def test_without_javascript_a_refusal_is_a_whole_page(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.operate(version, htmx=False, param__conv1__kernel_size="three")
    assert answer.status_code == 422
    assert "<html" in answer.text
    assert 'value="three"' in answer.text


async def test_an_absurd_operation_is_refused(owner: Visitor) -> None:
    version = await add_version(owner)
    for operation in (
        "{", "[]]", '{"op": "explode"}', '{"op":"add","type":"Rocket"}', '{"op":"move","block":"relu1","position":99}',
        '{"op":"set","block":"conv1","params":{"out_channels":"many"}}', "[" * 5000,
    ):  # fmt: skip
        answer = await owner.operate(version, operation=operation)
        assert answer.status_code == 422, operation
    assert (await reload(owner, version)).document == version.document


async def test_each_tab_of_the_side_pane_is_a_page_of_its_own(owner: Visitor) -> None:
    path = path_of(await add_version(owner))
    assert "Slides small filters" in (await owner.get(f"{path}?pane=block&block=conv1")).text
    assert "nn.Module" in (await owner.get(f"{path}?pane=code")).text
    assert 'name="setting:learning_rate"' in (await owner.get(f"{path}?pane=training")).text
    assert "has not been trained yet" in (await owner.get(f"{path}?pane=runs")).text


async def test_a_chosen_block_comes_as_a_fragment_for_htmx(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.get(f"{path_of(version)}?block=relu1", target="editor")
    assert answer.text.lstrip().startswith("<form")
    assert 'id="remove-relu1"' in answer.text
    assert 'id="remove-conv1"' not in answer.text


async def test_the_script_can_be_downloaded_once_the_network_is_sound(owner: Visitor) -> None:
    good = await owner.get(f"{path_of(await add_version(owner))}/script.py")
    assert good.headers["content-disposition"] == 'attachment; filename="digit-reader.py"'
    compile(good.text, "digit-reader.py", "exec")
    broken = await owner.get(f"{path_of(await add_version(owner, BROKEN))}/script.py")
    assert broken.status_code == 422
    assert "Linear needs a vector" in broken.text


async def test_a_run_saves_what_was_typed_first(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.post(
        f"{path_of(version)}/runs",
        {"revision": 0, "setting:epochs": "5", "param:conv1:out_channels": "6"},
        htmx=True,
    )
    assert answer.headers["hx-redirect"] == "/runs/1"
    saved = await reload(owner, version)
    assert saved.settings.epochs == 5
    page = await owner.get("/runs/1")
    assert "Waiting for a free worker" in page.text
    assert "nn.Conv2d(1, 6, kernel_size=3)" in page.text.replace('<span class="n">', "").replace("</span>", "")


async def test_a_network_with_errors_is_saved_but_not_run(owner: Visitor) -> None:
    version = await add_version(owner, BROKEN)
    fields = {"revision": 0, "param:conv1:out_channels": "6"}
    answer = await owner.post(f"{path_of(version)}/runs", fields, htmx=True)
    assert answer.status_code == 422
    assert "This network cannot be trained yet. Block linear1 (Linear): Linear needs a vector" in answer.text
    assert (await reload(owner, version)).document.blocks[0].params["out_channels"] == 6


async def test_a_second_run_of_a_version_waits_for_the_first(owner: Visitor) -> None:
    version = await add_version(owner)
    await owner.post(f"{path_of(version)}/runs", {"revision": 0})
    answer = await owner.post(f"{path_of(version)}/runs", {"revision": 0}, htmx=True)
    assert answer.status_code == 422
    assert "being trained already" in answer.text


async def test_containers_show_their_branches_with_all_that_they_hold(owner: Visitor) -> None:
    page = await owner.get(f"{path_of(await add_version(owner, NESTED))}?block=conv1")
    for part in (
        'data-into="residual1" data-branch="1"', 'id="piece-conv1"', 'id="param-conv1-out_channels"', 'id="out-conv1"',
        'id="aside-conv1"', "empty: passes on what comes in", "Fit the shortcut to 4 × 8 × 8", "3 × 3 pixels",
        "Add a branch",
    ):  # fmt: skip
        assert part in page.text, part


async def test_a_pressed_chip_goes_into_the_chosen_branch(owner: Visitor) -> None:
    version = await add_version(owner, NESTED)
    answer = await owner.operate(version, add="ReLU", block="residual1", branch="1")
    assert "ReLU added at position 1 in shortcut of residual1. Output 1 × 8 × 8." in answer.text
    assert "block=relu2" in answer.headers["hx-replace-url"]


async def test_a_block_that_looks_as_before_bears_the_same_hash(owner: Visitor) -> None:
    """By it the browser leaves such a block alone."""

    def hashes(text: str) -> dict[str, str]:
        return {block: mark for mark, block in re.findall(r'data-hash="(\w+)"[^>]*id="piece-(\w+)"', text)}

    version = await add_version(owner)
    first = hashes((await owner.get(f"{path_of(version)}?block=conv1")).text)
    second = hashes((await owner.operate(version, block="conv1", param__conv1__out_channels="7")).text)
    assert set(first) == set(second) == {"relu1", "flatten1", "linear1"}, "the chosen block is shown in its own way"
    assert all(first[block] != second[block] for block in first), "another shape goes through all of them"
    third = hashes((await owner.operate(await reload(owner, version), add="ReLU", block="linear1")).text)
    assert third == {**second, "conv1": third["conv1"]}


async def test_a_typed_text_of_a_nested_block_is_saved(owner: Visitor) -> None:
    version = await add_version(owner, NESTED)
    await owner.operate(version, param__conv1__out_channels="1")
    residual = (await reload(owner, version)).document.blocks[0]
    assert residual.branches is not None
    assert residual.branches[0][0].params["out_channels"] == 1


async def test_branches_are_added_and_removed_with_their_unreadable_texts(owner: Visitor) -> None:
    version = await add_version(owner, NESTED)
    answer = await owner.operate(version, operation={"op": "add_branch", "block": "parallel1"})
    assert "parallel1 has one more branch." in answer.text
    assert "block=parallel1&branch=2" in answer.headers["hx-replace-url"]
    answer = await owner.operate(
        await reload(owner, version),
        param__relu1__x="y",
        operation={"op": "remove_branch", "block": "parallel1", "branch": 1},
    )
    assert 'id="piece-relu1"' not in answer.text
    assert "parallel1 has one branch less." in answer.text


async def test_the_last_block_of_a_branch_leaves_its_branch_chosen(owner: Visitor) -> None:
    version = await add_version(owner, NESTED)
    answer = await owner.operate(version, operation={"op": "remove", "block": "conv1"})
    assert "block=residual1&branch=0" in answer.headers["hx-replace-url"]


async def test_changes_are_undone_and_done_again(owner: Visitor) -> None:
    version = await add_version(owner)
    assert re.search('id="undo"[^>]* disabled>', (await owner.get(path_of(version))).text)
    await owner.operate(version, operation={"op": "remove", "block": "relu1"})
    answer = await owner.operate(await reload(owner, version), action="undo")
    assert "Undone." in answer.text
    assert "block=relu1" in answer.headers["hx-replace-url"]
    answer = await owner.operate(await reload(owner, version), action="redo")
    assert "Redone." in answer.text
    assert types((await reload(owner, version)).document) == ["Conv2d", "Flatten", "Linear"]
    answer = await owner.operate(await reload(owner, version), action="redo")
    assert answer.status_code == 422
    assert "There is nothing to redo." in answer.text


async def test_what_was_typed_is_saved_before_an_undo(owner: Visitor) -> None:
    version = await add_version(owner)
    await owner.operate(version, param__conv1__out_channels="8", action="undo")
    assert (await reload(owner, version)).document.blocks[0].params["out_channels"] == 4
    await owner.operate(await reload(owner, version), action="redo")
    assert (await reload(owner, version)).document.blocks[0].params["out_channels"] == 8


async def test_the_code_of_a_container_is_shown_with_what_it_holds(owner: Visitor) -> None:
    inside = (Block("conv1", "Conv2d", {"out_channels": 1, "padding": 1}),)
    version = await add_version(owner, Document(blocks=(Block("residual1", "Residual", {}, (inside, ())),)))
    pane = (await owner.get(f"{path_of(version)}?block=residual1")).text.partition('id="pane-block"')[2]
    code = re.sub("<[^>]*>", "", pane.partition("<pre")[2].partition("</pre>")[0].partition(">")[2])
    assert code.startswith("self.residual1 = Residual(\n    main=nn.Conv2d(1, 1, kernel_size=3, padding=1),\n")


async def test_an_editor_that_is_just_opened_shows_its_first_block(owner: Visitor) -> None:
    """Not the last one, which may lie far below what is in sight."""
    version = await add_version(owner, STARTERS["lenet"].build((1, 8, 8), 10))
    page = (await owner.get(path_of(version))).text
    chosen = re.findall(r'data-block="(\w+)"\s+data-category="\w+" aria-current="true"', page)
    assert chosen == [version.document.blocks[0].id]
