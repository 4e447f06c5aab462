"""`python -m scv.jobs.train_process`: a process that has torch imported already and waits for one training.

It reads lines from stdin and writes lines to stdout (`protocol`); whatever else is printed goes to stderr.
When its worker is gone, or silent for the length of a lease, it ends at once.
"""

import errno
import os
import queue
import select
import sys
import threading
import traceback
from pathlib import Path

import msgspec

from scv.blocks.document import DocumentError, decode
from scv.data.errors import DatasetMissingError
from scv.jobs.open_dataset import pictures_of
from scv.jobs.sandbox import FolderInUseError, claim, enter_scratch, limit_memory
from scv.jobs.train_protocol import FromChild, Pause, Ready, Renewed, Stop, Train, line, read_to_child
from scv.message import say
from scv.ml.errors import TrainingError
from scv.ml.train.train import train
from scv.ml.train.warm_up import warm_up
from scv.training.progress import Event, Failed, Paused, Result, Stopped
from scv.training.settings import TrainingSettings

INTERNAL = say("The training stopped because of an error in the program. Its log has the details.")
DISK_FULL = say("The disk is full: the state of the training cannot be saved. Free some space, then run it again.")

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Ears(threading.Thread):
    """Reads stdin beside the training. Ends the process where nobody is there to train for any more."""

    def __init__(self) -> None:
        super().__init__(name="ears", daemon=True)
        self.training: queue.SimpleQueue[Train] = queue.SimpleQueue()
        self.stop_heard = threading.Event()
        self.pause_heard = threading.Event()
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
            case Pause():
                self.pause_heard.set()
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
    """Do the training; returns the event that ends it. Every error becomes a `Failed`, but `FolderInUseError`."""

    def emit(event: Event) -> None:
        if not isinstance(event, Result | Stopped | Paused | Failed):
            mouth.say(event)

    try:
        settings = msgspec.json.decode(task.settings, type=TrainingSettings)
    except msgspec.DecodeError:
        message = say("The training settings of this run cannot be read. Set them anew and start another run.")
        return Failed(code="invalid_settings", message=message)
    try:
        claim(Path(task.folder))
        enter_scratch(Path(task.folder))
        limit_memory(task.memory_mb)
        ending = train(
            decode(task.document),
            settings,
            pictures_of(Path(task.data_dir), task.dataset),
            folder=Path(task.folder),
            device=task.device,
            threads=os.cpu_count(),
            emit=emit,
            should_stop=ears.stop_heard.is_set,
            should_pause=ears.pause_heard.is_set,
            checkpoint_seconds=task.checkpoint_seconds,
        )
    except TrainingError as error:
        if error.code == "out_of_memory" and task.memory_mb:
            return _out_of_memory(task.memory_mb)
        return Failed(code=error.code, message=error.message)
    except DocumentError as error:
        return Failed(code="invalid_document", message=error.message)
    except DatasetMissingError as error:
        return Failed(code="dataset_missing", message=error.message)
    except FolderInUseError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, the user is told, and the log has it
        traceback.print_exc()
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            return Failed(code="disk_full", message=DISK_FULL)
        if task.memory_mb and ("bad_alloc" in str(error) or getattr(error, "errno", None) == errno.ENOMEM):
            return _out_of_memory(task.memory_mb)
        return Failed(code="internal", message=INTERNAL)
    if isinstance(ending, Stopped) and ears.pause_heard.is_set() and not ears.stop_heard.is_set():
        return Paused(epochs=ending.epochs)
    return ending


def _out_of_memory(limit: int) -> Failed:
    message = say(
        "The training needed more than the {limit} MB of memory that one may use here. Try smaller batches, or fewer "
        "channels.",
        limit=limit,
    )
    return Failed(code="out_of_memory", message=message)


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
