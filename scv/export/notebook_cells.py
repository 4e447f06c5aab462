"""The cells of a notebook: the standalone script in steps, with what each step does and why in between.

What the training computes is that of the script, from the same source. scv/notebook.py makes the file of them.
"""

import re
from string import Template
from typing import Literal

import msgspec

from scv.blocks.check import check
from scv.blocks.codegen import module_code
from scv.blocks.document import Document
from scv.blocks.shapes import written
from scv.training.batches import refuse_single_values
from scv.training.recipe import (
    ScriptDataset,
    data_code,
    device_code,
    plain,
    quoted,
    training_code,
    uses_math,
    validates,
)
from scv.training.schedules import SCHEDULES
from scv.training.settings import TrainingSettings


class NotebookCell(msgspec.Struct, frozen=True):
    """One cell. `id` is its name within the notebook, always the same, so that two exports can be compared."""

    id: str
    kind: Literal["markdown", "code"]
    source: str


def cells(
    document: Document, dataset: ScriptDataset, settings: TrainingSettings, *, title: str = "A network"
) -> tuple[NotebookCell, ...]:
    """The cells in order, to be run from top to bottom. Raises `InvalidDocumentError` and `BatchRefusedError`."""
    classes = len(dataset.class_names)
    module = module_code(document, dataset.shape, classes)
    result = check(document, dataset.shape, classes)
    refuse_single_values(result, settings)
    values = {
        "title": _as_markdown(plain(title)),
        "dataset": _as_markdown(plain(dataset.title)),
        "shape": written(dataset.shape),
        "classes": classes,
        "parameters": f"{result.parameters:,}",
        "multiply_adds": f"{result.multiply_adds:,}",
        "class_names": _listed(dataset.class_names),
        "module": module,
        "loader": dataset.script_loader.rstrip(),
        "folder": quoted(dataset.script_folder),
        "imports": "import math\n" if uses_math(settings) else "",
        "data": data_code(settings, dataset).rstrip(),
        "validates": validates(dataset),
        "training": training_code(settings).rstrip(),
        "optimizer": settings.optimizer,
        "rate": SCHEDULES[settings.schedule].does,
        "held_out": "those that the dataset has for validation"
        if dataset.validation_size
        else f"{settings.validation_percent} % of each class",
        "part": f" {settings.train_percent} % of" if settings.train_percent < 100 else "",
        "device": device_code(settings),
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "learning_rate": repr(settings.learning_rate),
        "seed": settings.seed,
    }
    return tuple(
        NotebookCell(cell.id, cell.kind, Template(cell.source).substitute(values).strip("\n")) for cell in _CELLS
    )


def _as_markdown(text: str) -> str:
    """Words that mean nothing to Markdown: they are shown as they are."""
    return re.sub(r"([\\`*_{}\[\]<>()#|~$&!])", r"\\\1", text)


def _listed(names: tuple[str, ...]) -> str:
    """The class names as a list in the code: on one line, or a line each where they are long."""
    line = f"[{', '.join(map(repr, names))}]"
    return line if len(line) <= 100 else "[\n" + "".join(f"    {name!r},\n" for name in names) + "]"


