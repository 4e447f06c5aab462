"""The training that SCV does as source code, in named parts: the script and the notebook are put together from them.

It is `ml.train` in short: the same split, order, loss, optimizer and choice of weights, with only those steps that the
settings ask for. `learning_rate` and `augment` are run by `ml` itself, from this source. The parts need `copy`, `time`,
`torch`, `torch.nn.functional` as `F`, `math` where `uses_math` says so, and each other.
"""

from collections.abc import Callable
from itertools import count
from string import Template
from typing import Any, Protocol

import msgspec

from scv.message import foreign
from scv.training.optimizers import OPTIMIZERS, written_arguments
from scv.training.schedules import SCHEDULES
from scv.training.settings import TrainingSettings


class ScriptDataset(Protocol):
    """What exported code must know of a dataset; `script_loader` is source that defines `load_data(folder)`.

    `script_folder` is the folder that it gets where nobody says otherwise. Where `validation_size` is not 0, it says
    besides which of the training images validate.
    """

    @property
    def title(self) -> str: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def script_loader(self) -> str: ...
    @property
    def script_folder(self) -> str: ...
    @property
    def validation_size(self) -> int: ...


def plain(text: str) -> str:
    """A user's own words, such as a title, with nothing in them that may end a string or escape from it."""
    return foreign(text, 80).replace("\\", "").replace('"', "'")


def quoted(text: str) -> str:
    """A text as a literal of the code, whatever is in it; in double quotes where that needs no more than them."""
    written = repr(text)
    return written if '"' in written else f'"{written[1:-1]}"'


def optimizer_arguments(settings: TrainingSettings) -> dict[str, Any]:
    """Keyword arguments of `torch.optim`'s class besides the learning rate."""
    optimizer = OPTIMIZERS[settings.optimizer]
    decays = settings.weight_decay or optimizer.default_decay
    return optimizer.arguments | ({"weight_decay": settings.weight_decay} if decays else {})


class Augmentation(msgspec.Struct, frozen=True):
    """`source` defines `augment(images, draws)`, which takes `draws` random numbers for each image."""

    source: str
    draws: int


def augmentation(settings: TrainingSettings) -> Augmentation | None:
    """How training images are augmented; None where they are not.

    The pixels of the new image are looked up in the old one, all images of a batch at once, with bilinear
    interpolation; outside the old image it is black. Cutout: DeVries and Taylor 2017.
    """
    numbers = count()

    def draw() -> str:
        return f"draws[{next(numbers)}]"

    lines = [*_geometry(settings, draw), *_cutout(settings, draw)]
    if not lines:
        return None
    body = "\n".join(f"    {line}" for line in lines)
    return Augmentation(_AUGMENT.substitute(body=body), next(numbers))


def _geometry(settings: TrainingSettings, draw: Callable[[], str]) -> list[str]:
    """The lines that flip, crop, rotate and shift; none where the settings ask for none of it."""
    moves: list[str] = []
    if settings.flip:
        moves += ["# mirror one half", f"x = torch.where({draw()} < 0.5, -x, x)"]
    if settings.crop:
        moves += [
            f"# crop by up to {settings.crop} % of a side",
            f"size = 1 - {settings.crop / 100} * {draw()}",
            f"x = size * x + (1 - size) * width * ({draw()} - 0.5)",
            f"y = size * y + (1 - size) * height * ({draw()} - 0.5)",
        ]
    if settings.rotation:
        moves += [
            f"# turn by up to {settings.rotation} degrees",
            f"angle = math.radians({settings.rotation}) * (2 * {draw()} - 1)",
            "x, y = angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y",
        ]
    if settings.shift:
        moves += [
            f"# shift by up to {settings.shift} pixels",
            f"x = x + ({draw()} * {2 * settings.shift + 1}).floor() - {settings.shift}",
            f"y = y + ({draw()} * {2 * settings.shift + 1}).floor() - {settings.shift}",
        ]
    if not moves:
        return []
    return [
        "x = torch.arange(width, device=images.device) - (width - 1) / 2  # (W,), in pixels from the middle",
        "y = (torch.arange(height, device=images.device) - (height - 1) / 2).unsqueeze(1)  # (H, 1)",
        *moves,
        "grid = torch.stack(torch.broadcast_tensors(2 * x / width, 2 * y / height), 3)  # (B, H, W, 2)",
        "images = F.grid_sample(images.float(), grid, align_corners=False)",
    ]


