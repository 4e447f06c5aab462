"""The workspace: list, new, rename, delete."""

import re

from scv.blocks.document import Document
from scv.blocks.starters import STARTERS
from scv.db.tables import User
from tests.web.conftest import Visitor, add_run, add_version, path_of


async def test_an_empty_workspace_invites_to_make_a_model(owner: Visitor) -> None:
    page = await owner.get("/models")
    assert "Your models appear here" in page.text


async def test_a_new_model_opens_in_the_editor(owner: Visitor) -> None:
    answer = await owner.post("/models/new", {"name": "  Digit   reader ", "dataset": "digits"})
    assert answer.url.path == "/models/1/versions/1"
    assert '<h1 title="Digit reader">Digit reader</h1>' in answer.text


async def test_a_refused_new_model_keeps_what_was_typed(owner: Visitor) -> None:
    answer = await owner.post("/models/new", {"name": "x" * 61, "dataset": "mnist"})
    assert answer.status_code == 422
    assert "1 to 60 characters" in answer.text
    assert 'value="mnist" checked' in answer.text
    assert (await owner.post("/models/new", {"name": "a", "dataset": "stars"})).status_code == 422


async def test_a_new_model_may_start_from_a_network_that_fits_its_images(owner: Visitor) -> None:
    page = await owner.get("/models/new")
    for starter in STARTERS.values():
        assert f'name="starter" value="{starter.name}"' in page.text
    answer = await owner.post("/models/new", {"name": "Deep", "dataset": "mnist", "starter": "resnet"})
    assert answer.url.path == "/models/1/versions/1"
    assert "1 × 28 × 28" in answer.text
    assert "Residual" in answer.text
    answer = await owner.post("/models/new", {"name": "Deep", "dataset": "mnist", "starter": "nonsense"})
    assert answer.status_code == 422
    assert "no such network" in answer.text


async def test_a_card_shows_the_accuracy_of_the_newest_run(owner: Visitor) -> None:
    version = await add_version(owner)
    await add_run(owner, version, status="finished", test_accuracy=0.9746)
    page = await owner.get("/models")
    assert "97.5%" in page.text
    assert '<i data-category="convolution">' in page.text


async def test_the_list_is_searched_and_filtered(owner: Visitor) -> None:
    await add_version(owner, name="Alpha")
    await add_version(owner, name="Beta")
    page = await owner.get("/models?search=alp")
    assert "Alpha" in page.text
    assert "Beta" not in page.text
    assert "No model matches" in (await owner.get("/models?dataset=mnist")).text


async def test_pages_keep_the_filters(owner: Visitor) -> None:
    for number in range(13):
        await add_version(owner, Document(), name=f"Model {number}")
    page = await owner.get("/models?search=model&page=2&order=oldest")
    assert page.text.count('class="card"') == 1
    assert "search=model&amp;dataset=&amp;sort=updated&amp;order=oldest&amp;page=1" in page.text


async def test_htmx_gets_the_list_alone(owner: Visitor) -> None:
    answer = await owner.get("/models?search=x", target="list")
    assert "<html" not in answer.text


async def test_a_model_is_renamed(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.post(f"/models/{version.model_id}/rename", {"name": "New <name>"})
    assert "New &lt;name&gt;" in answer.text


async def test_a_refused_name_is_refused_on_the_list(owner: Visitor) -> None:
    version = await add_version(owner, name="Alpha")
    await add_version(owner, name="Beta")
    answer = await owner.post(f"/models/{version.model_id}/rename", {"name": " ", "list": "search=alp&order=oldest"})
    assert answer.status_code == 422
    assert "1 to 60 characters" in answer.text
    assert "Alpha" in answer.text
    assert "Beta" not in answer.text


async def test_renaming_and_deleting_lead_back_to_the_same_list(owner: Visitor) -> None:
    for number in range(14):
        version = await add_version(owner, Document(), name=f"Model {number}")
    page = await owner.get("/models?search=model&page=2&order=oldest")
    carried = re.findall(r'name="list" value="([^"]+)"', page.text)[0].replace("&amp;", "&")
    for action in ("rename", "delete"):
        answer = await owner.post(f"/models/{version.model_id}/{action}", {"name": "A model", "list": carried})
        assert str(answer.url).endswith("/models?search=model&dataset=&sort=updated&order=oldest&page=2")


async def test_a_deleted_model_takes_its_files_along(owner: Visitor) -> None:
    version = await add_version(owner)
    run = await add_run(owner, version, status="finished", test_accuracy=0.9)
    files = owner.services.files
    (files.folder(f"runs/{run.id}") / "weights.safetensors").write_bytes(b"x")
    answer = await owner.post(f"/models/{version.model_id}/delete", {})
    assert "Your models appear here" in answer.text
    assert not files.path(f"runs/{run.id}").exists()
    assert (await owner.get(path_of(version))).status_code == 404


async def test_a_model_opens_at_its_newest_version(owner: Visitor) -> None:
    version = await add_version(owner)
    assert (await owner.get(f"/models/{version.model_id}")).url.path == path_of(version)


async def test_nobody_sees_the_models_of_others(owner: Visitor) -> None:
    async with owner.database.writing() as session:
        other = User(name="Mallory")
        session.add(other)
    await add_version(owner, user=other, name="Secret")
    assert "Secret" not in (await owner.get("/models")).text
