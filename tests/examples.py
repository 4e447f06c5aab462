"""How many examples a property is tried on: few in each run of the tests, many for nights.

`TEST_EXAMPLES=10 pytest tests/blocks` tries every property ten times as often. Each run draws other examples.
"""

import os

_TIMES = float(os.environ.get("TEST_EXAMPLES", "1"))


def examples(count: int) -> int:
    """`count`, times what the environment asks for; at least 1."""
    return max(1, round(count * _TIMES))
