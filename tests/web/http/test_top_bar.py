"""The top bar marks where one is."""

import re

import pytest

from tests.web.conftest import Visitor


@pytest.mark.parametrize(
    ("address", "area"),
    [("/models", "models"), ("/models/new", "models"), ("/datasets/digits", "datasets"), ("/tasks", "tasks")],
)
async def test_the_link_of_the_page_s_area_is_marked_and_no_other(owner: Visitor, address: str, area: str) -> None:
    page = (await owner.get(address)).text
    assert re.findall(r'<a class="link" href="/(\w+)" aria-current="true">', page) == [area]
