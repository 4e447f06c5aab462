"""`python -m scv.jobs.child`: a process that has torch imported already and waits for one training.

It reads lines from stdin and writes lines to stdout (`protocol`); whatever else is printed goes to stderr.
When its worker is gone, or silent for the length of a lease, it ends at once.
"""

import os
import queue
import select
import sys
import threading
import traceback
from pathlib import Path

import msgspec

from scv.blocks.document import DocumentError, decode
from scv.blocks.message import say
from scv.blocks.progress import Event, Failed, Result, Stopped
from scv.blocks.training import TrainingSettings
from scv.data.catalogue import UnknownDatasetError
from scv.jobs.protocol import FromChild, Ready, Renewed, Stop, Train, line, read_to_child
from scv.ml.errors import DatasetMissingError, TrainingError
from scv.ml.official import prepare
from scv.ml.train import train
from scv.ml.warm import warm_up

INTERNAL = say("The training ended by an error in the program. Its log has the details.")


class Ears(threading.Thread):
    """Reads stdin beside the training. Ends the process where nobody is there to train for any more."""

    def __init__(self) -> None:
        super().__init__(name="ears", daemon=True)
        self.training: queue.SimpleQueue[Train] = queue.SimpleQueue()
        self.stop_heard = threading.Event()
        self._lease_seconds: float | None = None

    def run(self) -> None:
        unread = b""
        while True:
            heard, _, _ = select.select([0], [], [], self._lease_seconds)
            data = os.read(0, 65536) if heard else b""
            if not data:
                # A plain exit would wait for the training and could be caught by it.
                os._exit(1)
            *lines, unread = (unread + data).split(b"\n")
            for text in lines:
                self._hear(text)

    def _hear(self, text: bytes) -> None:
        message = read_to_child(text)
        match message:
            case Train():
                self._lease_seconds = message.lease_seconds
                self.training.put(message)
            case Stop():
                self.stop_heard.set()
            case Renewed():
                pass


class Mouth:
    """Writes lines to what was stdout; file descriptor 1 itself now leads to stderr, for stray prints."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)

    def say(self, message: FromChild) -> None:
        self._out.write(line(message))


def run_training(task: Train, mouth: Mouth, ears: Ears) -> Event:
    """Do the training; returns the event that ends it. Every error becomes a `Failed`."""

    def emit(event: Event) -> None:
        if not isinstance(event, Result | Stopped | Failed):
            mouth.say(event)

    try:
        settings = msgspec.json.decode(task.settings, type=TrainingSettings)
    except msgspec.DecodeError:
        message = say("The training settings of this run cannot be read. Set them anew and start another run.")
        return Failed(code="invalid_settings", message=message)
    try:
        return train(
            decode(task.document),
            settings,
            prepare(Path(task.data_dir), task.dataset),
            folder=Path(task.folder),
            device=task.device,
            threads=os.cpu_count(),
            emit=emit,
            should_stop=ears.stop_heard.is_set,
        )
    except TrainingError as error:
        return Failed(code=error.code, message=error.message)
    except DocumentError as error:
        return Failed(code="invalid_document", message=error.message)
    except DatasetMissingError as error:
        return Failed(code="dataset_missing", message=error.message)
    except UnknownDatasetError:
        message = say("There is no dataset named {name} any more.", name=task.dataset)
        return Failed(code="dataset_missing", message=message)
    except Exception:  # noqa: BLE001 - whatever it was, the user is told, and the log has it
        traceback.print_exc()
        return Failed(code="internal", message=INTERNAL)


def main() -> None:
    mouth, ears = Mouth(), Ears()
    ears.start()
    warm_up()
    mouth.say(Ready())
    mouth.say(run_training(ears.training.get(), mouth, ears))
    sys.stderr.flush()
    # Not by returning: that would wait for torch's threads, and the last word is said.
    os._exit(0)


if __name__ == "__main__":
    main()
