"""The tables. One class a noun; nothing loads by itself (`lazy="raise"`), each query says what it needs."""

from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from scv.blocks.document import Block
from scv.db.base import Base, now
from scv.db.stored import stored_blocks, stored_document, stored_settings
from scv.message import Message
from scv.stage import Stage

RunStatus = Literal["queued", "running", "finished", "stopped", "failed"]

VersionStatus = Literal["making", "ready"]

Role = Literal["owner", "member"]

TaskState = Literal["queued", "running", "done", "failed", "stopped"]

ACTIVE: tuple[RunStatus, ...] = ("queued", "running")
"""A run in one of these goes on, unless it is paused; in any other it has ended for good."""

_ACTIVE_TASKS = text("state IN ('queued', 'running')")


class User(Base):
    """A person. The owner of the instance looks after it; members use it. Visitors have no row."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    role: Mapped[Role] = mapped_column(String(16), default="member", server_default="member")
    language: Mapped[str] = mapped_column(String(8), default="en")
    created_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def is_owner(self) -> bool:
        """Whether the instance is this user's."""
        return self.role == "owner"


class Identity(Base):
    """One way in which a user signs in: `subject` is who they are to `provider`.

    The one-time link is the provider "link", to which a user is their id.
    """

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("provider", "subject"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    provider: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="raise")


class SigninLink(Base):
    """A link that signs its bearer in once. Only the hash of its token is kept."""

    __tablename__ = "signin_links"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Clipboard(Base):
    """The blocks that a user copied last, to be pasted into any model."""

    __tablename__ = "clipboards"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    blocks_json: Mapped[str] = mapped_column("blocks", Text)

    blocks = stored_blocks("blocks_json")

    @property
    def readable(self) -> tuple[Block, ...]:
        """The blocks; none where another version of SCV left something there that this one cannot read."""
        try:
            return self.blocks
        except msgspec.DecodeError:
            return ()


class Session(Base):
    """A browser that is signed in. Only the hash of its token is kept."""

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]

    user: Mapped[User] = relationship(lazy="raise")


class Notice(Base):
    """Something a user is told when they come by next, for there is no page left to say it on. `text` is JSON."""

    __tablename__ = "notices"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Dataset(Base):
    """A person's own images; those that can be trained on are in its versions.

    Size (pixels), colour and fit are those that every version has: they can be changed until there is one.
    `failure` says why the last version could not be made, as JSON. `last_number` is the highest that a version has had.
    Of a deleted one the row stays, without a name, so that the models and runs that used it can still be looked at.
    Ids and numbers are never used again, since folders are named after them.
    """

    __tablename__ = "datasets"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    image_size: Mapped[int] = mapped_column(default=64)
    color: Mapped[bool] = mapped_column(default=True)
    fit: Mapped[str] = mapped_column(String(8), default="crop")
    failure: Mapped[str | None] = mapped_column(Text)
    last_number: Mapped[int] = mapped_column(default=0, server_default="0")
    published_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    user: Mapped[User] = relationship(lazy="raise")
    versions: Mapped[list["DatasetVersion"]] = relationship(
        lazy="raise", back_populates="dataset", passive_deletes=True, order_by="DatasetVersion.number"
    )

    @property
    def newest(self) -> "DatasetVersion | None":
        """The newest version that is there; the versions are loaded."""
        return next((version for version in reversed(self.versions) if version.status == "ready"), None)


