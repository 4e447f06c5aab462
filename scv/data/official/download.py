"""Downloads the original files of the official datasets, checked by their hashes."""

import hashlib
import ssl
import tempfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from scv.data.errors import DatasetMissingError
from scv.data.official.catalogue import DatasetInfo, Download
from scv.data.official.originals import take_in
from scv.message import Message, say
from scv.stage import Stage

_TIMEOUT = 15.0  # seconds without a byte
_CHUNK = 1 << 18


def fetch(
    data_dir: Path, info: DatasetInfo, progress: Callable[[Stage], None], mirror: str | None = None
) -> list[Path]:
    """Download what is missing and put it into place; returns the files that are new.

    `mirror` is the address of a folder that holds the files as they are published, instead of their makers' own.
    What was downloaded whole stays, so that another try goes on with the rest. Raises `DatasetMissingError`.
    """
    missing = set(info.missing(data_dir))
    wanted = [download for download in info.downloads if missing & set(download.holds)]
    total = sum(download.size for download in wanted)
    before, placed = 0, []
    with tempfile.TemporaryDirectory(prefix=f".{info.name}-in-", dir=data_dir / "datasets") as folder:
        for download in wanted:
            path = Path(folder) / download.file
            message = say("Downloading {dataset}", dataset=info.title)

            def on_progress(done: int, before: int = before, message: Message = message) -> None:
                progress(Stage(message, before + done, total))

            _download_from_any(data_dir, info, download, path, on_progress, mirror)
            progress(Stage(say("Unpacking {dataset}", dataset=info.title)))
            placed += take_in(data_dir, info, path)
            path.unlink()
            before += download.size
    return placed


def _download_from_any(
    data_dir: Path,
    info: DatasetInfo,
    download: Download,
    path: Path,
    on_progress: Callable[[int], None],
    mirror: str | None,
) -> None:
    """Try one address after the other."""
    why = say("the server does not answer")
    for url in download.urls if mirror is None else (f"{mirror.rstrip('/')}/{download.file}",):
        on_progress(0)
        try:
            if _download(url, path, download, on_progress):
                return
            why = say("what arrived is not the original file: its checksum differs")
        except HTTPError as error:
            why = say("the server answers {status}", status=str(error.code))
        except (URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError, ValueError):
            why = say("the server does not answer")
    raise DatasetMissingError(
        say(
            "{file} of {dataset} could not be downloaded: {why}. Without internet, put the files {files} into "
            "{folder}, or the files as they are published ({published}), and try again.",
            file=download.file,
            dataset=info.title,
            why=why,
            files=", ".join(original.name for original in info.originals),
            folder=str(data_dir / info.folder),
            published=", ".join(each.file for each in info.downloads),
        )
    )


def _download(url: str, path: Path, download: Download, on_progress: Callable[[int], None]) -> bool:
    """Download one file; returns whether it is the one that was asked for."""
    if not url.startswith(("https://", "http://")):
        raise ValueError(url)
    digest = hashlib.md5(usedforsecurity=False)
    done = 0
    request = Request(url, headers={"User-Agent": "scv"})  # noqa: S310 - http as checked above
    with urlopen(request, timeout=_TIMEOUT) as answer, path.open("wb") as file:  # noqa: S310 - likewise
        while chunk := answer.read(_CHUNK):
            done += len(chunk)
            if done > download.size:
                return False
            file.write(chunk)
            digest.update(chunk)
            on_progress(done)
    return digest.hexdigest() == download.md5
