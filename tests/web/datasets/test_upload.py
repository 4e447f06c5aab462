"""What is sent comes a piece at a time, is checked before any of it is kept, and leaves nothing when it is refused."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import pytest

from scv.settings import ROOT, Settings
from tests.data.image_files import classes, noise, saved
from tests.web.conftest import Visitor, sign_in_as_somebody
from tests.web.datasets.sending import begin, datasets_there, head, kept, send, send_zip, served, zipped

IMAGE = ("images", ("a.png", saved(noise(1))))


def with_entry(change: Callable[[ZipInfo], None], name: str = "a/x.png", data: bytes = b"x") -> bytes:
    """A good archive with one more entry that was changed."""
    file = BytesIO(zipped())
    with ZipFile(file, "a") as archive:
        info = ZipInfo(name)
        change(info)
        archive.writestr(info, data)
    return file.getvalue()


def bomb() -> bytes:
    file = BytesIO()
    with ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", bytes(40 * 2**20))
    return file.getvalue()


def encrypted() -> bytes:
    """A good archive whose directory says that its files need a password."""
    content = bytearray(zipped())
    start = 0
    while (start := content.find(b"PK\x01\x02", start)) >= 0:
        content[start + 8] |= 1
        start += 4
    return bytes(content)


def link(info: ZipInfo) -> None:
    info.create_system = 3
    info.external_attr = 0o120777 << 16


BAD = {
    "a zip bomb": (bomb, "times its size"),
    "a place above": (lambda: zipped({**classes(2, 6), "../../evil.png": b"x"}), "a place outside of it"),
    "an absolute name": (lambda: zipped({**classes(2, 6), "/etc/evil.png": b"x"}), "a place outside of it"),
    "a drive": (lambda: zipped({**classes(2, 6), "C:/evil.png": b"x"}), "a place outside of it"),
    "a link": (lambda: with_entry(link), "is a link to another place"),
    "an encrypted one": (encrypted, "is encrypted"),
    "a torn one": (lambda: zipped()[:-40], "is no zip file, or only a part of one"),
    "no zip at all": (lambda: b"hello", "is no zip file"),
    "nothing": (lambda: b"", "is no zip file"),
    "one class": (lambda: zipped(classes(1, 6)), "There is only one class"),
    "a thousand classes": (
        lambda: zipped({f"{number:04}/a.png": b"x" for number in range(1000)}),
        "There are 1,000 classes; at most 200 are allowed.",
    ),
    "no classes": (lambda: zipped({"a.png": b"x", "b.png": b"x"}), "There must be a folder for each class"),
    "a folder with control characters": (
        lambda: zipped({**classes(2, 6), "c\x07/1.png": b"x"}),
        "holds control characters",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_zip_that_cannot_be_used_is_refused_with_its_reason_and_leaves_nothing(
    owner: Visitor, settings: Settings, case: str
) -> None:
    make, words = BAD[case]
    content = make()
    for htmx in (False, True):
        answer = await send_zip(owner, content, htmx=htmx)
        assert answer.status_code == 422
        assert words in answer.text
        assert ("<html" in answer.text) is not htmx
        assert kept(settings) == []
        assert await datasets_there(owner) == 0


async def test_a_zip_becomes_a_draft_and_the_dataset_is_called_as_the_file(owner: Visitor, settings: Settings) -> None:
    content = zipped()
    answer = await send_zip(owner, content)
    assert answer.status_code == 200
    assert answer.url.path == "/datasets/own/1/collect"
    assert "<h1>pets</h1>" in answer.text
    assert (settings.data_dir / "files" / "drafts" / "1" / "upload.zip").read_bytes() == content
    assert kept(settings) == ["drafts/1/upload.zip"]
    answer = await send_zip(owner, content, fields={"name": "Cats and dogs"}, htmx=True)
    assert answer.headers["hx-redirect"] == "/datasets/own/2/collect"
    assert "Cats and dogs" in (await owner.get("/datasets/own/2/collect")).text


async def test_a_name_that_cannot_be_leaves_no_file(owner: Visitor, settings: Settings) -> None:
    answer = await send_zip(owner, zipped(), fields={"name": "x" * 61})
    assert answer.status_code == 422
    assert "A name has 1 to 60 characters." in answer.text
    assert kept(settings) == []
    assert await datasets_there(owner) == 0


SPOILT = {
    "a program": (b"\x7fELF" + bytes(range(256)) * 8, "images that cannot be read"),
    "an empty file": (b"", "empty files"),
    "a drawing of lines": (b"<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>", "images that cannot be read"),
    "a torn image": (saved(noise(3))[:200], "images that cannot be read"),
    "an image that is far too wide": (saved(noise(4, (100_000, 8), "L")), "larger than 50 million pixels"),
    "a tiny one": (saved(noise(5, (4, 4))), "fewer than 8 pixels"),
}


@pytest.mark.parametrize("case", SPOILT)
async def test_a_file_that_is_no_image_is_refused_with_its_reason_and_the_others_are_taken(
    owner: Visitor, settings: Settings, case: str
) -> None:
    content, words = SPOILT[case]
    here = await begin(owner, "cat")
    bad = ("images", ("bad\x07.png", content))
    answer = await send(owner, f"{here}/images", [bad], {"class": "cat"})
    assert answer.status_code == 422
    assert words in answer.text
    assert kept(settings) == []
    answer = await send(owner, f"{here}/images", [IMAGE, bad, IMAGE], {"class": "cat"}, htmx=True)
    assert answer.status_code == 200
    assert words in answer.text
    assert "Images added to cat: 2." in answer.text
    assert kept(settings) == ["drafts/1/pictures/cat/000001.png", "drafts/1/pictures/cat/000002.png"]


async def test_a_form_without_its_token_is_refused_before_it_is_read(owner: Visitor, settings: Settings) -> None:
    here = await begin(owner, "cat")
    for token in ("", "wrong", "x" * 128, "ä" * 64):
        for answer in (
            await send_zip(owner, zipped(), token=token),
            await send(owner, f"{here}/images", [IMAGE], {"class": "cat"}, token=token),
        ):
            assert answer.status_code == 403
            assert "This form is no longer valid" in answer.text
    parts = [IMAGE, ("_csrf_token", (None, await owner.csrf()))]
    late = await owner.client.post(f"{here}/images", files=parts)
    assert late.status_code == 403
    assert kept(settings) == []
    assert await datasets_there(owner) == 1


async def test_a_token_in_the_header_will_do(owner: Visitor, settings: Settings) -> None:
    headers = {"X-CSRFToken": await owner.csrf()}
    assert (await owner.client.post("/datasets/new/zip", files=[("file", ("a.zip", zipped()))], headers=headers)).url
    assert kept(settings) == ["drafts/1/upload.zip"]
    headers = {"X-CSRFToken": "wrong"}
    refused = await owner.client.post("/datasets/new/zip", files=[("file", ("a.zip", zipped()))], headers=headers)
    assert refused.status_code == 403


async def test_files_are_still_refused_where_nothing_takes_them(owner: Visitor) -> None:
    for path in ("/models/new", "/datasets/new", "/language"):
        answer = await send(owner, path, [IMAGE])
        assert answer.status_code == 400


async def test_a_strangers_dataset_is_not_found(owner: Visitor, settings: Settings) -> None:
    here = await begin(owner, "cat")
    await send(owner, f"{here}/images", [IMAGE], {"class": "cat"})
    before = kept(settings)
    await sign_in_as_somebody(owner)
    answers = [
        await send(owner, f"{here}/images", [IMAGE], {"class": "cat"}),
        await send(owner, f"{here}/zip", [("file", ("a.zip", zipped()))]),
        *[await owner.post(f"{here}/{path}", {"class": "cat", "name": "x", "file": "000001.png"}) for path in (
            "classes", "classes/rename", "classes/remove", "images/remove", "options", "make", "discard",
        )],
        *[await owner.get(f"{here}/{path}") for path in (
            "collect", "preview", "images?class=cat&file=000001.png", "samples/0?size=64&color=1&fit=crop",
        )],
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert kept(settings) == before


async def test_who_is_not_signed_in_can_send_nothing(stranger: Visitor, settings: Settings) -> None:
    answer = await send_zip(stranger, zipped())
    assert answer.url.path == "/sign-in"
    assert kept(settings) == []


async def test_what_is_no_form_is_refused(owner: Visitor, settings: Settings) -> None:
    headers = {"X-CSRFToken": await owner.csrf()}
    for kind, body in (
        ("multipart/form-data", b"hello"),
        ("multipart/form-data; boundary=x", b"hello"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nab',
        ),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense\r\n\r\n--x--"),
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"name=a"),
    ):
        answer = await owner.client.post("/datasets/new/zip", content=body, headers={**headers, "Content-Type": kind})
        assert answer.status_code in (400, 422), (kind, body)
    texts = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\xfe\r\n--x--\r\n'
    answer = await owner.client.post(
        "/datasets/new/zip", content=texts, headers={**headers, "Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 400
    assert kept(settings) == []


@pytest.mark.parametrize("given", [{"upload_mb": 1}, {"datasets_mb": 1}])
async def test_more_than_there_is_room_for_is_refused(
    tmp_path: Path, owner: Visitor, settings: Settings, given: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = Settings(data_dir=tmp_path, **given).resolved()
    monkeypatch.setitem(owner.services.__dict__, "settings", limited)
    here = await begin(owner, "cat")
    large = ("images", ("a.png", bytes(1_200_000)))
    words = "larger than 1 MB" if "upload_mb" in given else "may take 1 MB, of which 1 MB are left"
    for htmx in (False, True):
        answer = await send(owner, f"{here}/images", [large], {"class": "cat"}, htmx=htmx)
        assert answer.status_code == 413
        assert words in answer.text
        answer = await send_zip(owner, bytes(1_200_000), htmx=htmx)
        assert answer.status_code == 413
        assert words in answer.text
    assert kept(settings) == []
    assert await datasets_there(owner) == 1


async def test_fifty_at_once_do_not_exceed_the_room_together(
    owner: Visitor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would fit alone; two do not, and whoever comes after one is counted with it."""
    content = zipped({f"{kind}/{n}.png": os.urandom(100_000) for kind in ("cat", "dog") for n in range(3)})
    limited = replace(settings, datasets_mb=1)
    monkeypatch.setitem(owner.services.__dict__, "settings", limited)
    token = await owner.csrf()
    sent = [send_zip(owner, content, f"{number}.zip", token=token) for number in range(50)]
    answers = Counter(answer.status_code for answer in await asyncio.gather(*sent))
    assert answers[200] == await datasets_there(owner) == 1
    assert set(answers) <= {200, 409, 413}


