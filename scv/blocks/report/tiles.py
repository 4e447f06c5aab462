"""What the pictures of a report share: plates of equal tiles, and the colours that stand for numbers."""

import msgspec


class Tiles(msgspec.Struct, frozen=True, kw_only=True):
    """One PNG file of equal tiles, row after row. `width` and `height` are of one tile, in pixels."""

    file: str
    width: int
    height: int
    columns: int
    count: int


class Legend(msgspec.Struct, frozen=True, kw_only=True):
    """Which colour stands for which number: `colours` (`#rrggbb`) are at equal distances from `low` to `high`."""

    colours: tuple[str, ...]
    low: float
    high: float
