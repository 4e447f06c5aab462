"""`scv predict`: what a trained network says of a person's own pictures."""

import sys
import warnings
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from scv.blocks.message import Message
from scv.blocks.report.prediction import Prediction
from scv.commands.failure import MisuseError, as_line
from scv.data.archives import MOST_BYTES_OF_A_FILE
from scv.data.own_picture import OwnPictureError, form_of, see
from scv.errors import RefusedError
from scv.files import Files, weights_key
from scv.settings import Settings

_BAR = 30


def predict(arguments: Namespace) -> int:
    """Print the answer to each picture; 1 where there is none to one of them."""
    settings = Settings.from_environment()
    if arguments.data_dir is not None:
        settings = replace(settings, data_dir=arguments.data_dir).resolved()
    weights = _weights(arguments.weights, settings)

    # Imported here: torch takes seconds, and no other command needs it.
    from scv.ml import predict as machine
    from scv.ml.familiar import familiar_of
    from scv.ml.trained import WeightsError, load_trained

    try:
        trained = load_trained(weights)
    except WeightsError as error:
        raise RefusedError(error.message) from error
    info = trained.info
    form = form_of(info.dataset, info.input_shape, settings.data_dir)
    familiar = familiar_of(weights, trained, settings.data_dir)
    if familiar is None:
        print("scv: the dataset is not at hand: whether a picture is like its images is not said", file=sys.stderr)
    rows: list[dict[str, Any]] = []
    for path in arguments.pictures:
        name = str(path).encode(errors="replace").decode()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Pillow thinks of a file's fields helps nobody here
                seen = see(_read(path), form)
        except (OwnPictureError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            rows.append({"picture": name, "error": as_line(ValueError(reason))})
            print(f"scv: {name}: {rows[-1]['error']}", file=sys.stderr)
            continue
        answer = machine.predict(trained, seen.pixels, familiar)
        rows.append(as_json(name, answer, (*seen.notes, *answer.notes)))
        if not arguments.json:
            _show(rows[-1])
    if arguments.json:
        print(msgspec.json.encode(rows).decode())
    return 1 if any("error" in row for row in rows) else 0


def as_json(name: str, answer: Prediction, notes: tuple[Message, ...]) -> dict[str, Any]:
    """An answer as plain data; see docs/COMMANDS.md."""
    row: dict[str, Any] = msgspec.to_builtins(answer)
    del row["overlay"]
    return {"picture": name, **row, "notes": [str(note) for note in notes]}


def _weights(given: str, settings: Settings) -> Path:
    """The path of a weights file, given as that or as the number of a run. Raises `MisuseError` where none is there."""
    path = Path(given)
    if path.is_file():
        return path
    if given.isascii() and given.isdecimal():
        kept = Files(settings.data_dir / "files").path(weights_key(int(given)))
        if kept.is_file():
            return kept
        raise MisuseError(f"There are no weights of run {int(given)} in {settings.data_dir}.")
    if path.is_dir():
        raise MisuseError(f"{given} is a folder. Give the weights.safetensors in it.")
    raise MisuseError(f"{given} is not there. Give the path of a weights.safetensors, or the number of a run.")


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES_OF_A_FILE + 1)


def _show(row: dict[str, Any]) -> None:
    print(row["picture"])
    width = max(len(guess["name"]) for guess in row["guesses"])
    for guess in row["guesses"]:
        bar = "█" * round(guess["probability"] * _BAR)
        print(f"  {guess['name']:<{width}} {bar:·<{_BAR}} {guess['probability']:7.2%}")
    for note in row["notes"]:
        print(f"  {note}")
