"""`scv predict`: predictions of a trained network for a user's own images."""

import sys
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import msgspec

from scv.commands.failure import as_line
from scv.commands.weights_option import data_dir_of, weights_of
from scv.data.images.preprocess import OwnImageError, form_of, see
from scv.data.own.archives import MOST_BYTES_OF_A_FILE
from scv.message import Message
from scv.report.prediction import Prediction

_BAR = 30


def predict(arguments: Namespace) -> int:
    """Print the prediction for each image. Returns 1 where an image has none."""
    data_dir = data_dir_of(arguments)
    weights = weights_of(arguments.weights, data_dir)

    # Imported here: torch takes seconds, and no other command needs it.
    from scv.ml import predict as machine
    from scv.ml.errors import NoNumbersError
    from scv.ml.explain.out_of_distribution import detector_of
    from scv.ml.trained import load_trained

    trained = load_trained(weights)
    info = trained.info
    form = form_of(info.dataset, info.input_shape, data_dir)
    detector = detector_of(weights, trained, data_dir)
    rows: list[dict[str, Any]] = []
    for path in arguments.images:
        name = str(path).encode(errors="replace").decode()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's warnings about metadata do not help here
                seen = see(_read(path), form)
            answer = machine.predict(trained, seen.pixels, detector)
        except (OwnImageError, NoNumbersError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            rows.append({"image": name, "error": as_line(ValueError(reason))})
            print(f"scv: {name}: {rows[-1]['error']}", file=sys.stderr)
            continue
        rows.append(as_json(name, answer, (*seen.notes, *answer.notes)))
        if not arguments.json:
            _show(rows[-1])
    if detector is None and any("error" not in row for row in rows):
        print("scv: the dataset is not at hand: whether an image is like its images is not said", file=sys.stderr)
    if arguments.json:
        print(msgspec.json.encode(rows).decode())
    return 1 if any("error" in row for row in rows) else 0


def as_json(name: str, answer: Prediction, notes: tuple[Message, ...]) -> dict[str, Any]:
    """A prediction as plain data; see docs/COMMANDS.md."""
    return {"image": name, **msgspec.to_builtins(answer), "notes": [str(note) for note in notes]}


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES_OF_A_FILE + 1)


def _show(row: dict[str, Any]) -> None:
    print(row["image"])
    width = max(len(guess["name"]) for guess in row["guesses"])
    for guess in row["guesses"]:
        bar = "█" * round(guess["probability"] * _BAR)
        print(f"  {guess['name']:<{width}} {bar:·<{_BAR}} {guess['probability']:7.2%}")
    for note in row["notes"]:
        print(f"  {note}")