class DatasetVersion(Base):
    """One immutable state of a person's own images; `name` is that of its resident form, such as own-12-3.

    While it is being made there is `changes` (JSON), which says what from; then there are the figures. `train`,
    `validation` and `test` count the images of each class. `summary` (JSON) says what became of the files.
    """

    __tablename__ = "dataset_versions"
    __table_args__ = (
        CheckConstraint("status IN ('making', 'ready')", name="status"),
        UniqueConstraint("dataset_id", "number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(String(60), unique=True)
    status: Mapped[VersionStatus] = mapped_column(String(8), default="making")
    changes: Mapped[str | None] = mapped_column(Text)
    class_names: Mapped[list[str]] = mapped_column(JSON, default=list)
    train: Mapped[list[int]] = mapped_column(JSON, default=list)
    validation: Mapped[list[int]] = mapped_column(JSON, default=list)
    test: Mapped[list[int]] = mapped_column(JSON, default=list)
    hash: Mapped[str | None] = mapped_column(String(80))
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    summary: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)

    dataset: Mapped[Dataset] = relationship(lazy="raise", back_populates="versions")


class Model(Base):
    """A network somebody builds for one dataset; its documents are in its versions.

    `dataset` is the name of an official one, or of a version of a person's `own`. Ids are never used again: a page that
    still shows a deleted model must not meet another one.
    """

    __tablename__ = "models"
    __table_args__ = (
        Index(None, "user_id", "updated_at"),
        Index(None, "user_id", "created_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(60))
    dataset: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    user: Mapped[User] = relationship(lazy="raise")
    own: Mapped["DatasetVersion | None"] = relationship(
        lazy="raise", viewonly=True, primaryjoin="foreign(Model.dataset) == DatasetVersion.name"
    )
    versions: Mapped[list["Version"]] = relationship(
        lazy="raise", back_populates="model", passive_deletes=True, order_by="Version.number"
    )


class Version(Base):
    """One state of a model: a block document and training settings, both JSON text.

    `revision` grows by one with every saved change; a writer must name the one it has seen. `step` says which
    state of the history the document is: undo goes one back, redo one forward.
    """

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("model_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    number: Mapped[int]
    document_json: Mapped[str] = mapped_column("document", Text)
    settings_json: Mapped[str] = mapped_column("settings", Text)
    revision: Mapped[int] = mapped_column(default=0)
    step: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    document = stored_document("document_json")
    settings = stored_settings("settings_json")
    model: Mapped[Model] = relationship(lazy="raise", back_populates="versions")
    runs: Mapped[list["Run"]] = relationship(
        lazy="raise", back_populates="version", passive_deletes=True, order_by="Run.id.desc()"
    )


class DocumentState(Base):
    """A document that a version had: what undo and redo go back and forth between, by `step`."""

    __tablename__ = "document_states"

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document_json: Mapped[str] = mapped_column("document", Text)


class Run(Base):
    """One training of a snapshot of a version, with what came of it.

    While it is running, `lease_token` says which worker may write to it and `lease_until` how long that
    worker is believed to be alive. `paused` says that its user wants it to wait: no worker takes it then, and
    the one that has it gives it back. `trained_seconds` is how long workers have had it in all, `taken_at` when
    one took it last. Runs of one network from several seeds have a `series`, the id of their first. Accuracies
    are shares from 0 to 1, `seconds` the training's wall time. Ids are never used again, since files and event
    streams are named after them.
    """

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint("status IN ('queued', 'running', 'finished', 'stopped', 'failed')", name="status"),
        Index(None, "status", "lease_until"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"), index=True)
    status: Mapped[RunStatus] = mapped_column(String(8), default="queued")
    document_json: Mapped[str] = mapped_column("document", Text)
    settings_json: Mapped[str] = mapped_column("settings", Text)
    dataset: Mapped[str] = mapped_column(String(60))
    dataset_hash: Mapped[str | None] = mapped_column(String(80))
    series: Mapped[int | None] = mapped_column(index=True)
    attempt: Mapped[int] = mapped_column(default=1)
    lease_token: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    stop_requested: Mapped[bool] = mapped_column(default=False)
    paused: Mapped[bool] = mapped_column(default=False, server_default=false())
    trained_seconds: Mapped[float] = mapped_column(default=0.0, server_default="0")
    taken_at: Mapped[datetime | None]
    failure_code: Mapped[str | None] = mapped_column(String(40))
    failure_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    device: Mapped[str | None] = mapped_column(String(60))
    parameters: Mapped[int | None] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"))
    test_accuracy: Mapped[float | None]
    test_loss: Mapped[float | None]
    best_epoch: Mapped[int | None]
    seconds: Mapped[float | None]
    libraries: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    weights: Mapped[str | None] = mapped_column(String(200))

    document = stored_document("document_json")
    settings = stored_settings("settings_json")
    version: Mapped[Version] = relationship(lazy="raise", back_populates="runs")
    own: Mapped["DatasetVersion | None"] = relationship(
        lazy="raise", viewonly=True, primaryjoin="foreign(Run.dataset) == DatasetVersion.name"
    )
    metrics: Mapped[list["EpochMetric"]] = relationship(
        lazy="raise", passive_deletes=True, order_by="EpochMetric.epoch"
    )

    @property
    def active(self) -> bool:
        """Whether the run goes on by itself: waiting for a worker, or running."""
        return self.status in ACTIVE and not self.held

    @property
    def held(self) -> bool:
        """Whether the run has been paused and waits until somebody has it go on."""
        return self.status == "queued" and bool(self.paused)

    @property
    def ended(self) -> bool:
        """Whether the run neither trains nor waits nor pauses."""
        return not self.active and not self.held

    @property
    def trained(self) -> bool:
        """Whether the run has ended and left weights, so that it can predict and be reported on."""
        return self.ended and self.weights is not None

    def is_of(self, version: Version) -> bool:
        """Whether the version's blocks are still those that were trained."""
        return self.document_json == version.document_json

    @property
    def failure(self) -> Message | None:
        """Why the run failed; stored as JSON, so that it is translated for whoever reads it."""
        return None if self.failure_message is None else msgspec.json.decode(self.failure_message, type=Message)


class EpochMetric(Base):
    """One finished epoch of a run; epochs count from 1. `best`: the best validation accuracy until then."""

    __tablename__ = "epoch_metrics"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    train_loss: Mapped[float]
    train_accuracy: Mapped[float]
    validation_loss: Mapped[float]
    validation_accuracy: Mapped[float]
    seconds: Mapped[float]
    best: Mapped[bool]
    learning_rate: Mapped[float] = mapped_column(default=0.0, server_default="0")
    images_per_second: Mapped[float] = mapped_column(default=0.0, server_default="0")


class Task(Base):
    """Long work that is not a training: preparing a dataset, making a version of one, a report.

    `subject` names what the work is about in the terms of its `kind`: a dataset, a version, a run. `title` is what
    the subject was called when the work was requested, and `arguments` (JSON) what else the work depends on, so that a
    failed task can be tried again. The user is the one who requested it.

    While a task runs, `lease_token` says which worker may write to it, and `lease_until` how long that worker is
    believed to be alive. `stage` is a `Stage` as JSON, `fraction` the finished share of the whole (0 to 1), `estimate`
    the seconds that are left; each is None where it is not known. `message` (JSON) is the reason of a failure. Of one
    kind and subject at most one task is active. Ids are never used again, since jobs are named after them.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'stopped')", name="state"),
        Index(
            "uq_tasks_active",
            "kind",
            "subject",
            unique=True,
            sqlite_where=_ACTIVE_TASKS,
            postgresql_where=_ACTIVE_TASKS,
        ),
        Index(None, "kind", "subject"),
        Index(None, "state", "lease_until"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(60))
    title: Mapped[str] = mapped_column(String(200))
    arguments: Mapped[str | None] = mapped_column(Text)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    state: Mapped[TaskState] = mapped_column(String(8), default="queued")
    stage: Mapped[str | None] = mapped_column(Text)
    fraction: Mapped[float | None]
    estimate: Mapped[float | None]
    message: Mapped[str | None] = mapped_column(Text)
    stop_requested: Mapped[bool] = mapped_column(default=False)
    attempt: Mapped[int] = mapped_column(default=1)
    lease_token: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="raise")

    @property
    def active(self) -> bool:
        """Whether the task waits for a worker or runs; else it has ended for good."""
        return self.state in ("queued", "running")

    @property
    def current_stage(self) -> Stage | None:
        """What the worker is doing, where it has said so."""
        return None if self.stage is None else msgspec.json.decode(self.stage, type=Stage)

    @property
    def failure(self) -> Message | None:
        """Why the task failed; stored as JSON, so that it is translated for whoever reads it."""
        return None if self.message is None else msgspec.json.decode(self.message, type=Message)
