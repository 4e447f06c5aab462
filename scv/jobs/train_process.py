"""`python -m scv.jobs.train_process`: a process that has torch imported already and waits for one training.

It reads lines from stdin and writes lines to stdout (`train_protocol`); whatever else is printed goes to stderr.
When its worker is gone, or silent for the length of a lease, it ends at once.
"""

import errno
import os
import queue
import sys
import threading
from pathlib import Path

import msgspec
import structlog

from scv.blocks.document import DocumentError, decode
from scv.data.errors import DatasetMissingError
from scv.jobs.lines import Renewed, Stop, WorkerReader, WorkerWriter
from scv.jobs.open_dataset import images_of
from scv.jobs.sandbox import FolderInUseError, claim, enter_scratch, limit_memory
from scv.jobs.train_protocol import Pause, Ready, Train, read_to_child
from scv.log import bind_process, configure_log
from scv.message import say
from scv.ml.errors import TrainingError
from scv.ml.train.train import train
from scv.ml.train.warm_up import warm_up
from scv.settings import Settings
from scv.training.progress import Event, Failed, Paused, Result, Stopped
from scv.training.settings import TrainingSettings

INTERNAL = say("The training stopped because of an error in the program. Its log has the details.")
DISK_FULL = say("The disk is full: the state of the training cannot be saved. Free some space, then run it again.")

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class Orders:
    """What the worker wants, as its lines say it."""

    def __init__(self) -> None:
        self.training: queue.SimpleQueue[Train] = queue.SimpleQueue()
        self.stop = threading.Event()
        self.pause = threading.Event()
        self._reader = WorkerReader(self._read)
        self._reader.start()

    def _read(self, text: bytes) -> None:
        message = read_to_child(text)
        match message:
            case Train():
                self._reader.lease_seconds = message.lease_seconds
                self.training.put(message)
            case Stop():
                self.stop.set()
            case Pause():
                self.pause.set()
            case Renewed():
                pass


def run_training(task: Train, writer: WorkerWriter, orders: Orders) -> Event:
    """Do the training; returns the event that ends it. Every error becomes a `Failed`, but `FolderInUseError`."""

    def emit(event: Event) -> None:
        if not isinstance(event, Result | Stopped | Paused | Failed):
            writer.send(event)

    try:
        settings = msgspec.json.decode(task.settings, type=TrainingSettings)
    except msgspec.DecodeError:
        message = say("The training settings of this run cannot be read. Set them again and start another run.")
        return Failed(code="invalid_settings", message=message)
    try:
        claim(Path(task.folder))
        enter_scratch(Path(task.folder))
        limit_memory(task.memory_mb)
        ending = train(
            decode(task.document),
            settings,
            images_of(Path(task.data_dir), task.dataset),
            folder=Path(task.folder),
            device=task.device,
            threads=os.cpu_count(),
            emit=emit,
            should_stop=orders.stop.is_set,
            should_pause=orders.pause.is_set,
            checkpoint_seconds=task.checkpoint_seconds,
        )
    except FolderInUseError:
        raise
    except Exception as error:  # noqa: BLE001 - the user hears of every error, the log of those that nobody expected
        return _failed(error, task.memory_mb)
    if isinstance(ending, Stopped) and orders.pause.is_set() and not orders.stop.is_set():
        return Paused(epochs=ending.epochs)
    return ending


def _failed(error: Exception, memory_mb: int) -> Failed:
    """What the error means for the user; one that nobody expected goes into the log."""
    match error:
        case TrainingError(code="out_of_memory") if memory_mb:
            return _out_of_memory(memory_mb)
        case TrainingError():
            return Failed(code=error.code, message=error.message)
        case DocumentError():
            return Failed(code="invalid_document", message=error.message)
        case DatasetMissingError():
            return Failed(code="dataset_missing", message=error.message)
    log.error("the training failed", exc_info=error)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return Failed(code="disk_full", message=DISK_FULL)
    if memory_mb and ("bad_alloc" in str(error) or getattr(error, "errno", None) == errno.ENOMEM):
        return _out_of_memory(memory_mb)
    return Failed(code="internal", message=INTERNAL)


def _out_of_memory(limit: int) -> Failed:
    message = say(
        "The training needed more than the {limit} MB of memory that one may use here. Try smaller batches, or fewer "
        "channels.",
        limit=limit,
    )
    return Failed(code="out_of_memory", message=message)


def main() -> None:
    configure_log(Settings.from_environment().log_format, "training")
    writer, orders = WorkerWriter(), Orders()
    warm_up()
    writer.send(Ready())
    task = orders.training.get()
    bind_process(run=task.run_id, attempt=task.attempt)
    writer.send(run_training(task, writer, orders))
    sys.stderr.flush()
    # Not by returning: that would wait for torch's threads, and the last word is said.
    os._exit(0)


if __name__ == "__main__":
    main()