async def test_a_length_that_is_not_announced_is_counted(owner: Visitor, settings: Settings) -> None:
    request = head(owner, await owner.csrf(), "/datasets/new/zip", None)
    piece = b"%x\r\n%b\r\n" % (len(HALF), HALF)
    async with served(replace(settings, upload_mb=3)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request + piece)
        await taken(settings)
        writer.write(b"%x\r\n%b\r\n" % (len(HALF), HALF))
        assert b" 413 " in await reader.readline()
        writer.close()
        assert kept(settings) == []


@pytest.fixture
def tiny_disk(settings: Settings) -> Iterator[Path]:
    """The files' folder as a file system of 256 kB, where this machine lets us mount one."""
    folder = settings.data_dir / "files"
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here; the limit on a file's size stands in for it")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_is_said_and_nothing_stays(owner: Visitor, settings: Settings, tiny_disk: Path) -> None:
    here = await begin(owner, "cat")
    for answer in (
        await send(owner, f"{here}/images", [("images", ("a.png", bytes(400_000)))], {"class": "cat"}),
        await send_zip(owner, bytes(400_000), htmx=True),
    ):
        assert answer.status_code == 507
        assert "The disk of the server is full" in answer.text
    assert kept(settings) == []
    assert await datasets_there(owner) == 1


