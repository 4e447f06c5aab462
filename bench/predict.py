"""How long a person waits for the answer to their own image: within one process, and through a whole `scv serve`.

    python bench/predict.py [--count 20] [--epochs 2]

Trains a LeNet on MNIST, then asks it about drawings and photographs of digits, 200 to 1,600 pixels wide. Prints
`name value unit` lines: of finding the writing, of the network, of both, and how many were read rightly. Then a server
is asked about a drawing and about a photograph of twelve megapixels, each beside a bare answer to the same bytes.
"""

import argparse
import asyncio
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image

from scv.blocks.document import Document
from scv.blocks.starters import STARTERS
from scv.data.images.preprocess import form_of, see
from scv.data.resident import Resident
from scv.db.engine import Database
from scv.db.models import create_model
from scv.db.tables import Run, User
from scv.files import weights_key
from scv.jobs.predictor import Networks, answer_to
from scv.ml.explain.out_of_distribution import learn_familiar
from scv.ml.predict import predict
from scv.ml.prepare_official import prepare
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import Trained, load_trained
from scv.settings import ROOT, Settings
from scv.training.settings import TrainingSettings

sys.path.insert(0, str(ROOT))  # the images are those of the tests

from tests.data.handwriting import KINDS, drawn_dark, images, pen_on_paper
from tests.ml.conftest import place_mnist

PHOTOGRAPH = (3024, 4032)


def trained_on(data: Resident, document: Document, folder: Path, epochs: int) -> Trained:
    """A network after so many epochs."""
    settings = TrainingSettings(epochs=epochs, seed=1)
    train(document, settings, data, folder=folder, emit=lambda event: None, should_stop=lambda: False)
    return load_trained(folder / WEIGHTS)


def print_times(name: str, times: list[float]) -> None:
    print(f"{name}_median {1000 * statistics.median(times):.1f} ms")
    print(f"{name}_p95 {1000 * statistics.quantiles(times, n=20)[-1]:.1f} ms")


def in_one_process(trained: Trained, data: Resident, count: int) -> None:
    before = time.perf_counter()
    detector = learn_familiar(trained, data)
    print(f"learn_familiar {time.perf_counter() - before:.3f} s")
    form = form_of("mnist", data.shape)
    seeing, asking, right = [], [], 0
    predict(trained, see(images(0, 1, seed=5)[0][1], form).pixels, detector)
    for kind, named in enumerate(KINDS):
        read = 0
        for digit, image in images(kind, count, seed=4):
            start = time.perf_counter()
            seen = see(image, form)
            middle = time.perf_counter()
            answer = predict(trained, seen.pixels, detector)
            asking.append(time.perf_counter() - middle)
            seeing.append(middle - start)
            read += answer.guesses[0].label == digit
        print(f"read_{named.__name__} {read / count:.3f} share")
        right += read
    print(f"read_all {right / len(seeing):.4f} share")
    print_times("see", seeing)
    print_times("network", asking)
    print_times("bytes_to_answer", [one + other for one, other in zip(seeing, asking, strict=True)])


async def add_run(settings: Settings, document: Document) -> int:
    """A finished run of the owner's, whose weights are at its key."""
    database = Database(settings.database_url)
    try:
        async with database.writing() as session:
            user = await session.get_one(User, 1)
            chosen = TrainingSettings()
            model = await create_model(session, user, "LeNet", "mnist", document, chosen)
            version = model.versions[0]
            run = Run(version_id=version.id, document=document, settings=chosen, dataset="mnist", status="finished")
            session.add(run)
            await session.flush()
            run.weights = weights_key(run.id)
        return run.id
    finally:
        await database.close()


@contextmanager
def served(settings: Settings) -> Iterator[httpx.Client]:
    """A server, and a browser in which its owner has signed in."""
    environment = {**os.environ, **settings.environment(), "SCV_REDIS_URL": "", "SCV_DATABASE_URL": ""}
    command = [sys.executable, "-m", "scv", "serve"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=120, follow_redirects=True) as client:
            page = client.get(re.findall(r"http\S+", line)[-1])
            client.headers["X-CSRFToken"] = re.findall(r'name="_csrf_token" value="(\w+)"', page.text)[0]
            yield client
    finally:
        process.terminate()
        process.communicate()


def timed(count: int, work: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def own_images() -> dict[str, bytes]:
    """A drawing, and a photograph as large as a telephone's camera makes it."""
    drawing = images(KINDS.index(drawn_dark), 1, seed=4)[0][1]
    paper = Image.open(BytesIO(images(KINDS.index(pen_on_paper), 1, seed=4)[0][1]))
    content = BytesIO()
    paper.convert("RGB").resize(PHOTOGRAPH, Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
    return {"drawing": drawing, "photograph": content.getvalue()}


def through_a_server(folder: Path, document: Document, count: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(data_dir=folder, port=port, device="cpu").resolved()
    with served(settings) as client:
        run = asyncio.run(add_run(settings, document))
        weights = folder / "files" / weights_key(run)
        weights.parent.mkdir(parents=True)
        (folder / WEIGHTS).rename(weights)
        here = f"/runs/{run}/try"
        networks = Networks(folder)
        both: list[float] = []
        for name, image in own_images().items():

            def ask(image: bytes = image) -> None:
                answer = client.post(here, files={"images": ("p", image)}, headers={"HX-Request": "true"})
                if answer.status_code != 200 or "data:image/png" not in answer.text:
                    log = (folder / "logs" / "web.log").read_text()[-3000:]
                    raise RuntimeError(f"no answer: {answer.status_code} {log}")

            def ask_bare(image: bytes = image) -> None:
                if answer_to(networks, weights, image).prediction is None:
                    raise RuntimeError("no answer")

            timed(5, ask)
            timed(5, ask_bare)
            print(f"{name}_bytes {len(image)} B")
            times = timed(count, ask)
            both += times
            print_times(f"served_{name}", times)
            print_times(f"bare_{name}", timed(count, ask_bare))
        print(f"predict_p95 {1000 * statistics.quantiles(both, n=20)[-1]:.1f} ms")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=20, help="images of each kind")
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--only-served", action="store_true", help="leave out what happens in one process")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place_mnist(Path(folder))
        data = prepare(Path(folder), "mnist")
        document = STARTERS["lenet"].build(data.shape, data.classes)
        trained = trained_on(data, document, Path(folder), arguments.epochs)
        if not arguments.only_served:
            in_one_process(trained, data, arguments.count)
        through_a_server(Path(folder), document, max(40, arguments.count))


if __name__ == "__main__":
    main()
