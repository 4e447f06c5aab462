"""A process that does tasks of a kind of its own, as the test wants it: `argument` names one of these ways."""

import os
import sys
import time

import msgspec

from scv.jobs.task_process import ProgressSender, TaskFailedError, run
from scv.message import say
from scv.stage import Stage

COUNTING = say("Counting")


def work(argument: str, on_progress: ProgressSender) -> None:
    way = msgspec.json.decode(argument, type=str)
    on_progress(Stage(COUNTING, 1, 4))
    match way:
        case "fails":
            raise TaskFailedError(say("The disk is full."), refused=True)
        case "is broken":
            raise ZeroDivisionError
        case "has no memory":
            raise MemoryError
        case "dies":
            os._exit(9)
        case "talks nonsense":
            os.write(3, b"{")  # the duplicate of stdout
            os._exit(0)
        case "is silent" | "is deaf":
            time.sleep(3600)
        case "goes on":
            while True:
                time.sleep(0.02)
                on_progress(Stage(COUNTING, 2, 4))
        case "prints":
            sys.stdout.write("to nobody\n")


if __name__ == "__main__":
    sys.exit(run(work))
