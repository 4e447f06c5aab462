"""The page of a draft: what was found in it or collected, what its images will become, and what keeps it waiting."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from scv.data.own.archives import ImagesError
from scv.data.own.draft import Draft, Found
from scv.data.own.importing import LEAST_OF_A_CLASS, SIZES, ImageOptions
from scv.data.own.summary import left_out
from scv.db.tables import Dataset
from scv.errors import RefusedError
from scv.jobs.own_datasets import options_of
from scv.message import Message, say
from scv.web.datasets.own_task import pending_version
from scv.web.datasets.quota import Room
from scv.web.tasks.view import TaskView

OFFERED = (28, 32, 64, 96, 128, 224)
"""Sizes of images that are offered; any other between `SIZES` can be typed."""

LATEST = 12
"""So many images of a collected class are shown, the newest ones."""

Kind = Literal["nothing", "zip", "images"]


@dataclass(frozen=True)
class ClassCard:
    """A class. `key` names it in the page, `number` in addresses; `latest` are files of it, the newest first."""

    name: str
    key: str
    number: int
    images: int
    latest: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CollectPage:
    """`fixed` says that size, colour and fit are those of an earlier version. `before` are the classes of that.

    `told` is what was done last, sentence by sentence; `problem` why something was not. `task` is the work on a version
    of the draft, or why the last one could not be made; while `busy` nobody may change the draft.
    """

    dataset: Dataset
    kind: Kind
    classes: tuple[ClassCard, ...]
    before: tuple[str, ...]
    left_out: tuple[Message, ...]
    options: ImageOptions
    fixed: bool
    busy: bool
    task: TaskView | None
    room: Room
    stamp: str
    chosen: str = ""
    told: tuple[Message, ...] = ()
    problem: Message | None = None

    sizes = OFFERED
    least, most = SIZES
    least_of_a_class = LEAST_OF_A_CLASS

    @property
    def here(self) -> str:
        """The address that all addresses of the draft begin with."""
        return f"/datasets/own/{self.dataset.id}"

    @property
    def images(self) -> int:
        return sum(card.images for card in self.classes)

    @property
    def estimate(self) -> int:
        """Bytes of the new images, as they are kept: a byte a value, and the label."""
        return self.images * (self.options.channels * self.options.size**2 + 8)

    @property
    def too_much(self) -> bool:
        """Whether the quota would be broken; what waits here goes when a version has been made."""
        return self.estimate > self.room.left

    @property
    def ready(self) -> bool:
        """Whether it can be imported."""
        return self.images > 0 and not self.busy and self.lacking is None

    @property
    def lacking(self) -> Message | None:
        """What is missing for a dataset, None where nothing is."""
        filled = [card for card in self.classes if card.images]
        if len({*self.before, *(card.name for card in filled)}) < 2:
            return say("Two classes with images are needed.")
        small = [card.name for card in filled if card.images < LEAST_OF_A_CLASS and card.name not in self.before]
        if self.kind == "images" and small:
            return say(
                "Each class needs {least} images; these have too few: {names}.",
                least=LEAST_OF_A_CLASS,
                names=", ".join(small[:5]) + (", …" if len(small) > 5 else ""),
            )
        return None

    def samples(self, card: ClassCard) -> str:
        """The address of some images of a class as the network will see them."""
        options = self.options
        query = {"size": options.size, "color": int(options.color), "fit": options.fit, "v": self.stamp}
        return f"{self.here}/samples/{card.number}?{urlencode(query)}"

    def thumbnail(self, card: ClassCard, file: str) -> str:
        return f"{self.here}/images?{urlencode({'class': card.name, 'file': file})}"


def collect_page(
    dataset: Dataset,
    draft: Draft,
    room: Room,
    task: TaskView | None,
    *,
    chosen: str = "",
    told: tuple[Message, ...] = (),
    problem: Message | None = None,
) -> CollectPage:
    """Looks at the disk. `dataset` is loaded with its versions."""
    found = Found((), {})
    try:
        found = draft.look()
    except ImagesError as error:
        problem = problem or error.message
    newest = dataset.newest
    return CollectPage(
        dataset=dataset,
        kind="zip" if draft.zip.is_file() else "images" if found.classes else "nothing",
        classes=tuple(_card(draft, number, entry.name, entry.images) for number, entry in enumerate(found.classes)),
        before=tuple(newest.class_names) if newest else (),
        left_out=tuple(left_out(found.refused)),
        options=options_of(dataset),
        fixed=bool(dataset.versions),
        busy=pending_version(dataset) is not None,
        task=task,
        room=room,
        stamp=hashlib.sha256(repr(found.classes).encode()).hexdigest()[:12],
        chosen=chosen,
        told=told,
        problem=problem,
    )


def _card(draft: Draft, number: int, name: str, images: int) -> ClassCard:
    latest: tuple[str, ...] = ()
    with suppress(KeyError):  # of an archive, or taken away this very moment
        latest = tuple(draft.files(name)[:LATEST])
    return ClassCard(name, hashlib.sha256(name.encode()).hexdigest()[:12], number, images, latest)


def read_options(fields: Mapping[str, str]) -> ImageOptions:
    """Size, colour and fit from a form or an address. Raises `RefusedError`."""
    size, fit = fields.get("size", ""), fields.get("fit", "")
    if size == "other":
        size = fields.get("other", "").strip()
    if not (size.isascii() and size.isdecimal() and len(size) < 6):
        raise RefusedError(
            say("The size is a whole number of pixels from {least} to {most}.", least=SIZES[0], most=SIZES[1])
        )
    try:
        return ImageOptions(
            size=int(size),
            color=fields.get("color") == "1",
            fit="pad" if fit == "pad" else "stretch" if fit == "stretch" else "crop",
        )
    except ImagesError as error:
        raise RefusedError(error.message) from error