def _cutout(settings: TrainingSettings, draw: Callable[[], str]) -> list[str]:
    """The lines that make a square black; none where the settings ask for none."""
    if not settings.cutout:
        return []
    return [
        f"# cut out a square of {settings.cutout} pixels",
        f"top = ({draw()} * height).floor() - {settings.cutout // 2}",
        f"left = ({draw()} * width).floor() - {settings.cutout // 2}",
        "row = torch.arange(height, device=images.device).unsqueeze(1)  # (H, 1)",
        "column = torch.arange(width, device=images.device)  # (W,)",
        f"hidden = (row >= top) & (row < top + {settings.cutout})",
        f"hidden = hidden & (column >= left) & (column < left + {settings.cutout})  # (B, H, W)",
        "images = images.masked_fill(hidden.unsqueeze(1), 0)",
    ]


_AUGMENT = Template('''\
def augment(images, draws):
    """Vary images of 0 to 255, (B, C, H, W), by chances from 0 to 1, (draws, B, 1, 1)."""
    height, width = images.shape[2:]
$body
    return images
''')


def uses_math(settings: TrainingSettings) -> bool:
    """Whether the parts need `import math`."""
    return "math." in training_code(settings)


def device_code(settings: TrainingSettings) -> str:
    """Where the script trains unless told otherwise."""
    return '"cuda" if torch.cuda.is_available() else "cpu"' if settings.device == "auto" else f'"{settings.device}"'


def validates(dataset: ScriptDataset) -> str:
    """What joins the names that `load_data` returns, and the arguments of `split`, for a dataset with validation."""
    return ", validates" if dataset.validation_size else ""


def data_code(settings: TrainingSettings, dataset: ScriptDataset) -> str:
    """`split`, `statistics` and `prepare`: from what `load_data` gives to what the network takes."""
    part = settings.train_percent < 100
    learned = f"{settings.train_percent} % of the rest are" if part else "the rest is"
    if dataset.validation_size and not part:
        split = _OWN
    else:
        split = (_OWN_AND_PART if dataset.validation_size else _SHARE).substitute(
            validation=settings.validation_percent,
            learned=learned,
            rest=_PART.substitute(percent=settings.train_percent)
            if part
            else "        train[of_class[~chosen]] = True\n",
        )
    return f"{split}\n\n{_DATA}"


_PART = Template("""\
        rest = of_class[~chosen]
        number = torch.arange(len(rest))
        train[rest[((number + 1) * $percent + 99) // 100 > (number * $percent + 99) // 100]] = True
""")

_SHARE = Template('''\
def split(labels):
    """Of each class, evenly and in order, $validation % validate and $learned trained on: (N,) of booleans each.

    Of a class of few images one validates.
    """
    train = torch.zeros(len(labels), dtype=torch.bool)
    validation = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        of_class = (labels == label).nonzero().squeeze(1)
        number = torch.arange(len(of_class))
        chosen = (number + 1) * $validation // 100 > number * $validation // 100
        if len(of_class) > 1 and not chosen.any():
            chosen[-1] = True
        validation[of_class[chosen]] = True
$rest\
    return train, validation
''')

_OWN = '''\
def split(labels, validates):
    """What the dataset has for validation validates, and the rest is trained on: (N,) of booleans each."""
    return ~validates, validates
'''

_OWN_AND_PART = Template('''\
def split(labels, validates):
    """What the dataset has for validation validates, and $learned trained on: (N,) of booleans each."""
    train = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        of_class = (labels == label).nonzero().squeeze(1)
        chosen = validates[of_class]
$rest\
    return train, validates
''')

