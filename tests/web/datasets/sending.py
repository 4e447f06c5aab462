"""Sending files as a browser's form does, and what is then on the disk."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import uvicorn
from sqlalchemy import func, select

from scv.db.tables import Dataset
from scv.settings import Settings
from scv.web.app import create_app
from tests.data.image_files import classes
from tests.web.conftest import Visitor


def zipped(files: dict[str, bytes] | None = None) -> bytes:
    """A zip file of these files, else of two classes with six images each."""
    written = BytesIO()
    with ZipFile(written, "w") as archive:
        for name, data in (files or classes(2, 6)).items():
            archive.writestr(name, data)
    return written.getvalue()


async def send(
    visitor: Visitor,
    path: str,
    files: Sequence[tuple[str, tuple[str, bytes]]],
    fields: dict[str, str] | None = None,
    *,
    token: str | None = None,
    htmx: bool = False,
) -> httpx.Response:
    """Post a form with files, the token first."""
    data = {"_csrf_token": await visitor.csrf() if token is None else token, **(fields or {})}
    headers = {"HX-Request": "true"} if htmx else {}
    answer = await visitor.client.post(path, data=data, files=list(files), headers=headers, follow_redirects=False)
    # This client, other than a browser, would send the type of the form along.
    return await visitor.client.get(answer.headers["location"]) if answer.is_redirect else answer


async def send_zip(visitor: Visitor, content: bytes, name: str = "pets.zip", **options: object) -> httpx.Response:
    """Send it as a new dataset."""
    return await send(visitor, "/datasets/new/zip", [("file", (name, content))], **options)  # type: ignore[arg-type]


async def begin(visitor: Visitor, *names: str) -> str:
    """A new dataset with these empty classes; the address of its draft's page without its last part."""
    answer = await visitor.post("/datasets/new", {"name": "Hands"})
    here = answer.url.path.removesuffix("/collect")
    for name in names:
        assert (await visitor.post(f"{here}/classes", {"name": name})).status_code == 200
    return here


def kept(settings: Settings) -> list[str]:
    """All that was sent and is on the disk, without locks."""
    root = settings.data_dir / "files"
    paths = (path for folder in ("uploads", "drafts") for path in (root / folder).rglob("*"))
    return sorted(str(path.relative_to(root)) for path in paths if path.is_file() and path.suffix != ".lock")


async def datasets_there(visitor: Visitor) -> int:
    async with visitor.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(Dataset)) or 0


def draft_of(settings: Settings, here: str) -> Path:
    return settings.data_dir / "files" / "drafts" / here.rpartition("/")[2]


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[int]:
    """The application behind a real server; the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(settings), log_level="error", timeout_graceful_shutdown=1, ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve([listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.02)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


def head(visitor: Visitor, token: str, path: str, length: int | None) -> bytes:
    """The beginning of a request that sends a form of so many bytes with the boundary x; None leaves that open."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())
    return (
        f"POST {path} HTTP/1.1\r\nHost: testserver.local\r\nCookie: {cookies}\r\nX-CSRFToken: {token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\n{size}\r\n\r\n"
    ).encode()
