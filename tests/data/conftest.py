from pathlib import Path

import pytest

from tests.data.own.versions import Services


@pytest.fixture
def house(tmp_path: Path) -> Services:
    return Services(tmp_path)
