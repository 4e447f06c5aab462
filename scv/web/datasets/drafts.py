"""What the pages of drafts share: files that are sent to them, work on the disk."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

from scv.data.own.archives import ImagesError
from scv.db.tables import User
from scv.errors import NotFoundError, RefusedError
from scv.message import Message, say
from scv.web.datasets.quota import room_of
from scv.web.http.render import AnyRequest
from scv.web.http.services import Services
from scv.web.http.uploads import Sent, disk_needed, sent_by

T = TypeVar("T")


def collect_address(dataset_id: int) -> str:
    """Where the draft's page is."""
    return f"/datasets/own/{dataset_id}/collect"


@asynccontextmanager
async def received(request: AnyRequest, services: Services, user: User) -> AsyncIterator[Sent]:
    """What somebody sends, as much of it as they have room for."""

    async def room() -> tuple[int, Message]:
        found = await room_of(services, user)
        return found.most, found.too_large

    async with sent_by(request, services.files.root / "uploads", user.id, room) as sent:
        yield sent


def the_file(sent: Sent) -> Path:
    """The one file that was sent. Raises `RefusedError`."""
    if len(sent.files) != 1:
        raise RefusedError(say("Choose one zip file."))
    return sent.files[0].path


async def on_disk(work: Callable[[], T]) -> T:
    """Work on the disk beside the event loop, whose troubles become those that a page can say."""

    def guarded() -> T:
        with _told():
            return work()

    return await asyncio.to_thread(guarded)


@contextmanager
def _told() -> Iterator[None]:
    try:
        with disk_needed():
            yield
    except ImagesError as error:
        raise RefusedError(error.message) from error
    except (KeyError, IndexError, FileNotFoundError) as error:
        raise NotFoundError(say("There is no such image, or it has just been removed.")) from error
