import ast
import re
from pathlib import Path

import pytest

from scv.data.official.catalogue import DATASETS, DatasetInfo, UnknownDatasetError, find
from scv.ml import vision


def test_a_dataset_is_found_by_its_name() -> None:
    assert find("mnist").shape == (1, 28, 28)
    assert find("digits").classes == 10


def test_an_unknown_name_gets_the_names_there_are() -> None:
    with pytest.raises(UnknownDatasetError) as caught:
        find("minst")

    assert caught.value.message == (
        "There is no dataset named 'minst'; there are digits, mnist, fashion-mnist, cifar10, svhn, emnist-letters."
    )


@pytest.mark.parametrize("info", DATASETS.values(), ids=str)
def test_every_dataset_says_where_it_comes_from(info: DatasetInfo) -> None:
    assert info.licence
    assert info.source.startswith(("https://", "http://"))
    assert len(set(info.class_names)) == info.classes


@pytest.mark.parametrize("info", [info for info in DATASETS.values() if info.originals], ids=lambda info: info.name)
def test_every_original_file_is_in_one_download_with_a_hash(info: DatasetInfo) -> None:
    held = [name for download in info.downloads for name in download.holds]
    assert sorted(held) == sorted(original.name for original in info.originals)
    for download in info.downloads:
        assert re.fullmatch("[0-9a-f]{32}", download.md5)
        assert download.size > 0
        assert all(url.startswith(("https://", "http://")) for url in download.urls)
        assert len({url.rpartition("/")[2] for url in download.urls}) == 1
    for original in info.originals:
        assert original.md5 or original.idx, "nothing would tell another file from it"


def test_the_facts_are_those_of_torchvisions_loaders() -> None:
    """Its classes name the same files and hashes, so what is downloaded here is what it reads."""
    of = vision.datasets
    for name, loader in (("mnist", of.MNIST), ("fashion-mnist", of.FashionMNIST)):
        assert [(d.file, d.md5) for d in DATASETS[name].downloads] == list(loader.resources)
        assert DATASETS[name].loader == loader.__name__
    assert DATASETS["mnist"].downloads[0].urls[0] == of.MNIST.mirrors[0] + "train-images-idx3-ubyte.gz"
    assert DATASETS["fashion-mnist"].class_names == tuple(of.FashionMNIST.classes)
    batches = [*of.CIFAR10.train_list, *of.CIFAR10.test_list, [of.CIFAR10.meta["filename"], of.CIFAR10.meta["md5"]]]
    assert [[file.name, file.md5] for file in DATASETS["cifar10"].originals] == batches
    assert DATASETS["cifar10"].folder == of.CIFAR10.base_folder
    assert (DATASETS["cifar10"].downloads[0].urls, DATASETS["cifar10"].downloads[0].md5) == (
        (of.CIFAR10.url,),
        of.CIFAR10.tgz_md5,
    )
    svhn = [(*download.urls, *download.holds, download.md5) for download in DATASETS["svhn"].downloads]
    assert svhn == [tuple(of.SVHN.split_list[split]) for split in ("train", "test")]
    letters = DATASETS["emnist-letters"].downloads[0]
    assert (letters.urls, letters.md5) == ((of.EMNIST.url,), of.EMNIST.md5)
    assert [name.lower() for name in DATASETS["emnist-letters"].class_names] == of.EMNIST.classes_split_dict["letters"][
        1:
    ]


def test_what_is_missing_is_what_is_not_there(tmp_path: Path) -> None:
    svhn = find("svhn")
    assert svhn.missing(tmp_path) == ("train_32x32.mat", "test_32x32.mat")
    (tmp_path / "SVHN").mkdir()
    (tmp_path / "SVHN" / "train_32x32.mat").touch()
    assert svhn.missing(tmp_path) == ("test_32x32.mat",)
    assert find("digits").missing(tmp_path) == ()


def test_files_that_are_still_packed_are_at_hand(tmp_path: Path) -> None:
    cifar10, svhn, fashion = (find(name) for name in ("cifar10", "svhn", "fashion-mnist"))
    for info in (cifar10, svhn, fashion):
        assert not info.is_at_hand(tmp_path)
        (tmp_path / info.folder).mkdir(parents=True)
    (tmp_path / cifar10.folder / "cifar-10-python.tar.gz").touch()
    assert cifar10.is_at_hand(tmp_path)
    assert len(cifar10.missing(tmp_path)) == 7
    (tmp_path / svhn.folder / "train_32x32.mat").touch()
    assert not svhn.is_at_hand(tmp_path)
    for original in fashion.originals:
        assert not fashion.is_at_hand(tmp_path)
        (tmp_path / fashion.folder / f"{original.name}.gz").touch()
    assert fashion.is_at_hand(tmp_path)
    assert find("digits").is_at_hand(tmp_path)


@pytest.mark.parametrize("info", DATASETS.values(), ids=lambda info: info.name)
def test_the_script_loader_defines_load_data_alone(info: DatasetInfo) -> None:
    module = ast.parse(info.script_loader)

    assert [node.name for node in module.body if isinstance(node, ast.FunctionDef)] == ["load_data"]
    assert len(module.body) == 1
