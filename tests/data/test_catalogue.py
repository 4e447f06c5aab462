import ast

import pytest

from scv.data.catalogue import DATASETS, DatasetInfo, UnknownDatasetError, find


def test_a_dataset_is_found_by_its_name() -> None:
    assert find("mnist").shape == (1, 28, 28)
    assert find("digits").classes == 10


def test_an_unknown_name_gets_the_names_there_are() -> None:
    with pytest.raises(UnknownDatasetError) as caught:
        find("minst")

    assert caught.value.message == "There is no dataset named 'minst'; there are digits, mnist."


@pytest.mark.parametrize("info", DATASETS.values(), ids=str)
def test_every_dataset_says_where_it_comes_from(info: DatasetInfo) -> None:
    assert info.licence
    assert info.source.startswith(("https://", "http://"))
    assert len(set(info.class_names)) == info.classes


@pytest.mark.parametrize("info", DATASETS.values(), ids=lambda info: info.name)
def test_the_script_loader_defines_load_data_alone(info: DatasetInfo) -> None:
    module = ast.parse(info.script_loader)

    assert [node.name for node in module.body if isinstance(node, ast.FunctionDef)] == ["load_data"]
    assert len(module.body) == 1