async def test_a_file_that_may_not_grow_is_said_like_a_full_disk(owner: Visitor, settings: Settings) -> None:
    """The same error as on a full disk, on every machine."""
    token = await owner.csrf()
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
    try:
        answer = await send_zip(owner, bytes(3_000_000), token=token)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert answer.status_code == 507
    assert kept(settings) == []
    assert await datasets_there(owner) == 0


async def test_only_one_thing_is_sent_at_a_time(owner: Visitor, settings: Settings) -> None:
    here = await begin(owner, "cat")
    image = saved(noise(7, (900, 900)))
    body = (
        b'--x\r\nContent-Disposition: form-data; name="class"\r\n\r\ncat\r\n'
        b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n' + image + b"\r\n--x--\r\n"
    )
    request = head(owner, await owner.csrf(), f"{here}/images", len(body))
    async with served(settings) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request + body[:-20])
        await taken(settings)  # the first megabyte of it
        for htmx in (False, True):
            answer = await send(owner, f"{here}/images", [IMAGE], {"class": "cat"}, htmx=htmx)
            assert answer.status_code == 409
            assert "Another upload of yours is still going on" in answer.text
        writer.write(body[-20:])
        assert b" 303 " in await reader.readline()
        writer.close()
    assert kept(settings) == ["drafts/1/pictures/cat/000001.png"]
    assert (await send(owner, f"{here}/images", [IMAGE], {"class": "cat"})).status_code == 200


