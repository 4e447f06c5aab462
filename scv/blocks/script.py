"""The standalone script: the network, its data and the training that SCV does, in one file without SCV.

The training loop is `ml.train`'s in short: the same split, order, loss, optimizer and choice of weights.
"""

from string import Template
from typing import Protocol

from scv.blocks.codegen import module_code
from scv.blocks.document import Document
from scv.blocks.message import foreign
from scv.blocks.shapes import Shape
from scv.blocks.training import TrainingSettings


class ScriptDataset(Protocol):
    """What the script must know of a dataset; `script_loader` is source that defines `load_data(folder)`."""

    @property
    def title(self) -> str: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def script_loader(self) -> str: ...


def script(
    document: Document,
    dataset: ScriptDataset,
    settings: TrainingSettings,
    *,
    title: str = "A network",
    file: str = "model.py",
) -> str:
    """A Python file, to be saved as `file`, that trains and tests the network. Raises `InvalidDocumentError`."""
    shape: Shape = dataset.shape
    classes = len(dataset.class_names)
    return _SCRIPT.substitute(
        # The title is a user's own words; nothing in it may end the docstring.
        title=foreign(title, 80).replace("\\", "").replace('"', "'"),
        dataset=dataset.title,
        file=file,
        module=module_code(document, shape, classes),
        loader=dataset.script_loader.rstrip(),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=repr(settings.learning_rate),
        seed=settings.seed,
    )


_SCRIPT = Template('''\
"""$title for $dataset, made with SCV.

Trains the network, chooses the weights of the epoch that does best on held-out training images, tests them
once on the test images and saves them. Needs torch and torchvision (scikit-learn for the Digits dataset).

    python $file
    python $file --epochs 10 --device cuda
"""

import argparse
import copy
import time

import torch
import torch.nn.functional as F
from torch import nn


$module


$loader


def split(labels):
    """Hold out every tenth image of each class, in order, to choose the best epoch by: (N,) of booleans."""
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        held_out[(labels == label).nonzero().squeeze(1)[9::10]] = True
    return held_out


def learning_rate(peak, step, steps):
    """One cycle: up to the peak in the first tenth of all steps, then down to zero."""
    return peak * min((step + 1) / (0.1 * steps), (steps - step) / (0.9 * steps), 1)


def evaluate(model, images, labels):
    """Mean cross-entropy and accuracy over all images."""
    model.eval()
    loss, right = 0.0, 0
    with torch.no_grad():
        for x, y in zip(images.split(1000), labels.split(1000)):
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            right += (logits.argmax(1) == y).sum().item()
    return loss / len(labels), right / len(labels)


def main():
    parser = argparse.ArgumentParser(
        description="Train, test and save a network for $dataset that was built from blocks in SCV.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=$epochs, help="how often the whole training set is shown")
    parser.add_argument("--batch-size", type=int, default=$batch_size, help="images before each change of the weights")
    parser.add_argument("--lr", type=float, default=$learning_rate, help="base rate; it peaks at three times this")
    parser.add_argument("--seed", type=int, default=$seed, help="the same seed gives the same result")
    parser.add_argument("--data", default="data", help="folder of the dataset")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="where to train")
    parser.add_argument("--save", default="model.pt", help="file for the trained weights")
    options = parser.parse_args()

    train_images, train_labels, test_images, test_labels = load_data(options.data)
    pixels = train_images.double() / 255
    mean = pixels.mean((0, 2, 3), keepdim=True).float()
    std = pixels.std((0, 2, 3), keepdim=True, correction=0).float()

    def prepare(images, labels):
        """Bring images to mean 0 and spread 1 per channel, and everything to the device."""
        return ((images.float() / 255 - mean) / std).to(options.device), labels.to(options.device)

    held_out = split(train_labels)
    images, labels = prepare(train_images[~held_out], train_labels[~held_out])
    validation = prepare(train_images[held_out], train_labels[held_out])

    torch.manual_seed(options.seed)
    model = Model().to(options.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(labels):,} training images")

    best = (-1.0, 0.0)
    step, steps = 0, options.epochs * -(-len(labels) // options.batch_size)
    for epoch in range(1, options.epochs + 1):
        started = time.time()
        model.train()
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(options.seed * 1000003 + epoch))
        for batch in order.to(options.device).split(options.batch_size):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(3 * options.lr, step, steps)
            step += 1
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        validation_loss, accuracy = evaluate(model, *validation)
        print(
            f"epoch {epoch}/{options.epochs}: validation loss {validation_loss:.4f}, "
            f"accuracy {accuracy:.2%}, {time.time() - started:.1f} s"
        )
        if (accuracy, -validation_loss) > best:
            best = (accuracy, -validation_loss)
            weights = copy.deepcopy(model.state_dict())

    model.load_state_dict(weights)
    test_loss, test_accuracy = evaluate(model, *prepare(test_images, test_labels))
    print(f"test loss {test_loss:.4f}, test accuracy {test_accuracy:.2%}")
    torch.save(weights, options.save)
    print(f"weights saved to {options.save}")


if __name__ == "__main__":
    main()
''')
