"""People's own datasets: from files to versions that are looked at, changed, published, exported and deleted."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from scv.blocks.document import Document
from scv.data.own.importing import ImageOptions, import_images
from scv.data.resident import open_resident
from scv.db import datasets, models, versions
from scv.db.tables import Run, User
from scv.files import report_folder
from scv.settings import Settings
from scv.training.settings import TrainingSettings
from tests.data.image_files import classes, noise, saved
from tests.web.conftest import Visitor, add_run, path_of
from tests.web.datasets.owning import add_dataset, draft, make_waiting, versions_of

DATA = "datasets"


async def test_an_uploaded_zip_becomes_a_version_that_can_be_looked_at(owner: Visitor, settings: Settings) -> None:
    dataset = await add_dataset(owner, settings, {**classes(2, 10), "a/notes.txt": b"hello"})

    page = (await owner.get(f"/datasets/own/{dataset.id}")).text

    resident = open_resident(settings.data_dir, f"own-{dataset.id}-1")
    assert resident.hash in page
    assert "16 training images and 4 test images." in page
    assert "not PNG, JPEG, WebP, BMP, GIF or TIFF by name: 1 (a/notes.txt)" in page
    assert "fewer than" in page, "so few images are warned of"
    assert not draft(settings, dataset.id).exists()
    assert f'src="/datasets/own-{dataset.id}-1/classes/1"' in page
    strip = await owner.get(f"/datasets/own-{dataset.id}-1/samples.png")
    assert Image.open(io.BytesIO(strip.content)).size == (2 * 56 + 6, 56)
    assert "Pets" in (await owner.get("/datasets")).text
    assert (await owner.get(f"/datasets/own-{dataset.id}-1")).url.path == f"/datasets/own/{dataset.id}/versions/1"


async def test_every_image_of_a_class_can_be_seen(owner: Visitor, settings: Settings) -> None:
    dataset = await add_dataset(owner, settings, classes(2, 100))
    resident = open_resident(settings.data_dir, f"own-{dataset.id}-1")
    seen: list[int] = []
    for number in (1, 2):
        page = (await owner.get(f"/datasets/own-{dataset.id}-1/classes/1/images?part=train&page={number}")).text
        seen += map(int, re.findall(r'value="train-(\d+)"', page))
    assert seen == np.flatnonzero(resident.train_labels == 1).tolist()
    answer = await owner.get(f"/datasets/own-{dataset.id}-1/images/train/{seen[0]}")
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)))[::2, ::2, :3]
    assert np.array_equal(pixels, resident.train_images[seen[0]].transpose(1, 2, 0))
    for nothing in ("train/999", "train/-1", "other/0", "test/99999999999"):
        assert (await owner.get(f"/datasets/own-{dataset.id}-1/images/{nothing}")).status_code == 404
    for strange in ("0", "-3", "x", "99999999", "²"):
        page = await owner.get(f"/datasets/own-{dataset.id}-1/classes/0/images?page={strange}&part={strange}")
        assert page.status_code == 200
    assert (await owner.get(f"/datasets/own-{dataset.id}-1/classes/2/images")).status_code == 404


async def test_dropped_images_are_gone_in_a_new_version_and_runs_keep_the_old_one(
    owner: Visitor, settings: Settings
) -> None:
    dataset = await add_dataset(owner, settings)
    before = open_resident(settings.data_dir, f"own-{dataset.id}-1")
    async with owner.database.writing() as session:
        name, user = f"own-{dataset.id}-1", await owner.user()
        model = await models.create_model(session, user, "Reader", name, Document(), TrainingSettings())
    run = await add_run(owner, model.versions[0], dataset=f"own-{dataset.id}-1")

    answer = await owner.post(
        f"/datasets/own/{dataset.id}/drop", {"version": 1, "image": ["train-0", "train-3", "test-1"]}
    )
    assert answer.url.path == f"/datasets/own/{dataset.id}"
    assert "Version 2 is being made" in answer.text
    await make_waiting(owner, settings)

    after = open_resident(settings.data_dir, f"own-{dataset.id}-2")
    kept = [index for index in range(len(before.train_labels)) if index not in (0, 3)]
    assert np.array_equal(after.train_images, before.train_images[kept])
    assert len(after.test_labels) == len(before.test_labels) - 1
    page = (await owner.get(f"/datasets/own/{dataset.id}")).text
    assert after.hash in page
    assert f'href="/models/{model.id}">Reader<' in page
    assert (await owner.get(f"/datasets/own/{dataset.id}/versions/1")).text.count(before.hash) == 1
    async with owner.database.reading() as session:
        assert (await session.get_one(Run, run.id)).dataset == f"own-{dataset.id}-1"
    refused = await owner.post(f"/datasets/own/{dataset.id}/versions/1/delete", {})
    assert refused.status_code == 422, "a model and a run use it"


async def test_what_cannot_be_changed_says_why_and_changes_nothing(owner: Visitor, settings: Settings) -> None:
    dataset = await add_dataset(owner, settings)
    path = f"/datasets/own/{dataset.id}"
    cases = [
        ("drop", {"version": 1}, 422, "Nothing was chosen or changed."),
        ("drop", {"version": 1, "image": "train-999"}, 422, "There is no such image."),
        ("drop", {"version": 1, "image": "val-0"}, 422, "There is no such image."),
        ("drop", {"version": 7, "image": "train-0"}, 409, "changed elsewhere"),
        ("names", {"version": 1, "class:0": "a", "class:1": "b"}, 422, "Nothing was chosen or changed."),
        ("names", {"version": 1, "class:0": "../x"}, 422, "cannot hold"),
        ("names", {"version": 1, "class:0": " "}, 422, "needs a name"),
        ("rename", {"name": ""}, 422, "1 to 60 characters"),
    ]
    for action, fields, status, words in cases:
        answer = await owner.post(f"{path}/{action}", fields)
        assert (answer.status_code, words in answer.text) == (status, True), (action, fields)
    assert len(await versions_of(owner, dataset)) == 1

    everything = [f"train-{index}" for index in range(8)] + ["test-0", "test-1"]
    await owner.post(f"{path}/drop", {"version": 1, "image": everything})
    twice = await owner.post(f"{path}/drop", {"version": 1, "image": "train-9"})
    assert twice.status_code == 409
    await make_waiting(owner, settings)
    page = (await owner.get(path)).text
    assert "The last change could not be made." in page
    assert "Two are needed" in page
    assert [version.number for version in await versions_of(owner, dataset)] == [1]
    assert not list((settings.data_dir / DATA).glob("*own-1-2*"))


async def test_classes_get_other_names_and_the_scripts_of_models_keep_up(owner: Visitor, settings: Settings) -> None:
    dataset = await add_dataset(owner, settings)
    await owner.post(f"/datasets/own/{dataset.id}/names", {"version": 1, "class:0": "고양이", "class:1": "a dog"})
    await make_waiting(owner, settings)
    async with owner.database.reading() as session:
        version = await datasets.get_visible_dataset_version(session, await owner.user(), f"own-{dataset.id}-2")
    assert version.class_names == ["a dog", "고양이"]
    created = await owner.post("/models/new", {"name": "Reader", "dataset": version.name, "starter": "lenet"})
    assert "고양이" in created.text
    code = (await owner.get(f"{created.url.path}/script.py")).text
    assert "pets-2.zip" in code, "which is what the dataset's page saves it as"


async def test_a_model_is_told_of_a_newer_version_and_can_move_on_to_it(owner: Visitor, settings: Settings) -> None:
    dataset = await add_dataset(owner, settings)
    created = await owner.post("/models/new", {"name": "R", "dataset": f"own-{dataset.id}-1", "starter": "lenet"})
    assert "There is a newer version" not in created.text
    await owner.post(f"/datasets/own/{dataset.id}/drop", {"version": 1, "image": "train-0"})
    await make_waiting(owner, settings)
    page = (await owner.get(created.url.path)).text
    assert f'href="/models/1/dataset?dataset=own-{dataset.id}-2"' in page
    assert (
        f'value="own-{dataset.id}-2" checked' in (await owner.get(f"/models/1/dataset?dataset=own-{dataset.id}-2")).text
    )
    moved = await owner.post("/models/1/dataset", {"dataset": f"own-{dataset.id}-2"})
    assert "Pets (2)" in moved.text
    assert "There is a newer version" not in moved.text
    listed = await owner.get(f"/models?dataset=own-{dataset.id}")
    assert 'id="model-1"' in listed.text
    assert 'id="model-1"' not in (await owner.get("/models?dataset=mnist")).text
    for nothing in ("own-9-9", "", "nothing"):
        assert (await owner.post("/models/1/dataset", {"dataset": nothing})).status_code == 422


async def test_others_see_a_dataset_once_it_is_published_and_can_change_nothing(
    owner: Visitor, settings: Settings
) -> None:
    async with owner.database.writing() as session:
        ada = User(name="Ada")
        session.add(ada)
    dataset = await add_dataset(owner, settings, user=ada)
    path, name = f"/datasets/own/{dataset.id}", f"own-{dataset.id}-1"

    async def publish(published: bool) -> None:
        async with owner.database.writing() as session:
            found = await datasets.get_editable_dataset(session, ada, dataset.id)
            await datasets.publish_dataset(session, found, published=published)

    assert (await owner.get(path)).status_code == 404
    await publish(True)
    page = (await owner.get(path)).text
    assert "from Ada" in page
    assert "Delete" not in page
    assert "Pets" in (await owner.get("/datasets")).text
    assert (await owner.get(f"/datasets/{name}/samples.png")).status_code == 200
    assert 'type="checkbox"' not in (await owner.get(f"/datasets/{name}/classes/0/images")).text
    for action in ("rename", "names", "drop", "publish", "delete", "stop", "versions/1/delete"):
        refused = await owner.post(f"{path}/{action}", {"name": "x", "version": 1})
        assert refused.status_code == 403, action
        assert "Only its owner can do this" in refused.text
        assert "You can train on it, or save it as a zip" in refused.text
    notice = await owner.post(f"{path}/rename", {"name": "x"}, htmx=True)
    assert (notice.status_code, notice.headers["hx-retarget"]) == (403, "#notices")
    created = await owner.post("/models/new", {"name": "R", "dataset": name, "starter": "lenet"})
    assert created.status_code == 200

    await publish(False)
    for address in (path, f"/datasets/{name}/samples.png", f"{path}/versions/1/images.zip"):
        assert (await owner.get(address)).status_code == 404
    model = await owner.get(created.url.path)
    assert "These images were deleted, or are private again." in model.text
    refused = await owner.post(f"{created.url.path}/runs", {"revision": 0})
    assert "The dataset is private again." in refused.text


async def test_its_owner_publishes_a_dataset_and_takes_it_back(owner: Visitor, settings: Settings) -> None:
    dataset = await add_dataset(owner, settings)
    published = await owner.post(f"/datasets/own/{dataset.id}/publish", {"published": "yes"})
    assert "Make private" in published.text
    private = await owner.post(f"/datasets/own/{dataset.id}/publish", {"published": "no"})
    assert "Make private" not in private.text


async def test_an_exported_dataset_imported_again_is_the_same(
    owner: Visitor, settings: Settings, tmp_path: Path
) -> None:
    dataset = await add_dataset(owner, settings)
    answer = await owner.get(f"/datasets/own/{dataset.id}/versions/1/images.zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="pets-1.zip"'
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    (tmp_path / "again.zip").write_bytes(answer.content)
    import_images(tmp_path / "again.zip", tmp_path / DATA / "again", ImageOptions(size=28))
    assert open_resident(tmp_path, "again").hash == open_resident(settings.data_dir, f"own-{dataset.id}-1").hash


async def test_of_a_deleted_dataset_nothing_is_left_and_its_models_stay(owner: Visitor, settings: Settings) -> None:
    dataset = await add_dataset(owner, settings)
    created = await owner.post("/models/new", {"name": "Reader", "dataset": f"own-{dataset.id}-1", "starter": "lenet"})
    async with owner.database.reading() as session:
        version = await versions.get_visible_version(session, await owner.user(), 1, 1)
    run = await add_run(owner, version, dataset=f"own-{dataset.id}-1")
    report = settings.data_dir / "files" / report_folder(run.id)
    report.mkdir(parents=True)
    (report / "mistakes.png").write_bytes(saved(noise(1)))
    asked = (await owner.get(f"/datasets/own/{dataset.id}/delete")).text
    assert ">Reader<" in asked
    await owner.post(f"/datasets/own/{dataset.id}/delete", {})
    assert "Pets" not in (await owner.get("/datasets")).text
    assert not list((settings.data_dir / DATA).glob("*own*"))
    assert not draft(settings, dataset.id).exists()
    assert not report.exists(), "it shows the images"
    assert b"Pets" not in b"".join(path.read_bytes() for path in settings.data_dir.glob("scv.sqlite3"))
    page = await owner.get(created.url.path)
    assert "These images were deleted" in page.text
    assert "Choose others" in page.text
    refused = await owner.post(f"{created.url.path}/runs", {"revision": 0})
    assert refused.status_code == 422
    assert "were deleted" in refused.text
    assert (await owner.get("/models")).status_code == 200


async def test_a_runs_dataset_is_that_of_the_run(owner: Visitor, settings: Settings) -> None:
    """Its page shows the images that it used, also once its model learns from others."""
    dataset = await add_dataset(owner, settings)
    await owner.post("/models/new", {"name": "R", "dataset": f"own-{dataset.id}-1", "starter": "lenet"})
    async with owner.database.reading() as session:
        version = await versions.get_visible_version(session, await owner.user(), 1, 1)
    run = await add_run(owner, version, dataset=f"own-{dataset.id}-1")
    await owner.post("/models/1/dataset", {"dataset": "digits"})
    assert '<span class="chip">Pets</span>' in (await owner.get(f"/runs/{run.id}")).text
    assert '<span class="chip">Digits</span>' in (await owner.get(path_of(version))).text
