"""Train one network on one dataset: the same seed, the same numbers, on a CPU to the last bit.

Goal: a LeNet reaches 98.5 % on MNIST in two epochs and 96 % on Digits in thirty, in seconds on two cores.

The algorithm, which the standalone script repeats:

1. `torch.manual_seed(seed)`, then the network is made, layer after layer.
2. Pixels are divided by 255 and normalized by mean and standard deviation per channel of all training images.
3. Within each class, in order, every tenth training image is for validation; the rest is trained on.
4. Epoch e (from 1) takes its n images in the order
   `torch.randperm(n, generator=torch.Generator().manual_seed(seed * 1000003 + e))`,
   `batch_size` at a time; the last batch may be smaller.
5. Adam with torch's defaults on the mean cross-entropy of each batch. The learning rate makes one cycle over
   all S steps of the run: at step s (from 0) it is
   `3 * learning_rate * min((s + 1) / (0.1 * S), (S - s) / (0.9 * S), 1)`:
   up to three times the set value in a tenth of the run, then down to zero.
6. After each epoch the network is scored on the validation images. The weights of the epoch with the highest
   accuracy (of equals, the lowest loss) are kept, and tested at the end, once, on the test images.

Why the cycle (LeNet-5, 6 and 16 channels, ReLU, max-pooling; MNIST, two epochs, batches of 64, 0.001; test
accuracy for the seeds 0, 1, 2): constant rate 98.4, 98.1, 98.1 %; linear decay from 0.001 98.3, 98.4,
98.3 %; from 0.002 98.9, 98.9, 98.8 %; this cycle 98.9, 99.0, 98.9 %. (Smith and Topin 2018.)

Why it is fast: the images lie on the device as uint8 and are normalized a batch at a time, nothing waits for a
number within a step, weights and images have their channels last in memory (1.1 to 1.8 times as fast on two
cores), Adam's step is fused, and small networks run on one thread. `bench/train.py` compares it with a
DataLoader. Set OMP_WAIT_POLICY=PASSIVE before torch is loaded, as `scv` does: threads that spin while they wait
are a hundred times slower on busy cores.
"""

import time
from collections.abc import Callable
from importlib.metadata import version
from math import prod
from pathlib import Path

import msgspec
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use
from torch.nn.utils import convert_conv2d_weight_memory_format

from scv.blocks.check import check
from scv.blocks.codegen import InvalidDocumentError
from scv.blocks.document import Document
from scv.blocks.findings import Check
from scv.blocks.message import say
from scv.blocks.progress import EpochMetrics, Event, Progress, Result, Started, Stopped, Testing
from scv.blocks.training import TrainingSettings
from scv.data.resident import Resident
from scv.ml.build import build
from scv.ml.checkpoint import Amid, History, load_checkpoint, save_checkpoint, snapshot_of
from scv.ml.device import Normalize, choose_device, place, use_threads
from scv.ml.errors import TrainingError
from scv.ml.evaluate import Interrupted, Score, evaluate
from scv.ml.randomness import seed_all
from scv.ml.weights import write_tensors

WEIGHTS = "weights.safetensors"
PEAK = 3.0
WARM_UP = 0.1
_SECONDS_BETWEEN_PROGRESS = 0.2
_HOPELESS = 1e9
"""A mean loss from which no training recovers (guessing among ten classes gives 2.3): where gradients overflow,
Adam stands still and the loss may stay finite."""


class WeightsInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON in `weights.safetensors`: all it takes to use the weights without the rest of SCV."""

    document: Document
    dataset: str
    dataset_hash: str
    input_shape: tuple[int, ...]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    settings: TrainingSettings
    epoch: int


def train(
    document: Document,
    settings: TrainingSettings,
    resident: Resident,
    *,
    folder: Path,
    device: str = "auto",
    threads: int | None = None,
    emit: Callable[[Event], None],
    should_stop: Callable[[], bool],
    should_pause: Callable[[], bool] = lambda: False,
    checkpoint_seconds: float = 30.0,
) -> Result | Stopped:
    """Train, or go on with a training that was killed, and test.

    `folder` receives `weights.safetensors`, the best weights so far, and `checkpoint.safetensors`, the state at
    the end of each epoch and every `checkpoint_seconds`; one of the same document, settings and data is resumed.
    What is emitted is Started, Progress, EpochMetrics and Testing; a resumed training repeats the EpochMetrics of
    the epochs behind it. The ending is returned, not emitted. `should_stop` is asked before every step and every
    batch of an evaluation, and so is `should_pause`, which has the state kept before the training ends, to be
    gone on with later. Uses `threads` CPU threads at most, by default the number of cores. Seeds the process's
    global generators and sets its number of threads. Raises `TrainingError`.
    """
    try:
        result = _accept(document, settings, resident)
        use_threads(threads, result.multiply_adds * settings.batch_size)
        training = _Training(document, settings, resident, folder, choose_device(device), emit, should_stop)
        training.should_pause, training.checkpoint_seconds = should_pause, checkpoint_seconds
        return training.run()
    except InvalidDocumentError as error:
        raise TrainingError("invalid_document", error.message) from error
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        message = say("The memory is too small for this training. Try smaller batches, or fewer channels.")
        raise TrainingError("out_of_memory", message) from error


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """The rate of a step, counted from 0, of all `steps` of a run."""
    rising = (step + 1) / (WARM_UP * steps)
    falling = (steps - step) / ((1 - WARM_UP) * steps)
    return PEAK * settings.learning_rate * min(rising, falling, 1.0)


def epoch_order(seed: int, epoch: int, images: int) -> Tensor:
    """The order in which an epoch, counted from 1, takes its images: (N,)."""
    return torch.randperm(images, generator=torch.Generator().manual_seed(seed * 1000003 + epoch))


def libraries() -> dict[str, str]:
    """Versions of what a training's numbers depend on."""
    return {name: version(name) for name in ("scv", "torch", "torchvision", "numpy", "scikit-learn")}


