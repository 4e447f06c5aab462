"""The lines of JSON between a worker and its training child: one struct a line, on its stdin and stdout."""

import msgspec

from scv.jobs.lines import Renewed, Stop
from scv.training.progress import Event


class Train(msgspec.Struct, tag="train", frozen=True, kw_only=True):
    """Train this snapshot. `document` and `settings` are JSON text, `data_dir` and `folder` absolute paths.

    `run_id` and `attempt` are for the log.

    The child ends itself when it hears nothing for `lease_seconds`: by then another worker may have the run,
    and two children must never write into the same folder. `memory_mb` is how much it may use, 0 for no limit.
    """

    run_id: int
    attempt: int
    document: str
    settings: str
    dataset: str
    data_dir: str
    folder: str
    device: str
    lease_seconds: float
    checkpoint_seconds: float
    memory_mb: int


class Pause(msgspec.Struct, tag="pause", frozen=True):
    """Keep the state at the next step, stop and say so."""


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """The child has imported everything and waits for its training."""


ToChild = Train | Renewed | Stop | Pause
FromChild = Event | Ready

read_to_child = msgspec.json.Decoder(ToChild).decode
read_from_child = msgspec.json.Decoder(FromChild).decode
