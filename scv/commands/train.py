"""`scv train`: train a block document here and now, without a server."""

import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from scv.commands.dataset_option import chosen, own_images, resident
from scv.commands.documents import read
from scv.commands.failure import MisuseError
from scv.commands.settings_options import settings_from
from scv.settings import Settings
from scv.training.progress import EpochMetrics, Event, Progress, Result, Started, Stopped, Testing


def train(arguments: Namespace) -> int:
    """Train, test and keep the weights; progress goes to standard error, the result to standard output."""
    info, images = chosen(arguments), own_images(arguments)
    document = read(arguments.document)
    training_settings = settings_from(arguments, info, document)
    settings = Settings.from_environment()
    if arguments.data_dir is not None:
        settings = replace(settings, data_dir=arguments.data_dir).resolved()
    datasets = settings.data_dir / "datasets"
    if datasets.exists() and not datasets.is_dir():
        raise MisuseError(f"{datasets} is not a folder.")

    # Imported here: torch takes seconds, and no other command needs it.
    from scv.ml.prepare_official import prepare
    from scv.ml.train.train import train as run

    folder = _new_folder(settings.data_dir, arguments.document.stem.encode(errors="replace").decode())
    show = _TrainingDisplay(sys.stderr.isatty())
    try:
        if images is None:
            data = prepare(settings.data_dir, info.name)
        else:
            data = resident(settings.data_dir, images, arguments)
        with _interruptible() as interrupted:
            result = run(
                document,
                training_settings,
                data,
                folder=folder,
                device=arguments.device or settings.device,
                emit=show,
                should_stop=lambda: bool(interrupted),
            )
    finally:
        show.close()
        if not any(folder.iterdir()):
            folder.rmdir()
    return _print_result(result, folder, arguments.json)


def _print_result(result: Result | Stopped, folder: Path, json: bool) -> int:
    """Print the result. Returns the exit status."""
    if isinstance(result, Stopped):
        kept = f" after {result.epochs} whole epochs; weights so far in {folder}" if result.epochs else ""
        print(f"scv: stopped{kept}", file=sys.stderr)
        return 130
    if json:
        print(msgspec.json.encode(as_json(result)).decode())
    else:
        print(
            f"test accuracy {result.test_accuracy:.2%}, test loss {result.test_loss:.4f}, "
            f"{result.seconds:.1f} s, weights in {result.weights}"
        )
    return 0


def as_json(result: Result) -> dict[str, Any]:
    """The result as plain data; see docs/COMMANDS.md."""
    # The name of the folder may hold bytes that are not UTF-8.
    weights = result.weights.encode(errors="replace").decode()
    return msgspec.structs.asdict(msgspec.structs.replace(result, weights=weights))


def _new_folder(data_dir: Path, name: str) -> Path:
    """A new folder for this training, so that it never continues from the checkpoint of another one."""
    base = data_dir / "trained"
    moment = time.strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{number}" for number in range(2, 1000))):
        folder = base / f"{moment}-{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise MisuseError(f"{folder} cannot be made: {(error.strerror or '').lower()}.") from None
        return folder
    raise MisuseError(f"There are too many trainings of this second in {base}.")


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Let Ctrl-C stop the training and keep its weights. A second Ctrl-C ends it at once."""
    seen: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


class _TrainingDisplay:
    """Progress on standard error: one line that is rewritten on a terminal, one line for each epoch elsewhere."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self._epochs = 0
        self._live = False

    def __call__(self, event: Event) -> None:
        match event:
            case Started():
                self._epochs = event.epochs
                self._line(
                    f"{event.parameters:,} parameters on {event.device}; {event.train_images:,} images to train, "
                    f"{event.validation_images:,} to validate, {event.test_images:,} to test"
                )
            case Progress() if self._terminal:
                width = 24
                bar = "█" * round(event.done * width)
                self._rewrite(
                    f"epoch {event.epoch}/{self._epochs} {bar:·<{width}} loss {event.train_loss:.4f} "
                    f"accuracy {event.train_accuracy:.2%} {event.images_per_second:,.0f} images/s "
                    f"{event.seconds_left:.0f} s left"
                )
            case EpochMetrics():
                self._line(
                    f"epoch {event.epoch}/{self._epochs}: loss {event.train_loss:.4f}, validation loss "
                    f"{event.validation_loss:.4f}, accuracy {event.validation_accuracy:.2%}, {event.seconds:.1f} s"
                )
            case Testing():
                self._line(f"testing the weights of epoch {event.best_epoch}")
            case _:
                pass

    def _rewrite(self, text: str) -> None:
        self._live = True
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    def _line(self, text: str) -> None:
        self.close()
        print(text, file=sys.stderr)

    def close(self) -> None:
        """Clear the line of the terminal."""
        if self._live:
            sys.stderr.write("\r\x1b[K")
            self._live = False
