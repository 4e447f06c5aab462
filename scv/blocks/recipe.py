"""The training that SCV does as source code, in named parts: the script and the notebook are put together from them.

It is `ml.train` in short: the same split, order, loss, optimizer and choice of weights. The parts need `copy`, `time`,
`torch`, `torch.nn.functional` as `F`, and each other.
"""

from typing import Protocol

from scv.blocks.message import foreign


class ScriptDataset(Protocol):
    """What exported code must know of a dataset; `script_loader` is source that defines `load_data(folder)`."""

    @property
    def title(self) -> str: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def script_loader(self) -> str: ...


def plain(text: str) -> str:
    """A user's own words, such as a title, with nothing in them that may end a string or escape from it."""
    return foreign(text, 80).replace("\\", "").replace('"', "'")


DATA = '''\
def split(labels):
    """Hold out every tenth image of each class, in order, to choose the best epoch by: (N,) of booleans."""
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        held_out[(labels == label).nonzero().squeeze(1)[9::10]] = True
    return held_out


def statistics(images):
    """Mean and spread of each channel, where white is 1: (1, C, 1, 1) each."""
    pixels = images.double() / 255
    mean = pixels.mean((0, 2, 3), keepdim=True).float()
    std = pixels.std((0, 2, 3), keepdim=True, correction=0).float()
    return mean, std


def prepare(images, labels, mean, std, device):
    """Bring images to mean 0 and spread 1 per channel, and everything to the device."""
    return ((images.float() / 255 - mean) / std).to(device), labels.to(device)
'''
"""`split`, `statistics` and `prepare`: from what `load_data` gives to what the network takes."""

TRAINING = '''\
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


def train(model, images, labels, validation, epochs, batch_size, lr, seed):
    """Train by Adam on the cross-entropy. Returns the weights of the epoch that did best on the validation images."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    best = (-1.0, 0.0)
    step, steps = 0, epochs * -(-len(labels) // batch_size)
    for epoch in range(1, epochs + 1):
        started = time.time()
        model.train()
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed * 1000003 + epoch))
        for batch in order.to(labels.device).split(batch_size):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(3 * lr, step, steps)
            step += 1
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        validation_loss, accuracy = evaluate(model, *validation)
        print(
            f"epoch {epoch}/{epochs}: validation loss {validation_loss:.4f}, "
            f"accuracy {accuracy:.2%}, {time.time() - started:.1f} s"
        )
        if (accuracy, -validation_loss) > best:
            best = (accuracy, -validation_loss)
            weights = copy.deepcopy(model.state_dict())
    return weights
'''
"""`learning_rate`, `evaluate` and `train`."""
