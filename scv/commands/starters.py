"""`scv starters`: networks to begin with."""

import sys
from argparse import Namespace
from typing import Any

import msgspec

from scv.blocks.check import check
from scv.blocks.document import encode
from scv.blocks.measured import measured
from scv.blocks.starters import STARTERS, Starter
from scv.commands.dataset_option import chosen
from scv.commands.failure import MisuseError
from scv.data.official.catalogue import DatasetInfo


def list_starters(arguments: Namespace) -> int:
    """List the starters with their measured accuracies, and with their sizes for a dataset where one is given."""
    info = None if arguments.dataset is None else chosen(arguments)
    rows = [as_json(starter, info) for starter in STARTERS.values()]
    if arguments.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    width = max(len(name) for name in STARTERS)
    for row in rows:
        size = [f"{row['parameters']:>9,} parameters"] if info is not None else []
        scores = [
            f"{score['test_accuracy']:.2%} on {score['dataset']}"
            for score in row["measured"]
            if info is None or score["dataset"] == info.name
        ]
        print("  ".join([f"{row['name']:<{width}}", *size, ", ".join(scores)]).rstrip())
        print(f"{'':<{width}}  {row['title']}. {row['summary']}")
    return 0


def show(arguments: Namespace) -> int:
    """Print the document of a starter, fitted to a dataset."""
    info = chosen(arguments)
    starter = STARTERS.get(arguments.name)
    if starter is None:
        raise MisuseError(f"There is no starter named {arguments.name[:40]!r}; there are {', '.join(STARTERS)}.")
    text = encode(starter.build(info.shape, info.classes))
    sys.stdout.write(msgspec.json.format(text, indent=2).decode() + "\n")
    return 0


def as_json(starter: Starter, info: DatasetInfo | None) -> dict[str, Any]:
    """A starter as plain data; see docs/COMMANDS.md."""
    row: dict[str, Any] = {
        "name": starter.name,
        "title": starter.title,
        "summary": starter.summary,
        "exercise": starter.exercise,
        "measured": [
            {
                "dataset": score.dataset,
                "epochs": score.epochs,
                "seed": score.seed,
                "test_accuracy": score.accuracy,
                "parameters": score.parameters,
            }
            for score in measured(starter.name)
        ],
    }
    if info is not None:
        result = check(starter.build(info.shape, info.classes), info.shape, info.classes)
        row |= {"ok": result.ok, "parameters": result.parameters, "multiply_adds": result.multiply_adds}
    return row
