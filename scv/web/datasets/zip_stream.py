"""A dataset as a zip that is sent while it is made: nothing is written to the disk, and memory holds a few images."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress

from scv.data.own.archives import ImagesError
from scv.data.own.export import export_zip
from scv.data.resident import Resident

_PIECE = 1 << 16


async def zip_of(resident: Resident) -> AsyncIterator[bytes]:
    """The bytes of the zip, in order. Whoever stops listening ends the thread that writes it."""
    reading, writing = os.pipe()

    def write() -> None:
        # Into a pipe whose other end is closed nothing can be written: nobody wants the rest.
        with suppress(ImagesError, BrokenPipeError), os.fdopen(writing, "wb") as file:
            export_zip(resident, file)

    written = asyncio.create_task(asyncio.to_thread(write))
    try:
        with os.fdopen(reading, "rb", buffering=0) as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece
    finally:
        await written