_CELLS = (
    NotebookCell(
        "what",
        "markdown",
        """
# $title

A network for $dataset, built from blocks in SCV: images of $shape numbers, $classes classes,
$parameters parameters to learn and $multiply_adds multiply-adds for one image.

Run the cells from top to bottom. They need `torch`, `torchvision` and `pillow` (`scikit-learn` for the Digits
dataset), and nothing of SCV.
""",
    ),
    NotebookCell(
        "imports",
        "code",
        """
import copy
${imports}import time

import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import nn
""",
    ),
    NotebookCell(
        "about-settings",
        "markdown",
        """
## Settings

Change them and run everything again. The same seed gives the same result.
The learning rate $rate.
""",
    ),
    NotebookCell(
        "settings",
        "code",
        """
EPOCHS = $epochs  # how often the whole training set is shown
BATCH_SIZE = $batch_size  # images before each change of the weights
LEARNING_RATE = $learning_rate
SEED = $seed
DATA = $folder  # where the dataset is
DEVICE = $device
CLASS_NAMES = $class_names
""",
    ),
    NotebookCell(
        "about-network",
        "markdown",
        """
## The network

`__init__` makes the layers, `forward` sends the images through them. Beside each line stands the shape of what comes
out of it, the batch first. The last line gives one number for each class; the largest wins.
""",
    ),
    NotebookCell("network", "code", "$module"),
    NotebookCell(
        "about-data",
        "markdown",
        """
## The data

The training images are split in two: $held_out are held out, to see after each epoch how
well the network does on images that it has not learned from;$part the others teach it. The test images are left
alone until the end.

All images are normalized: from each channel its mean over the training images is taken away, and what is left is
divided by its spread. Networks learn faster from numbers around zero.
""",
    ),
    NotebookCell("data-functions", "code", "$loader\n\n\n$data"),
    NotebookCell(
        "data",
        "code",
        """
train_images, train_labels, test_images, test_labels$validates = load_data(DATA)
mean, std = (part.to(DEVICE) for part in statistics(train_images))
learned, held_out = split(train_labels$validates)
images, labels = train_images[learned].to(DEVICE), train_labels[learned].to(DEVICE)
validation = train_images[held_out].to(DEVICE), train_labels[held_out].to(DEVICE)
test = test_images.to(DEVICE), test_labels.to(DEVICE)
print(f"{len(labels):,} images to train, {held_out.sum():,} to validate, {len(test_labels):,} to test")
""",
    ),
    NotebookCell(
        "about-training",
        "markdown",
        """
## Training

For each batch of images the loss says how wrong the answers are (cross-entropy), `backward` finds how each weight
contributed to that, and the optimizer ($optimizer) moves every weight a little against it. An epoch is over when all
images were shown once. The weights of the epoch that did best on the held-out images are kept.
""",
    ),
    NotebookCell("training-functions", "code", "$training"),
    NotebookCell(
        "training",
        "code",
        """
torch.manual_seed(SEED)
model = Model().to(DEVICE)
print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
weights = train(model, images, labels, validation, mean, std, EPOCHS, BATCH_SIZE, LEARNING_RATE, SEED)
""",
    ),
    NotebookCell(
        "about-test",
        "markdown",
        """
## The test

The test images played no part so far, neither for the weights nor for the choice of the epoch. So this is how well the
network does on images it never saw. Look once: whoever tries until this number is good fools themselves.
""",
    ),
    NotebookCell(
        "test",
        "code",
        """
model.load_state_dict(weights)
test_loss, test_accuracy = evaluate(model, *test, mean, std)
print(f"test loss {test_loss:.4f}, test accuracy {test_accuracy:.2%}")
torch.save(weights, "model.pt")
""",
    ),
    NotebookCell(
        "about-predictions",
        "markdown",
        """
## A look at some predictions

Above the first eight test images, below the first eight that the network gets wrong. Softmax turns its numbers into
shares of 100 %; a network can be sure and wrong all the same.
""",
    ),
    NotebookCell(
        "predictions",
        "code",
        """
with torch.no_grad():
    chances = torch.cat([model(prepare(x, mean, std)).softmax(1) for x in test[0].split(1000)]).cpu()  # (N, classes)
sure, answers = chances.max(1)
rows = [list(range(min(8, len(answers)))), (answers != test_labels).nonzero().squeeze(1)[:8].tolist()]

sheet = Image.new("RGB", (8 * 100, 2 * 100), "white")
for y, row in enumerate(rows):
    for x, number in enumerate(row):
        pixels = test_images[number].permute(1, 2, 0).squeeze(2).numpy()  # (H, W) or (H, W, 3)
        image = ImageOps.contain(Image.fromarray(pixels), (96, 96), Image.Resampling.NEAREST)
        sheet.paste(image, (100 * x, 100 * y))
        print(
            f"image {number}: {CLASS_NAMES[test_labels[number]]}, "
            f"taken for {CLASS_NAMES[answers[number]]} ({sure[number]:.0%} sure)"
        )
sheet
""",
    ),
)
