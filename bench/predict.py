"""How long a person waits for the answer to their own picture: from a file's bytes to the answer, warm, in one process.

    python bench/predict.py [--count 20] [--epochs 2]

Trains a LeNet on MNIST, then asks it about drawings and photographs of digits, 200 to 1,600 pixels wide.
Prints `name value unit` lines: of finding the writing, of the network, of both, and how many were read rightly.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from scv.blocks.document import Document
from scv.blocks.starters import STARTERS
from scv.blocks.training import TrainingSettings
from scv.data.own_picture import form_of, see
from scv.data.resident import Resident
from scv.ml.familiar import learn_familiar
from scv.ml.official import prepare
from scv.ml.predict import predict
from scv.ml.train import WEIGHTS, train
from scv.ml.trained import Trained, load_trained
from tests.data.handwriting import KINDS, pictures
from tests.ml.conftest import place_mnist


def trained_on(data: Resident, document: Document, folder: Path, epochs: int) -> Trained:
    """A network after so many epochs."""
    settings = TrainingSettings(epochs=epochs, seed=1)
    train(document, settings, data, folder=folder, emit=lambda event: None, should_stop=lambda: False)
    return load_trained(folder / WEIGHTS)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=20, help="pictures of each kind")
    options.add_argument("--epochs", type=int, default=2)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place_mnist(Path(folder))
        data = prepare(Path(folder), "mnist")
        document = STARTERS["lenet"].build(data.shape, data.classes)
        trained = trained_on(data, document, Path(folder), arguments.epochs)
        before = time.perf_counter()
        familiar = learn_familiar(trained, data)
        print(f"learn_familiar {time.perf_counter() - before:.3f} s")
    form = form_of("mnist", data.shape)
    seeing, asking, right = [], [], 0
    predict(trained, see(pictures(0, 1, seed=5)[0][1], form).pixels, familiar)
    for kind, named in enumerate(KINDS):
        read = 0
        for digit, picture in pictures(kind, arguments.count, seed=4):
            start = time.perf_counter()
            seen = see(picture, form)
            middle = time.perf_counter()
            answer = predict(trained, seen.pixels, familiar)
            asking.append(time.perf_counter() - middle)
            seeing.append(middle - start)
            read += answer.guesses[0].label == digit
        print(f"read_{named.__name__} {read / arguments.count:.3f} share")
        right += read
    print(f"read_all {right / len(seeing):.4f} share")
    both = [one + other for one, other in zip(seeing, asking, strict=True)]
    for name, times in (("see", seeing), ("predict", asking), ("bytes_to_answer", both)):
        print(f"{name}_median {1000 * statistics.median(times):.1f} ms")
        print(f"{name}_p95 {1000 * statistics.quantiles(times, n=20)[-1]:.1f} ms")


if __name__ == "__main__":
    main()
