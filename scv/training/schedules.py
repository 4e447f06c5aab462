"""The schedules of the learning rate, each declared once: a new one is a row of `SCHEDULES`, and nothing else.

Form, help, the check of a snapshot, script, notebook and engine read them here.
"""

import msgspec

from scv.message import Message, mark, say


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """How the learning rate changes, in words that follow "the learning rate", and as source code.

    `source` defines `learning_rate(lr, step, steps)`: the rate of a step, counted from 0, of all `steps` of a run. It
    may use `math`. It is empty where the rate stays the same.
    """

    does: str
    source: str


SCHEDULES: dict[str, Schedule] = {
    "one-cycle": Schedule(  # Smith and Topin 2018
        does=mark("rises to three times the rate in the first tenth of the training, then falls to zero"),
        source='''\
def learning_rate(lr, step, steps):
    """One cycle: up to three times the rate in the first tenth of all steps, then down to zero."""
    return 3 * lr * min((step + 1) / (0.1 * steps), (steps - step) / (0.9 * steps), 1)
''',
    ),
    "cosine": Schedule(  # Loshchilov and Hutter 2017
        does=mark("falls to zero in half a cosine"),
        source='''\
def learning_rate(lr, step, steps):
    """Half a cosine: from the rate down to zero."""
    return lr * (1 + math.cos(math.pi * step / steps)) / 2
''',
    ),
    "step": Schedule(  # He et al. 2016
        does=mark("is divided by ten at a half and at three quarters of the training"),
        source='''\
def learning_rate(lr, step, steps):
    """In steps: a tenth of the rate after half of the training, a hundredth after three quarters."""
    return lr * (1 if step < 0.5 * steps else 0.1 if step < 0.75 * steps else 0.01)
''',
    ),
    "constant": Schedule(does=mark("stays the same"), source=""),
}


def described_schedules() -> Message:
    """What each of them does, one after the other."""
    first, *others = (
        say("{schedule}: {does}", schedule=name, does=Message(schedule.does)) for name, schedule in SCHEDULES.items()
    )
    for other in others:
        first = say("{first}; {other}", first=first, other=other)
    return first
