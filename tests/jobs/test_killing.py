"""Whatever is killed, at whatever moment: no run is lost, none is trained twice at once, and all end the same.

A real `scv serve` trains runs on Digits while its processes get SIGKILL, one after the other, at random moments.
TEST_SEED repeats the choices of a run of this test; the moments of the processes themselves are never quite equal.
TEST_KILLS=5 kills five times as often, for nights. On PostgreSQL fewer are killed, of every kind.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import pytest
from sqlalchemy import select, text

from scv.blocks.document import decode
from scv.db.engine import Database
from scv.db.models import create_model
from scv.db.tables import EpochMetric, Run, User
from scv.files import Files, weights_key
from scv.ml.prepare_official import prepare
from scv.ml.train.train import train
from scv.settings import Settings
from scv.training.progress import EpochMetrics, Event, Result
from scv.training.settings import TrainingSettings
from tests.jobs.conftest import is_alive, load, until
from tests.jobs.serving import end, free_port, processes, start, until_it_answers, until_nothing_runs

TIMES = int(os.environ.get("TEST_KILLS", "1"))

KILLS = {
    "sqlite": {"scv.jobs.train_process": 8, "train": 3, "web": 3, "broker": 4, "scv.jobs.fork_server": 1},
    "postgresql": {"scv.jobs.train_process": 3, "train": 2, "web": 1, "broker": 1, "scv.jobs.fork_server": 1},
}
"""How often each kind of process is killed. A new fork server takes longest: it has torch to import."""

VOLLEYS = {"sqlite": (1, 2, 3, 4, 4, 5), "postgresql": (1, 3, 4)}
"""How many kills come in one breath; before the first of each volley a training is under way again."""

BEFORE = (0.0, 0.6)
WITHIN = (0.0, 0.3)
"""Seconds from the moment when a training is under way to the volley, and between the kills of one volley."""

NETWORK = json.dumps(
    {
        "format": 1,
        "blocks": [
            {"id": "c1", "type": "Conv2d", "params": {"out_channels": 4, "kernel_size": 3}},
            {"id": "n1", "type": "BatchNorm2d"},
            {"id": "d1", "type": "Dropout", "params": {"p": 0.3}},
            {"id": "f1", "type": "Flatten"},
            {"id": "l1", "type": "Linear", "params": {"out_features": 10}},
        ],
    }
)
"""Running means and dropout: what a careless resume forgets."""

TRAININGS = [TrainingSettings(epochs=epochs, batch_size=8, seed=seed) for seed, epochs in enumerate((6, 10))]

NOTE = """INSERT INTO watched (run_id, epoch, token, loss)
  SELECT NEW.run_id, NEW.epoch, lease_token, NEW.validation_loss FROM runs WHERE id = NEW.run_id;
"""

WATCH = {
    "sqlite": (
        "CREATE TABLE watched (n INTEGER PRIMARY KEY, run_id INTEGER, epoch INTEGER, token TEXT, loss REAL)",
        f"CREATE TRIGGER watch AFTER INSERT ON epoch_metrics BEGIN {NOTE} END",
    ),
    "postgresql": (
        "CREATE TABLE watched (n SERIAL, run_id INTEGER, epoch INTEGER, token TEXT, loss DOUBLE PRECISION)",
        f"CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {NOTE} RETURN NULL; END $$",
        "CREATE TRIGGER watch AFTER INSERT ON epoch_metrics FOR EACH ROW EXECUTE FUNCTION note()",
    ),
}
"""Notes for every epoch that is recorded who had the lease at that moment, in the order of recording."""


@dataclass(frozen=True)
class Outcome:
    """All that a training's numbers are: the bytes of its weights, its figures and its epochs' figures."""

    weights: str
    figures: tuple[float | int | None, ...]
    epochs: tuple[tuple[float | int | bool, ...], ...]


async def ask_for(database: Database, training: TrainingSettings) -> Run:
    """A user who asks for a run; the workers find it by themselves."""
    async with database.writing() as session:
        user = User(name="Ada")
        session.add(user)
        await session.flush()
        model = await create_model(session, user, "Net", "digits", decode(NETWORK), training)
        run = Run(version_id=model.versions[0].id, document_json=NETWORK, settings=training, dataset="digits")
        session.add(run)
    return run


async def outcome_of(database: Database, files: Files, run: Run) -> Outcome:
    async with database.reading() as session:
        done = await session.get_one(Run, run.id)
        epochs = await session.scalars(
            select(EpochMetric).where(EpochMetric.run_id == run.id).order_by(EpochMetric.epoch)
        )
        assert (done.status, done.failure_message) == ("finished", None), f"run {run.id}"
        content = await asyncio.to_thread(files.path(weights_key(run.id)).read_bytes)
        return Outcome(
            weights=sha256(content).hexdigest(),
            figures=(done.test_accuracy, done.test_loss, done.best_epoch, done.parameters),
            epochs=tuple(
                (e.epoch, e.train_loss, e.train_accuracy, e.validation_loss, e.validation_accuracy, e.best)
                for e in epochs
            ),
        )


def outcome_alone(data_dir: Path, training: TrainingSettings) -> Outcome:
    """The same training with nothing around it: no processes, no ledger."""
    heard: list[Event] = []
    result = train(
        decode(NETWORK),
        training,
        prepare(data_dir, "digits"),
        folder=data_dir / f"alone-{training.seed}",
        device="cpu",
        emit=heard.append,
        should_stop=lambda: False,
    )
    assert isinstance(result, Result)
    return Outcome(
        weights=sha256(Path(result.weights).read_bytes()).hexdigest(),
        figures=(result.test_accuracy, result.test_loss, result.best_epoch, result.parameters),
        epochs=tuple(
            (e.epoch, e.train_loss, e.train_accuracy, e.validation_loss, e.validation_accuracy, e.best)
            for e in heard
            if isinstance(e, EpochMetrics)
        ),
    )


async def all_ended(database: Database, runs: list[Run]) -> bool:
    return not any([(await load(database, run)).active for run in runs])


def trained_by(settings: Settings) -> dict[int, str]:
    """Which run each training child works on: it works in that run's scratch folder."""
    found: dict[int, str] = {}
    for name, pid in processes(settings):
        if name == "scv.jobs.train_process":
            try:
                place = Path(f"/proc/{pid}/cwd").readlink()
            except OSError:
                continue
            if place.name == "scratch" and is_alive(pid):
                found[pid] = place.parent.name
    return found