async def taken(settings: Settings, *, gone: bool = False) -> None:
    """Wait until an upload of the owner goes on, or until there is none any more."""
    async with asyncio.timeout(30):
        while bool(kept(settings)) is gone:  # noqa: ASYNC110 - another process or task writes it
            await asyncio.sleep(0.01)


HALF = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n' + bytes(2_000_000)


async def test_what_is_cut_off_halfway_leaves_nothing(owner: Visitor, settings: Settings) -> None:
    request = head(owner, await owner.csrf(), "/datasets/new/zip", 10_000_000)
    async with served(settings) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request + HALF)
        await writer.drain()
        await taken(settings)
        assert kept(settings) == ["uploads/1/00000"]
        writer.close()
        await taken(settings, gone=True)
        assert kept(settings) == []
        assert await datasets_there(owner) == 0
    assert (await send_zip(owner, zipped())).status_code == 200


async def test_an_answer_comes_also_to_who_still_sends(owner: Visitor, settings: Settings) -> None:
    """A browser reads the answer once all is sent: so what is refused at once is still read, and let fall."""
    length = 30_000_000
    request = head(owner, "wrong", "/datasets/new/zip", length)
    async with served(settings) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        for _ in range(length // 1_000_000):
            writer.write(bytes(1_000_000))
            await writer.drain()
        assert b" 403 " in await reader.readline()
        writer.close()
    assert kept(settings) == []


async def test_what_a_killed_server_was_taking_is_swept_away_by_the_next(owner: Visitor, settings: Settings) -> None:
    request = head(owner, await owner.csrf(), "/datasets/new/zip", 10_000_000)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "from scv.settings import Settings; from scv.web.app import run; run(Settings.from_environment())"
    environment = {**os.environ, **replace(settings, port=port).environment()}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment) as server:  # noqa: ASYNC220
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        writer.write(request + HALF)
        await taken(settings)
        server.kill()
        writer.close()
    assert kept(settings) == ["uploads/1/00000"]
    async with served(settings):
        assert kept(settings) == []
    assert (await send_zip(owner, zipped())).status_code == 200


async def test_what_comes_after_its_dataset_was_deleted_is_not_kept(owner: Visitor, settings: Settings) -> None:
    here = await begin(owner, "cat")
    body = HALF.replace(b"file", b"images", 1) + b"\r\n--x--\r\n"
    request = head(owner, await owner.csrf(), f"{here}/images", len(body))
    async with served(settings) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request + body[:-20])
        await taken(settings)
        await owner.post(f"{here}/discard", {})
        writer.write(body[-20:])
        assert b" 404 " in await reader.readline()
        writer.close()
        await taken(settings, gone=True)
    assert not (settings.data_dir / "files" / "drafts" / "1").exists()


async def test_a_form_with_files_for_no_page_is_not_found(owner: Visitor) -> None:
    assert (await send(owner, "/datasets/own/1/nowhere", [IMAGE])).status_code == 404
