"""A run as a page shows it while it trains: the row of the database, updated by the events of the stream."""

from dataclasses import dataclass, replace

from scv.db.tables import EpochMetric, Run
from scv.jobs.events import Queued, Retrying, RunEvent, is_last
from scv.message import Message, say
from scv.training.progress import EpochMetrics, Paused, Progress, Result, Started, Testing

PAUSED = say("Paused")

LATEST = 8
"""The number of epochs that the table shows while the run trains."""


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """One moment of a run. `done` is the share of the whole run, 0 to 1.

    `position` is the place of a waiting run in the queue, from 1; None for a run that does not wait.
    """

    run_id: int
    stage: Message
    epochs: int
    waiting: bool = False
    position: int | None = None
    done: float = 0.0
    progress: Progress | None = None
    metrics: tuple[EpochMetrics, ...] = ()
    ended: bool = False

    @property
    def percent(self) -> int:
        """`done` in percent."""
        return round(self.done * 100)

    @property
    def listed(self) -> tuple[EpochMetrics, ...]:
        """The epochs of the table: the latest ones, newest first, while the run trains; all of them afterwards."""
        return self.metrics if self.ended else self.metrics[: -LATEST - 1 : -1]

    @property
    def best(self) -> int | None:
        """The epoch whose weights are the best so far."""
        return max((metric.epoch for metric in self.metrics if metric.best), default=None)


def live_run(run: Run, epochs: int, position: int | None = None) -> LiveRun:
    """The run by its row. `epochs` is the number of epochs in its settings."""
    metrics = tuple(map(metrics_of, run.metrics))
    stages = {
        "queued": say("Waiting for a free worker"),
        "running": say("Training on {device}", device=run.device) if run.device else say("Training"),
        "finished": say("Finished"),
        "stopped": say("Stopped"),
        "failed": say("Failed"),
    }
    done = 1.0 if run.status == "finished" else min(len(metrics) / epochs, 1.0)
    return LiveRun(
        run_id=run.id,
        stage=PAUSED if run.held else stages[run.status],
        epochs=epochs,
        waiting=run.status == "queued" and not run.held,
        position=position,
        done=done,
        metrics=metrics,
        ended=not run.active,
    )


def fold(live: LiveRun, event: RunEvent) -> LiveRun:
    """The run after an event. An event that the row knows already changes nothing."""
    if is_last(event):
        return replace(live, ended=True, progress=None, done=1.0 if isinstance(event, Result) else live.done)
    match event:
        case Queued():
            live = replace(live, stage=say("Waiting for a free worker"), waiting=True, ended=False)
        case Paused():
            live = replace(live, stage=PAUSED, progress=None, waiting=False, ended=True)
        case Retrying(attempt=attempt):
            live = replace(
                live, stage=say("Interrupted; going on as attempt {attempt}", attempt=attempt), progress=None
            )
        case Started(device=device):
            live = replace(
                live, stage=say("Training on {device}", device=device), waiting=False, position=None, ended=False
            )
        case Progress(done=done):
            live = replace(live, progress=event, done=done)
        case EpochMetrics():
            kept = [known for known in live.metrics if known.epoch != event.epoch]
            live = replace(live, metrics=tuple(sorted([*kept, event], key=lambda metric: metric.epoch)))
        case Testing(best_epoch=best):
            live = replace(live, stage=say("Testing the weights of epoch {epoch}", epoch=best), progress=None)
    return live


def metrics_of(row: EpochMetric) -> EpochMetrics:
    """A row of an epoch as an event."""
    return EpochMetrics(
        epoch=row.epoch,
        train_loss=row.train_loss,
        train_accuracy=row.train_accuracy,
        validation_loss=row.validation_loss,
        validation_accuracy=row.validation_accuracy,
        seconds=row.seconds,
        best=row.best,
        learning_rate=row.learning_rate,
        images_per_second=row.images_per_second,
    )
