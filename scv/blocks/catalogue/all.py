"""The whole catalogue: importing this imports every file beside it, whose classes register themselves."""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

import scv.blocks.catalogue
from scv.blocks.block import CATEGORIES, REGISTRY, BlockType

for _module in pkgutil.iter_modules(scv.blocks.catalogue.__path__):
    if _module.name != "all":
        import_module(f"scv.blocks.catalogue.{_module.name}")

_order = [key for key, _ in CATEGORIES]

CATALOGUE: Mapping[str, BlockType] = MappingProxyType(
    dict(sorted(REGISTRY.items(), key=lambda item: _order.index(item[1].category)))
)
"""Every kind of block by its type, in the palette's order: by category, then as its file has them."""