_DATA = '''\
def statistics(images):
    """Mean and spread of each channel, where white is 1: (1, C, 1, 1) each."""
    pixels = images.double() / 255
    mean = pixels.mean((0, 2, 3), keepdim=True).float()
    std = pixels.std((0, 2, 3), keepdim=True, correction=0).float()
    return mean, std


def prepare(images, mean, std):
    """Bring images of 0 to 255 to mean 0 and spread 1 per channel."""
    return (images.float() / 255 - mean) / std
'''


def training_code(settings: TrainingSettings) -> str:
    """`learning_rate` and `augment` where they are used, `evaluate` and `train`."""
    schedule, varied = SCHEDULES[settings.schedule].source, augmentation(settings)
    pixels = "augment(images[batch], draws[:, batch])" if varied else "images[batch]"
    smoothing = f", label_smoothing={settings.label_smoothing}" if settings.label_smoothing else ""
    indent = " " * 12
    lines = [
        f"x = prepare({pixels}, mean, std)",
        f"loss = F.cross_entropy(model(x), labels[batch]{smoothing})",
    ]
    if settings.precision == "bf16":
        lines[1:] = [
            "with torch.autocast(labels.device.type, torch.bfloat16, enabled=labels.is_cuda):",
            f"    {lines[1]}",
        ]
    if schedule:
        rate = ["for group in optimizer.param_groups:", '    group["lr"] = learning_rate(lr, step, steps)', "step += 1"]
        lines = [*rate, *lines]
    lines += ["optimizer.zero_grad()", "loss.backward()", "optimizer.step()"]
    arguments = written_arguments(optimizer_arguments(settings))
    train = _TRAIN.substitute(
        optimizer=settings.optimizer,
        arguments=f"\n        model.parameters(), lr=lr, {arguments}\n    "
        if arguments
        else "model.parameters(), lr=lr",
        steps="    step, steps = 0, epochs * -(-len(labels) // batch_size)\n" if schedule else "",
        draws=f"        draws = torch.rand({varied.draws}, len(labels), 1, 1, generator=chance).to(labels.device)\n"
        if varied
        else "",
        batch="\n".join(indent + line for line in lines),
        best_epoch=f"{indent}best_epoch = epoch\n" if settings.patience else "",
        early=_EARLY.substitute(patience=settings.patience) if settings.patience else "",
    )
    return "\n\n".join(part for part in (schedule, varied.source if varied else "", _EVALUATE, train) if part)


_EVALUATE = '''\
def evaluate(model, images, labels, mean, std):
    """Mean cross-entropy and accuracy over all images."""
    model.eval()
    loss, right = 0.0, 0
    with torch.no_grad():
        for x, y in zip(images.split(1000), labels.split(1000)):
            logits = model(prepare(x, mean, std))
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            right += (logits.argmax(1) == y).sum().item()
    return loss / len(labels), right / len(labels)
'''

_EARLY = Template("""\
        if epoch - best_epoch >= $patience:
            break
""")

_TRAIN = Template('''\
def train(model, images, labels, validation, mean, std, epochs, batch_size, lr, seed):
    """Train by $optimizer on the cross-entropy. Returns the weights of the epoch that did best on `validation`."""
    optimizer = torch.optim.$optimizer($arguments)
    best = (-1.0, 0.0)
$steps\
    for epoch in range(1, epochs + 1):
        started = time.time()
        model.train()
        chance = torch.Generator().manual_seed(seed * 1000003 + epoch)
        order = torch.randperm(len(labels), generator=chance).to(labels.device)
$draws\
        for batch in order.split(batch_size):
$batch
        validation_loss, accuracy = evaluate(model, *validation, mean, std)
        print(
            f"epoch {epoch}/{epochs}: validation loss {validation_loss:.4f}, "
            f"accuracy {accuracy:.2%}, {time.time() - started:.1f} s"
        )
        if (accuracy, -validation_loss) > best:
            best = (accuracy, -validation_loss)
            weights = copy.deepcopy(model.state_dict())
$best_epoch$early\
    return weights
''')
