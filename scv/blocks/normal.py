"""The normal form of a document: documents that differ only in ids and in how they write parameters share it."""

from collections import Counter

import msgspec

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Document
from scv.blocks.tree import Chain


def normal(document: Document) -> Document:
    """Parameters canonical and in the catalogue's order, defaults left out, ids by stem and number.

    What the catalogue refuses, an unknown type or a parameter out of range, stays as it is given.
    """
    return Document(blocks=_normal(document.blocks, Counter()))


def _normal(chain: Chain, numbers: Counter[str]) -> Chain:
    blocks = []
    for block in chain:
        kind = CATALOGUE.get(block.type)
        stem = "block" if kind is None else kind.stem
        numbers[stem] += 1
        params = block.params
        if kind is not None:
            values, refused = kind.complete(params)
            given = {name: params[name] if name in refused else values[name] for name in params}
            defaults = kind.defaults
            params = {name: given[name] for name in defaults if name in given and given[name] != defaults[name]}
            params |= {name: given[name] for name in refused}
        block_id = f"{stem}{numbers[stem]}"
        branches = block.branches and tuple(_normal(branch, numbers) for branch in block.branches)
        blocks.append(msgspec.structs.replace(block, id=block_id, params=params, branches=branches))
    return tuple(blocks)
