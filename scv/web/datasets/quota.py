"""How much of the disk a user's own datasets take, drafts included, and what may still be sent."""

import asyncio
from dataclasses import dataclass

from scv.db import datasets
from scv.db.tables import User
from scv.jobs.own_datasets import draft_of
from scv.message import Message, say
from scv.web.http.services import Services

MB = 10**6


@dataclass(frozen=True)
class Room:
    """In bytes: what is used of what there is for one user, and the most that may be sent at once."""

    used: int
    quota: int
    upload: int

    @property
    def left(self) -> int:
        return max(0, self.quota - self.used)

    @property
    def most(self) -> int:
        """What may be sent now."""
        return min(self.upload, self.left)

    @property
    def share(self) -> float:
        """Of the quota that is used, 0 to 1."""
        return min(1.0, self.used / self.quota)

    @property
    def too_large(self) -> Message:
        """Why more than `most` is refused."""
        if self.upload <= self.left:
            return say("This is larger than {most} MB, the limit for one upload.", most=self.upload // MB)
        return say(
            "There is no room for this: your datasets may take {quota} MB, of which {left} MB are left. Delete what "
            "you no longer need.",
            quota=self.quota // MB,
            left=self.left // MB,
        )


async def room_of(services: Services, user: User) -> Room:
    """Reads the sizes of the user's drafts from the disk."""
    async with services.database.reading() as session:
        versions = await datasets.bytes_of(session, user)
        ids = await datasets.ids_of(session, user)
    drafts = [draft_of(services.files, dataset_id) for dataset_id in ids]
    waiting = await asyncio.to_thread(lambda: sum(draft.size_on_disk for draft in drafts))
    settings = services.settings
    return Room(used=versions + waiting, quota=settings.datasets_mb * MB, upload=settings.upload_mb * MB)