class _Training:
    """One run: everything is placed on the device when it is made, and `run` does the work."""

    def __init__(
        self,
        document: Document,
        settings: TrainingSettings,
        resident: Resident,
        folder: Path,
        device: torch.device,
        emit: Callable[[Event], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.began = time.monotonic()
        self.document, self.settings, self.resident, self.folder = document, settings, resident, folder
        self.device, self.emit, self.should_stop = device, emit, should_stop

        self.should_pause: Callable[[], bool] = lambda: False
        self.checkpoint_seconds = float("inf")
        self.saved_at = self.began

        seed_all(settings.seed)
        self.network = build(document, resident.shape, resident.classes).to(device)
        convert_conv2d_weight_memory_format(self.network, torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate, fused=True)
        self.normalize = Normalize(resident.mean, resident.std, device)
        self.training = place(resident.train_images, resident.train_labels, device, resident.train_indices)
        self.validation = place(resident.train_images, resident.train_labels, device, resident.validation_indices)

        self.steps_per_epoch = -(-len(self.training.labels) // settings.batch_size)
        self.steps = self.steps_per_epoch * settings.epochs
        self.snapshot = snapshot_of(document, settings, resident.hash)
        self.history = History()
        self.last_progress = -_SECONDS_BETWEEN_PROGRESS

    def run(self) -> Result | Stopped:
        """All epochs that are not done yet, then the test."""
        self._resume()
        try:
            for epoch in range(len(self.history.epochs) + 1, self.settings.epochs + 1):
                self._epoch(epoch)
            return self._test()
        except Interrupted:
            return Stopped(epochs=len(self.history.epochs))

    def _resume(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.history = load_checkpoint(self.folder, self.snapshot, self.network, self.optimizer) or History()
        self.resumed_epoch = len(self.history.epochs)
        self.emit(
            Started(
                device=str(self.device),
                parameters=self._parameters(),
                epochs=self.settings.epochs,
                steps_per_epoch=self.steps_per_epoch,
                train_images=len(self.training.labels),
                validation_images=len(self.validation.labels),
                test_images=len(self.resident.test_labels),
                resumed_epoch=self.resumed_epoch,
            )
        )
        for metrics in self.history.epochs:
            self.emit(metrics)
        if self.history.best is not None:
            self._keep_best(self.history.best)

    def _epoch(self, epoch: int) -> None:
        """Show every training image once, then score the validation images and save the state."""
        device = self.device
        amid = self.history.amid or Amid(steps=0, seconds=0.0, sums={})
        began = time.monotonic() - amid.seconds
        # Summed on the device: reading it would wait for the step.
        loss_sum = amid.sums.get("loss", torch.zeros((), device=device))
        correct = amid.sums.get("correct", torch.zeros((), dtype=torch.int64, device=device))
        order = epoch_order(self.settings.seed, epoch, len(self.training.labels)).to(device)  # (N,)
        seen = min(amid.steps * self.settings.batch_size, len(order))
        self.network.train()

        def save(steps: int) -> None:
            sums = {"loss": loss_sum, "correct": correct}
            self.history.amid = Amid(steps=steps, seconds=time.monotonic() - began, sums=sums)
            self._save()

        for step, indices in enumerate(order.split(self.settings.batch_size)[amid.steps :], amid.steps + 1):
            if self.should_stop():
                raise Interrupted
            if self.should_pause():
                save(step - 1)
                raise Interrupted
            if time.monotonic() - self.saved_at >= self.checkpoint_seconds:
                save(step - 1)
            pixels = self.training.pixels[indices]  # (B, C, H, W), uint8
            labels = self.training.labels[indices]  # (B,)
            self._set_learning_rate((epoch - 1) * self.steps_per_epoch + step - 1)
            self.optimizer.zero_grad(set_to_none=True)
            logits = self.network(self.normalize(pixels))  # (B, classes)
            loss = F.cross_entropy(logits, labels)
            loss.backward()
            self.optimizer.step()

            seen += len(indices)
            loss_sum += loss.detach() * len(indices)
            correct += (logits.detach().argmax(1) == labels).sum()
            now = time.monotonic()
            if now - self.last_progress >= _SECONDS_BETWEEN_PROGRESS:
                self.last_progress = now
                self._progress(epoch, step, Score(loss_sum.item() / seen, correct.item() / seen), seen / (now - began))
        trained = Score(_sound(loss_sum.item()) / seen, correct.item() / seen)
        try:
            validated = evaluate(self.network, self.validation, self.normalize, self._should_end)
        except Interrupted:
            if self.should_pause():
                save(self.steps_per_epoch)
            raise
        self._finish_epoch(epoch, trained, validated, time.monotonic() - began)

    def _finish_epoch(self, epoch: int, trained: Score, validated: Score, seconds: float) -> None:
        best = self.history.best
        is_best = best is None or (validated.accuracy, -_sound(validated.loss)) > (
            best.validation_accuracy,
            -best.validation_loss,
        )
        metrics = EpochMetrics(
            epoch=epoch,
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            validation_loss=validated.loss,
            validation_accuracy=validated.accuracy,
            seconds=seconds,
            best=is_best,
        )
        self.history.epochs.append(metrics)
        if is_best:
            self.history.best = metrics
            self.history.best_weights = {name: t.clone() for name, t in self.network.state_dict().items()}
            self._keep_best(metrics)
        self.history.amid = None
        self._save()
        self.emit(metrics)

    def _save(self) -> None:
        now = time.monotonic()
        self.history.seconds += now - self.began
        self.began = self.saved_at = now
        save_checkpoint(self.folder, self.snapshot, self.network, self.optimizer, self.history)

    def _should_end(self) -> bool:
        return self.should_stop() or self.should_pause()

    def _test(self) -> Result:
        """Score the best weights on the test images: the one time that the run looks at them."""
        best = self.history.best
        assert best is not None, "at least one epoch is trained"  # noqa: S101 - epochs >= 1 was checked
        self.emit(Testing(best_epoch=best.epoch))
        self.network.load_state_dict(self.history.best_weights)
        test = place(self.resident.test_images, self.resident.test_labels, self.device)
        score = evaluate(self.network, test, self.normalize, self._should_end)
        return Result(
            test_accuracy=score.accuracy,
            test_loss=_sound(score.loss),
            epochs=self.settings.epochs,
            best_epoch=best.epoch,
            validation_accuracy=best.validation_accuracy,
            seconds=self.history.seconds + time.monotonic() - self.began,
            parameters=self._parameters(),
            device=str(self.device),
            dataset_hash=self.resident.hash,
            libraries=libraries(),
            weights=str(self.folder / WEIGHTS),
        )

    def _set_learning_rate(self, step: int) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, step, self.steps)

    def _progress(self, epoch: int, step: int, mean: Score, images_per_second: float) -> None:
        done = (epoch - 1) * self.steps_per_epoch + step
        elapsed = self.history.seconds + time.monotonic() - self.began
        self.emit(
            Progress(
                epoch=epoch,
                step=step,
                steps=self.steps_per_epoch,
                train_loss=_sound(mean.loss),
                train_accuracy=mean.accuracy,
                images_per_second=images_per_second,
                seconds_left=elapsed / done * (self.steps - done),
                done=done / self.steps,
            )
        )

    def _keep_best(self, best: EpochMetrics) -> None:
        info = WeightsInfo(
            document=self.document,
            dataset=self.resident.name,
            dataset_hash=self.resident.hash,
            input_shape=self.resident.shape,
            classes=self.resident.classes,
            mean=self.resident.mean,
            std=self.resident.std,
            settings=self.settings,
            epoch=best.epoch,
        )
        write_tensors(self.folder / WEIGHTS, self.history.best_weights, msgspec.json.encode(info).decode())

    def _parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())


def _accept(document: Document, settings: TrainingSettings, resident: Resident) -> Check:
    """Check everything that can be known beforehand. Raises `TrainingError` and `InvalidDocumentError`."""
    if problems := settings.problems():
        raise TrainingError("invalid_settings", problems[0])
    result = check(document, resident.shape, resident.classes)
    if not result.ok:
        raise InvalidDocumentError(result)
    last_batch = len(resident.train_indices) % settings.batch_size
    if settings.batch_size == 1 or last_batch == 1:
        for block in result.blocks:
            if block.type in ("BatchNorm1d", "BatchNorm2d") and prod((block.input or (0, 0))[1:]) == 1:
                message = say("{type} needs more than one value to normalize: try another batch size.", type=block.type)
                raise TrainingError("batch_too_small", message)
    return result


def _sound(loss: float) -> float:
    """The loss as it is. Raises `TrainingError` where it is beyond hope, or no number at all."""
    if not loss < _HOPELESS:
        message = say("The loss grew beyond all measure: the training diverged. Try a smaller learning rate.")
        raise TrainingError("diverged", message)
    return loss


def _is_out_of_memory(error: Exception) -> bool:
    """torch says it with a type on a GPU and with words on the CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
