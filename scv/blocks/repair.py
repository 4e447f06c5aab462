"""Repair all: the safe fixes of a document's errors, applied one after the other until none is left.

`fixes` makes the single fixes that the check offers; here they are chosen and applied.
"""

import msgspec

from scv.blocks.check import check
from scv.blocks.document import Document, encode
from scv.blocks.findings import Check, Fix, errors
from scv.blocks.operations import OperationError, apply
from scv.blocks.shapes import Shape

MAX_FIXES = 400
"""Most fixes that one repair applies: one for each block that a network may have."""


class Repaired(msgspec.Struct, frozen=True):
    """A document after its repair, and the fixes that were applied, in their order."""

    document: Document
    applied: tuple[Fix, ...]


def repair_all(document: Document, input_shape: Shape, classes: int) -> Repaired:
    """Apply the first safe fix of the first error, check anew, and so on until no error has a safe fix.

    Unknown parameters and refused values come first, all together. Warnings are advice and are left alone. The repair
    always ends: no fix is applied that leads back to an earlier document, and no more than `MAX_FIXES` are applied. A
    second repair changes nothing, unless the first one reached that limit.
    """
    applied: list[Fix] = []
    for fix in _value_fixes(check(document, input_shape, classes))[:MAX_FIXES]:
        if (changed := _applied(document, fix)) is not None:
            document = changed
            applied.append(fix)
    seen = {encode(document)}
    while len(applied) < MAX_FIXES and (step := _next(document, check(document, input_shape, classes), seen)):
        fix, document = step
        applied.append(fix)
        seen.add(encode(document))
    return Repaired(document, tuple(applied))


def _value_fixes(result: Check) -> list[Fix]:
    """The fixes of all parameters that are unknown or have a refused value.

    The check already uses the defaults in their place, so these fixes change no other problem.
    """
    refused = [problem for _, problem in errors(result) if problem.code in ("bad_parameter", "unknown_parameter")]
    return [fix for problem in refused for fix in problem.fixes[:1]]


def _next(document: Document, result: Check, seen: set[bytes]) -> tuple[Fix, Document] | None:
    """The first safe fix of an error that leads to a new document, and that document."""
    for _, problem in errors(result):
        for fix in problem.fixes:
            changed = _applied(document, fix) if fix.safe else None
            if changed is not None and encode(changed) not in seen:
                return fix, changed
    return None


def _applied(document: Document, fix: Fix) -> Document | None:
    """The document after a fix; None where one of its operations is refused, in a full network for instance."""
    try:
        for operation in fix.operations:
            document = apply(document, operation)
    except OperationError:
        return None
    return document
