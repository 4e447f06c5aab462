"""The standalone script: the network, its data and the training that SCV does, in one file without SCV."""

from string import Template

from scv.blocks.check import check
from scv.blocks.codegen import module_code
from scv.blocks.document import Document
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
from scv.training.settings import TrainingSettings


def script(
    document: Document,
    dataset: ScriptDataset,
    settings: TrainingSettings,
    *,
    title: str = "A network",
    file: str = "model.py",
) -> str:
    """A Python file, to be saved as `file`, that trains and tests the network.

    Raises `InvalidDocumentError` and `BatchRefusedError`.
    """
    refuse_single_values(check(document, dataset.shape, len(dataset.class_names)), settings)
    return _SCRIPT.substitute(
        title=plain(title),
        file=file,
        dataset=plain(dataset.title),
        module=module_code(document, dataset.shape, len(dataset.class_names)),
        loader=dataset.script_loader.rstrip(),
        folder=quoted(dataset.script_folder),
        imports="import math\n" if uses_math(settings) else "",
        data=data_code(settings, dataset).rstrip(),
        validates=validates(dataset),
        training=training_code(settings).rstrip(),
        device=device_code(settings),
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
${imports}import time

import torch
import torch.nn.functional as F
from torch import nn


$module


$loader


$data


$training


def main():
    parser = argparse.ArgumentParser(
        description="Train, test and save a network for $dataset that was built from blocks in SCV.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=$epochs, help="how often the whole training set is shown")
    parser.add_argument("--batch-size", type=int, default=$batch_size, help="images before each change of the weights")
    parser.add_argument("--lr", type=float, default=$learning_rate, help="learning rate, before the schedule")
    parser.add_argument("--seed", type=int, default=$seed, help="the same seed gives the same result")
    parser.add_argument("--data", default=$folder, help="where the dataset is")
    parser.add_argument("--device", default=$device, help="where to train")
    parser.add_argument("--save", default="model.pt", help="file for the trained weights")
    options = parser.parse_args()

    train_images, train_labels, test_images, test_labels$validates = load_data(options.data)
    mean, std = (part.to(options.device) for part in statistics(train_images))
    learned, held_out = split(train_labels$validates)
    images, labels = train_images[learned].to(options.device), train_labels[learned].to(options.device)
    validation = train_images[held_out].to(options.device), train_labels[held_out].to(options.device)

    torch.manual_seed(options.seed)
    model = Model().to(options.device)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(labels):,} training images")
    how = options.epochs, options.batch_size, options.lr, options.seed
    weights = train(model, images, labels, validation, mean, std, *how)

    model.load_state_dict(weights)
    test = test_images.to(options.device), test_labels.to(options.device)
    test_loss, test_accuracy = evaluate(model, *test, mean, std)
    print(f"test loss {test_loss:.4f}, test accuracy {test_accuracy:.2%}")
    torch.save(weights, options.save)
    print(f"weights saved to {options.save}")


if __name__ == "__main__":
    main()
''')
