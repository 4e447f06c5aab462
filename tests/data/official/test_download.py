"""Downloads from a server on this machine, of small files in the original formats."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from scv.data.errors import DatasetMissingError
from scv.data.resident import is_prepared
from scv.ml.prepare_official import prepare_official
from scv.stage import Stage
from tests.data.official.originals import ALL, Small, cifar10, svhn
from tests.data.official.test_originals import left_in


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, counts what is asked for, and breaks off where a file's name is in `broken`."""

    asked: list[str]
    broken: set[str]

    def __init__(self, asked: list[str], broken: set[str], *arguments: Any, **named: Any) -> None:
        self.asked, self.broken = asked, broken
        super().__init__(*arguments, **named)

    def do_GET(self) -> None:
        self.asked.append(self.path.rpartition("/")[2])
        if self.asked[-1] not in self.broken:
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Mirror:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.broken: set[str] = set()
        handler = partial(Handler, self.asked, self.broken, directory=str(folder))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/files"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def offer(self, small: Small) -> None:
        small.put(self.folder / "files", small.published)

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    mirror = Mirror(tmp_path / "mirror")
    yield mirror
    mirror.close()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.mark.parametrize("made", ALL.values(), ids=ALL)
def test_what_is_published_is_downloaded_and_converted(data_dir: Path, mirror: Mirror, made: Any) -> None:
    small: Small = made()
    mirror.offer(small)
    stages: list[Stage] = []

    resident = prepare_official(data_dir, small.info, stages.append, mirror=mirror.url)

    assert np.array_equal(resident.train_images, small.images["train"])
    assert sorted(mirror.asked) == sorted(small.published)
    loading = [stage for stage in stages if str(stage.message) == f"Downloading {small.info.title}"]
    assert loading[0].done == 0
    assert [stage.done for stage in loading] == sorted(stage.done for stage in loading)
    assert loading[-1].done == loading[-1].total == sum(map(len, small.published.values()))
    assert loading[-1].share == 1
    assert str(stages[-1].message) == f"Converting {small.info.title}"
    assert [name for name in left_in(data_dir) if name.startswith("datasets/.")] == []


def test_an_address_after_which_another_comes_is_passed_over(data_dir: Path, mirror: Mirror) -> None:
    small = cifar10()
    mirror.offer(small)
    (download,) = small.info.downloads
    urls = ("http://127.0.0.1:9/cifar-10-python.tar.gz", f"{mirror.url}/cifar-10-python.tar.gz")
    info = msgspec.structs.replace(small.info, downloads=(msgspec.structs.replace(download, urls=urls),))

    assert prepare_official(data_dir, info).test_labels.shape == (130,)


def test_a_second_try_goes_on_with_what_is_missing(data_dir: Path, mirror: Mirror) -> None:
    small = svhn()
    mirror.offer(small)
    mirror.broken.add("test_32x32.mat")
    with pytest.raises(DatasetMissingError):
        prepare_official(data_dir, small.info, mirror=mirror.url)
    assert left_in(data_dir) == ["SVHN/train_32x32.mat"]
    mirror.broken.clear()
    mirror.asked.clear()

    prepare_official(data_dir, small.info, mirror=mirror.url)

    assert mirror.asked == ["test_32x32.mat"]


def cut(mirror: Mirror, small: Small) -> str:
    mirror.broken.add("cifar-10-python.tar.gz")
    return "its checksum differs"


def change(mirror: Mirror, small: Small) -> str:
    path = mirror.folder / "files" / "cifar-10-python.tar.gz"
    path.write_bytes(path.read_bytes()[:-9] + bytes(9))
    return "its checksum differs"


def send_more(mirror: Mirror, small: Small) -> str:
    path = mirror.folder / "files" / "cifar-10-python.tar.gz"
    path.write_bytes(path.read_bytes() + bytes(10_000_000))
    return "its checksum differs"


def have_none(mirror: Mirror, small: Small) -> str:
    (mirror.folder / "files" / "cifar-10-python.tar.gz").unlink()
    return "the server answers 404"


@pytest.mark.parametrize("fault", [cut, change, send_more, have_none])
def test_a_download_that_goes_wrong_says_why_and_leaves_nothing(data_dir: Path, mirror: Mirror, fault: Any) -> None:
    small = cifar10()
    mirror.offer(small)
    why = fault(mirror, small)

    with pytest.raises(DatasetMissingError, match=f"could not be downloaded: .*{why}"):
        prepare_official(data_dir, small.info, mirror=mirror.url)

    assert left_in(data_dir) == []
    assert not is_prepared(data_dir, small.info.name)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "file:///etc", "no address", "http://", "http://[::"])
def test_without_internet_it_says_what_to_put_where(data_dir: Path, address: str) -> None:
    small = svhn()
    with pytest.raises(DatasetMissingError) as caught:
        prepare_official(data_dir, small.info, mirror=address)

    message = str(caught.value.message)
    assert "train_32x32.mat of SVHN could not be downloaded: the server does not answer" in message
    assert f"put the files train_32x32.mat, test_32x32.mat into {data_dir / 'SVHN'}" in message
    assert left_in(data_dir) == []


def test_a_download_can_be_left_in_the_middle(data_dir: Path, mirror: Mirror) -> None:
    class LeftError(Exception):
        pass

    def leave(stage: Stage) -> None:
        if stage.done:
            raise LeftError

    small = cifar10()
    mirror.offer(small)
    with pytest.raises(LeftError):
        prepare_official(data_dir, small.info, leave, mirror=mirror.url)
    assert left_in(data_dir) == []
