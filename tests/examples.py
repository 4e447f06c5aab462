"""How many examples a property is tried on: few in each run of the tests, many for nights.

`TEST_EXAMPLES=10 pytest tests/blocks` tries every property ten times as often, and every case of what is otherwise
tried on some. Each run draws other examples.
"""

import os
from collections.abc import Iterable

_TIMES = float(os.environ.get("TEST_EXAMPLES", "1"))


def examples(count: int) -> int:
    """`count`, times what the environment asks for; at least 1."""
    return max(1, round(count * _TIMES))


def some(cases: Iterable[str], few: Iterable[str]) -> list[str]:
    """The few cases; all of them where the environment asks for ten times the examples, or more."""
    return list(cases if _TIMES >= 10 else few)