async def training_or_ended(settings: Settings, database: Database, runs: list[Run]) -> bool:
    return bool(trained_by(settings)) or await all_ended(database, runs)


async def watch(settings: Settings, doubled: list[dict[int, str]]) -> None:
    """Look again and again whether two children train one run."""
    while True:
        now = await asyncio.to_thread(trained_by, settings)
        if len(set(now.values())) < len(now):
            doubled.append(now)
        await asyncio.sleep(0.04)


def volleys(engine: str, chance: random.Random) -> Iterator[list[str]]:
    """All kills in a random order."""
    order = [kind for kind, times in KILLS[engine].items() for _ in range(TIMES * times)]
    chance.shuffle(order)
    sizes = TIMES * VOLLEYS[engine]
    assert sum(sizes) == len(order)
    for size in chance.sample(sizes, len(sizes)):
        yield order[:size]
        del order[:size]


async def kill_one(settings: Settings, kind: str, chance: random.Random) -> bool:
    """Kill a process of the kind as soon as there is one; returns whether a run was in training at that moment."""

    async def is_there() -> bool:
        return any(name == kind for name, _ in processes(settings))

    await until(is_there)
    training = trained_by(settings)
    candidates = [pid for name, pid in processes(settings) if name == kind]
    if kind == "scv.jobs.train_process" and training:
        candidates = list(training)  # rather than the spare, which is started again with no ado
    if candidates:
        os.kill(chance.choice(candidates), signal.SIGKILL)
    return bool(training)


@pytest.fixture
async def settings(tmp_path: Path, engine: str, database_url: str) -> AsyncIterator[Settings]:
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=database_url if engine == "postgresql" else "",
        port=free_port(),
        device="cpu",
        lease_seconds=1,
        attempts=1000,
        checkpoint_seconds=0.1,
        reports="opened",
    )
    process = await start(settings)
    yield settings.resolved()
    await end(process)
    await until_nothing_runs(settings)
    assert process.returncode == 0


async def test_nothing_is_lost_or_doubled_or_changed_whatever_is_killed(
    settings: Settings, tmp_path: Path, engine: str
) -> None:
    seed = int(os.environ.get("TEST_SEED", time.time_ns() % 1_000_000))
    sys.stdout.write(f"TEST_SEED={seed}\n")
    chance = random.Random(seed)
    files = Files(settings.data_dir / "files")
    # While the server starts.
    expected = [await asyncio.to_thread(outcome_alone, tmp_path, training) for training in TRAININGS]
    await until_it_answers(settings)
    database = Database(settings.database_url)
    try:
        async with database.writing() as session:
            for statement in WATCH[engine]:
                await session.execute(text(statement))

        doubled: list[dict[int, str]] = []
        watching = asyncio.create_task(watch(settings, doubled))
        runs: list[Run] = []
        met: Counter[bool] = Counter()
        for volley in volleys(engine, chance):
            if await all_ended(database, runs):
                runs += [await ask_for(database, training) for training in TRAININGS]
            await until(partial(training_or_ended, settings, database, runs), 120)
            await asyncio.sleep(chance.uniform(*BEFORE))
            for kind in volley:
                met[await kill_one(settings, kind, chance)] += 1
                await asyncio.sleep(chance.uniform(*WITHIN))
        await until(lambda: all_ended(database, runs), 300)
        watching.cancel()

        sys.stdout.write(f"{met.total()} kills, {met[True]} of them amid a training, {len(runs)} runs\n")
        assert met[True] >= met.total() / 4
        assert doubled == []
        for number, run in enumerate(runs):
            assert await outcome_of(database, files, run) == expected[number % len(expected)]
        async with database.reading() as session:
            rows = (await session.execute(text("SELECT run_id, token, epoch, loss FROM watched ORDER BY n"))).all()
        for run in runs:
            told = [row for row in rows if row.run_id == run.id]
            holders = [token for token, _ in groupby(row.token for row in told)]
            # Who has lost the lease records nothing any more: no token comes back after another one.
            assert None not in holders
            assert len(holders) == len(set(holders))
            # What a later attempt records again is what was recorded before.
            assert len({(row.epoch, row.loss) for row in told}) == len({row.epoch for row in told})
    finally:
        await database.close()
