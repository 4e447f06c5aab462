import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scv.data.own.archives import ImagesError
from scv.data.own.export import export_zip
from scv.data.own.importing import ImageOptions, import_images
from scv.data.own.summary import ImportSummary
from scv.data.resident import Resident, open_resident
from tests.data.image_files import classes, write_zip


def imported(source: Path, folder: Path, options: ImageOptions) -> tuple[Resident, ImportSummary]:
    summary = import_images(source, folder / "datasets" / source.stem, options)
    return open_resident(folder, source.stem), summary


def some(parts: tuple[str, ...] = ("",)) -> dict[str, bytes]:
    """Images of three classes, one with a Korean name, one with what would mean something elsewhere."""
    names = {"a": "강아지", "b": "train", "c": "it's {x} & more"}
    return {
        f"{part}{names[name[0]]}{name[1:]}": data
        for number, part in enumerate(parts)
        for name, data in classes(3, 7, start=number * 100).items()
    }


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("parts", [("",), ("train/", "test/"), ("train/", "val/", "test/")])
def test_what_is_exported_and_imported_again_is_the_same_dataset(
    color: bool, parts: tuple[str, ...], tmp_path: Path
) -> None:
    options = ImageOptions(size=28, color=color)
    before, counted = imported(write_zip(tmp_path / "before.zip", some(parts)), tmp_path, options)
    export_zip(before, tmp_path / "again.zip")
    again, recounted = imported(tmp_path / "again.zip", tmp_path, options)

    assert (again.hash, again.class_names) == (before.hash, before.class_names)
    assert again.class_names == ("it's {x} & more", "train", "강아지")
    assert (recounted.train, recounted.validation, recounted.test) == (counted.train, counted.validation, counted.test)
    assert recounted.refused == {}
    assert (before.own_validation is not None) == ("val/" in parts)
    with zipfile.ZipFile(tmp_path / "again.zip") as archive:
        assert {f"{name.split('/')[0]}/" for name in archive.namelist()} == {"train/", "test/", *parts} - {""}
        image = Image.open(BytesIO(archive.read("train/강아지/000001.png")))
        label = before.class_names.index("강아지")
        first = before.train_images[np.flatnonzero(before.train_labels == label)[0]]
        assert np.array_equal(np.atleast_3d(np.asarray(image)).transpose(2, 0, 1), first)


def test_the_same_dataset_gives_the_same_bytes_to_a_file_that_cannot_be_rewound(tmp_path: Path) -> None:
    class Stream(BytesIO):
        def seekable(self) -> bool:
            return False

        def on_progress(self) -> int:
            raise OSError("it is a stream")

        def seek(self, *_: object) -> int:
            raise OSError("it is a stream")

    resident, _ = imported(write_zip(tmp_path / "z.zip", some()), tmp_path, ImageOptions(size=28))
    streams = [Stream(), Stream()]
    for stream in streams:
        export_zip(resident, stream)

    assert streams[0].getvalue() == streams[1].getvalue()
    (tmp_path / "again.zip").write_bytes(streams[0].getvalue())
    assert imported(tmp_path / "again.zip", tmp_path, ImageOptions(size=28))[0].hash == resident.hash


def test_a_full_disk_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    imported(write_zip(tmp_path / "z.zip", classes(2, 100)), tmp_path, ImageOptions(size=28))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from scv.data.own.export import export_zip; from scv.data.own.archives import ImagesError\n"
        "from scv.data.resident import open_resident\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: export_zip(open_resident(Path(sys.argv[1]), 'z'), Path(sys.argv[1]) / 'out.zip')\n"
        "except ImagesError as error: print(error)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("The images could not be written: file too large.\n", "")
    assert not (tmp_path / "out.zip").exists()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    resident, _ = imported(write_zip(tmp_path / "z.zip", classes(2, 5)), tmp_path, ImageOptions(size=28))
    with pytest.raises(ImagesError, match="could not be written: no such file"):
        export_zip(resident, tmp_path / "nowhere" / "out.zip")
