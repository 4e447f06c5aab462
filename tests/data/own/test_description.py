import ast
from pathlib import Path

import pytest

from scv.data.official.catalogue import DATASETS
from scv.data.own.archives import ImagesError
from scv.data.own.description import describe
from scv.data.own.importing import ImageOptions
from tests.data.image_files import write_folder, write_zip


def named(count: int, parts: tuple[str, ...] = ("",)) -> dict[str, bytes]:
    return {f"{part}{name}/{number}.png": b"" for part in parts for name in "ab" for number in range(count)}


def test_names_alone_give_shape_classes_and_sizes(tmp_path: Path) -> None:
    info = describe(write_zip(tmp_path / "my pets.zip", named(11)), ImageOptions(size=96, color=False))

    assert (info.title, info.shape, info.class_names) == ("my pets", (1, 96, 96), ("a", "b"))
    assert (info.train_size, info.test_size) == (18, 4)
    assert info.script_folder == str(tmp_path / "my pets.zip")


def test_the_parts_of_the_source_are_counted_as_they_are(tmp_path: Path) -> None:
    info = describe(write_folder(tmp_path / "pets", named(6, ("train/", "val/", "test/"))), ImageOptions())

    assert (info.train_size, info.validation_size, info.test_size) == (24, 12, 12)
    assert info.shape == (3, 64, 64)


def test_the_epochs_are_those_that_were_measured_with_the_official_datasets(tmp_path: Path) -> None:
    digits = DATASETS["digits"]
    each = (digits.train_size + digits.test_size) // 2
    assert describe(write_zip(tmp_path / "z.zip", named(each)), ImageOptions()).epochs == digits.epochs
    assert describe(write_zip(tmp_path / "y.zip", named(37_500)), ImageOptions()).epochs == DATASETS["mnist"].epochs


@pytest.mark.parametrize("parts", [("",), ("train/", "val/", "test/")])
def test_the_loader_is_plain_python_that_needs_nothing_of_scv(parts: tuple[str, ...], tmp_path: Path) -> None:
    tree = ast.parse(describe(write_zip(tmp_path / "z.zip", named(5, parts)), ImageOptions()).script_loader)

    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert not any(str(module).startswith("scv") for module in modules)
    assert isinstance(tree.body[-1], ast.FunctionDef)
    assert tree.body[-1].name == "load_data"


def test_what_cannot_be_a_dataset_is_refused_by_names_alone(tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match="only one class"):
        describe(write_zip(tmp_path / "z.zip", {"a/1.png": b""}), ImageOptions())
