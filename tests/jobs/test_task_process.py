"""What a process that does a task sends to its worker, and how it hears of the wish to stop."""

import pytest

from scv.jobs import task_process
from scv.jobs.task_process import ProgressSender, TaskStoppedError
from scv.jobs.task_protocol import TaskProgress
from scv.message import say
from scv.stage import Stage

LOADING, CONVERTING = say("Downloading {dataset}", dataset="SVHN"), say("Converting {dataset}", dataset="SVHN")


def test_a_stage_is_not_sent_at_every_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_process, "_EVERY", 3600.0)
    sent: list[TaskProgress] = []
    on_progress = ProgressSender(sent.append, lambda: False)
    for done in range(300):
        on_progress(Stage(LOADING, done, 300))
    on_progress(Stage(LOADING, 300, 300))
    on_progress(Stage(CONVERTING))
    on_progress(Stage(CONVERTING, 1, 2), 0.9)
    assert sent == [
        TaskProgress(Stage(LOADING, 0, 300), 0.0),
        TaskProgress(Stage(LOADING, 300, 300), 1.0),
        TaskProgress(Stage(CONVERTING), None),
    ]


def test_a_wish_to_stop_is_heard_at_the_next_word() -> None:
    sent: list[TaskProgress] = []
    wishes = iter([False, True])
    on_progress = ProgressSender(sent.append, lambda: next(wishes))
    on_progress(Stage(LOADING, 1, 4))
    with pytest.raises(TaskStoppedError):
        on_progress(Stage(LOADING, 2, 4))
    assert len(sent) == 1
