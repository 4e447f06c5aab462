"""Train one network on one dataset: the same seed, the same numbers, on a CPU to the last bit.

Goal: a LeNet reaches 98.5 % on MNIST in two epochs and 96 % on Digits in thirty, in seconds on two cores.

The algorithm, which the standalone script repeats:

1. `torch.manual_seed(seed)`, then the network is made, layer after layer.
2. Pixels are divided by 255 and normalized by mean and standard deviation per channel of all training images.
3. Of each class, evenly and in order, `validation_percent` are for validation (10 %: every tenth), and
   `train_percent` of the rest are trained on (`data.splits`). Where the dataset has images of its own for
   validation, they are held out instead.
4. Epoch e (from 1) takes its n images in the order
   `torch.randperm(n, generator=torch.Generator().manual_seed(seed * 1000003 + e))`,
   `batch_size` at a time; the last batch may be smaller. Where images are varied, the same generator then draws
   `torch.rand(draws, n, 1, 1)`: what happens to an image in an epoch depends on nothing but the seed.
5. The optimizer moves the weights along the mean cross-entropy of each batch, at the rate that the schedule gives
   for the step; the source of both, and of what varies the images, is in `training.recipe`. With bf16 on an NVIDIA
   GPU the network and the loss of a training step compute under autocast; weights and scores are fp32.
6. After each epoch the network is scored on the validation images. The weights of the epoch with the highest
   accuracy (of equals, the lowest loss) are kept, and tested at the end, once, on the test images. Where
   `patience` epochs passed without a better one, the end is now.

Why one cycle is the schedule to begin with (LeNet-5, 6 and 16 channels, ReLU, max-pooling; MNIST, two epochs, batches
of 64, Adam, 0.001; test accuracy for the seeds 0, 1, 2): constant rate 98.4, 98.1, 98.1 %; linear decay from 0.001
98.3, 98.4, 98.3 %; from 0.002 98.9, 98.9, 98.8 %; this cycle 98.9, 99.0, 98.9 %. (Smith and Topin 2018.)

Why it is fast: the images lie on the device as uint8 and are varied and normalized a batch at a time, nothing waits
for a number within a step, weights and images have their channels last in memory (1.1 to 1.8 times as fast on two
cores), the optimizer's step is fused, and small networks run on one thread. On a GPU the next batch is put together
while the one before is still computed, since a step only queues work there; on a CPU there is nothing to overlap:
the cores that would prepare it are the ones that train. `bench/train.py` compares it with a bare loop and with a
DataLoader. Set OMP_WAIT_POLICY=PASSIVE before torch is loaded, as `scv` does: threads that spin while they wait
are a hundred times slower on busy cores.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use
from torch.nn.utils import convert_conv2d_weight_memory_format

from scv.blocks.codegen import InvalidDocumentError
from scv.blocks.document import Document
from scv.data.resident import Resident
from scv.data.splits import Split
from scv.message import say
from scv.ml.build import build
from scv.ml.device import Normalize, choose_device, own_cores, place, use_threads
from scv.ml.errors import TrainingError
from scv.ml.train.checkpoint import Amid, TrainingHistory, load_checkpoint, save_checkpoint, snapshot_of
from scv.ml.train.evaluate import Interrupted, Score, evaluate
from scv.ml.train.preflight import accept, is_out_of_memory, refuse_ruins, sound
from scv.ml.train.randomness import seed_all
from scv.ml.train.recipe import learning_rate, make_augment, make_optimizer
from scv.ml.trained import WeightsInfo
from scv.ml.weights import write_tensors
from scv.training.progress import EpochMetrics, Event, Progress, Result, Started, Stopped, Testing
from scv.training.settings import TrainingSettings

WEIGHTS = "weights.safetensors"
_SECONDS_BETWEEN_PROGRESS = 0.2


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
    gone on with later. `device` is where to train if the settings leave it to us. Uses `threads` CPU threads at
    most, and never more than the cores of this process. Seeds the process's global generators and sets its number
    of threads. Raises `TrainingError`.
    """
    try:
        parts = resident.split(
            train_percent=settings.train_percent,
            validation_percent=settings.validation_percent,
        )
        result = accept(document, settings, resident, parts)
        use_threads(min(threads or own_cores(), own_cores()), result.multiply_adds * settings.batch_size)
        chosen = choose_device(device if settings.device == "auto" else settings.device)
        training = _Training(document, settings, resident, parts, folder, chosen, emit, should_stop)
        training.should_pause, training.checkpoint_seconds = should_pause, checkpoint_seconds
        return training.run()
    except InvalidDocumentError as error:
        raise TrainingError("invalid_document", error.message) from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        message = say("The memory is too small for this training. Try smaller batches, or fewer channels.")
        raise TrainingError("out_of_memory", message) from error


def generator_of(seed: int, epoch: int) -> torch.Generator:
    """The chances of an epoch, counted from 1: first the order of its images, then how they are varied."""
    return torch.Generator().manual_seed(seed * 1000003 + epoch)


def libraries() -> dict[str, str]:
    """Versions of what a training's numbers depend on."""
    return {name: version(name) for name in ("scv", "torch", "torchvision", "numpy", "scikit-learn")}


@dataclass
class _Epoch:
    """One epoch while it goes on. The sums stay on the device, since reading them would wait for the step."""

    number: int  # from 1
    began: float  # of the clock, less the seconds before an interruption
    order: Tensor  # (N,), indices of the training images
    chances: Tensor | None  # (draws, N, 1, 1), how each image is varied
    steps: int  # that are done
    seen: int  # images of these steps
    loss_sum: Tensor
    correct: Tensor
    rate: float  # the learning rate of the last step

    def score(self) -> Score:
        """Mean loss and accuracy so far."""
        return Score(self.loss_sum.item() / self.seen, self.correct.item() / self.seen)


class _Training:
    """One run: everything is placed on the device when it is made, and `run` does the work."""

    def __init__(
        self,
        document: Document,
        settings: TrainingSettings,
        resident: Resident,
        parts: Split,
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
        self.optimizer = make_optimizer(settings, self.network.parameters())
        self.augment = make_augment(settings)
        self.normalize = Normalize(resident.mean, resident.std, device)
        self.training = place(resident.train_images, resident.train_labels, device, parts.train)
        self.validation = place(resident.train_images, resident.train_labels, device, parts.validation)
        self.precision = "bf16" if settings.precision == "bf16" and device.type == "cuda" else "fp32"
        self.autocast = torch.autocast("cuda", torch.bfloat16) if self.precision == "bf16" else nullcontext()

        self.steps_per_epoch = -(-len(self.training.labels) // settings.batch_size)
        self.steps = self.steps_per_epoch * settings.epochs
        self.snapshot = snapshot_of(document, settings, resident.hash)
        self.history = TrainingHistory()
        self.last_progress = -_SECONDS_BETWEEN_PROGRESS

    def run(self) -> Result | Stopped:
        """All epochs that are not done yet, then the test."""
        self._resume()
        try:
            for epoch in range(len(self.history.epochs) + 1, self.settings.epochs + 1):
                if self._has_waited_enough():
                    break
                self._epoch(epoch)
            return self._test()
        except Interrupted:
            return Stopped(epochs=len(self.history.epochs))

    def _resume(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.history = load_checkpoint(self.folder, self.snapshot, self.network, self.optimizer) or TrainingHistory()
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
                precision=self.precision,
            )
        )
        for metrics in self.history.epochs:
            self.emit(metrics)
        if self.history.best is not None:
            self._keep_best(self.history.best)

    def _epoch(self, number: int) -> None:
        """Show every training image once, then score the validation images and save the state."""
        epoch = self._begin_epoch(number)
        self.network.train()
        batches = epoch.order.split(self.settings.batch_size)
        for step, indices in enumerate(batches[epoch.steps :], epoch.steps + 1):
            self._save_or_stop(epoch)
            self._step(epoch, step, indices)
            epoch.steps = step
            now = time.monotonic()
            if now - self.last_progress >= _SECONDS_BETWEEN_PROGRESS:
                self.last_progress = now
                self._progress(epoch, epoch.score(), epoch.seen / (now - epoch.began))
        sound(epoch.loss_sum.item(), self.settings)
        trained = epoch.score()
        refuse_ruins(trained, self.resident.classes, self.settings)
        pace = epoch.seen / (time.monotonic() - epoch.began)
        try:
            validated = evaluate(self.network, self.validation, self.normalize, self._should_end)
        except Interrupted:
            if self.should_pause():
                self._save_amid(epoch)
            raise
        self._finish_epoch(epoch, trained, validated, pace)

    def _begin_epoch(self, number: int) -> "_Epoch":
        """The epoch's order and random numbers, with what was summed up before an interruption."""
        amid = self.history.amid or Amid(steps=0, seconds=0.0, sums={})
        generator = generator_of(self.settings.seed, number)
        order = torch.randperm(len(self.training.labels), generator=generator).to(self.device)  # (N,)
        chances = None
        if self.augment is not None:
            chances = self.augment.chances(len(order), generator).to(self.device)  # (draws, N, 1, 1)
        return _Epoch(
            number=number,
            began=time.monotonic() - amid.seconds,
            order=order,
            chances=chances,
            steps=amid.steps,
            seen=min(amid.steps * self.settings.batch_size, len(order)),
            loss_sum=amid.sums.get("loss", torch.zeros((), device=self.device)),
            correct=amid.sums.get("correct", torch.zeros((), dtype=torch.int64, device=self.device)),
            rate=self._set_learning_rate((number - 1) * self.steps_per_epoch + max(amid.steps - 1, 0)),
        )

    def _save_or_stop(self, epoch: "_Epoch") -> None:
        """Between two steps: save where that is due or a pause is wished for. Raises `Interrupted`."""
        if self.should_stop():
            raise Interrupted
        if self.should_pause():
            self._save_amid(epoch)
            raise Interrupted
        if time.monotonic() - self.saved_at >= self.checkpoint_seconds:
            self._save_amid(epoch)

    def _step(self, epoch: "_Epoch", step: int, indices: Tensor) -> None:
        """One batch: forward, backward, and the change of the weights. `indices` (B,) are the batch's images."""
        pixels = self.training.pixels[indices]  # (B, C, H, W), uint8
        labels = self.training.labels[indices]  # (B,)
        if self.augment is not None and epoch.chances is not None:
            pixels = self.augment(pixels, epoch.chances[:, indices])
        epoch.rate = self._set_learning_rate((epoch.number - 1) * self.steps_per_epoch + step - 1)
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast:
            logits = self.network(self.normalize(pixels))  # (B, classes)
            loss = F.cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)
        loss.backward()
        self.optimizer.step()

        if self.settings.label_smoothing:  # shown is the loss without it, which compares with the validation's
            loss = F.cross_entropy(logits.detach().float(), labels)
        epoch.seen += len(indices)
        epoch.loss_sum += loss.detach() * len(indices)
        epoch.correct += (logits.detach().argmax(1) == labels).sum()

    def _save_amid(self, epoch: "_Epoch") -> None:
        """Save the state within an epoch."""
        sums = {"loss": epoch.loss_sum, "correct": epoch.correct}
        self.history.amid = Amid(steps=epoch.steps, seconds=time.monotonic() - epoch.began, sums=sums)
        self._save()

    def _has_waited_enough(self) -> bool:
        """Whether the last `patience` epochs brought nothing better."""
        best = self.history.best
        patience = self.settings.patience
        return patience > 0 and best is not None and len(self.history.epochs) - best.epoch >= patience

    def _finish_epoch(self, epoch: "_Epoch", trained: Score, validated: Score, pace: float) -> None:
        seconds = time.monotonic() - epoch.began
        best = self.history.best
        is_best = best is None or (validated.accuracy, -sound(validated.loss, self.settings)) > (
            best.validation_accuracy,
            -best.validation_loss,
        )
        metrics = EpochMetrics(
            epoch=epoch.number,
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            validation_loss=validated.loss,
            validation_accuracy=validated.accuracy,
            seconds=seconds,
            best=is_best,
            learning_rate=epoch.rate,
            images_per_second=pace,
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
            test_loss=sound(score.loss, self.settings),
            epochs=len(self.history.epochs),
            best_epoch=best.epoch,
            validation_accuracy=best.validation_accuracy,
            seconds=self.history.seconds + time.monotonic() - self.began,
            parameters=self._parameters(),
            device=str(self.device),
            dataset_hash=self.resident.hash,
            libraries=libraries(),
            weights=str(self.folder / WEIGHTS),
        )

    def _set_learning_rate(self, step: int) -> float:
        rate = learning_rate(self.settings, step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _progress(self, epoch: "_Epoch", mean: Score, images_per_second: float) -> None:
        done = (epoch.number - 1) * self.steps_per_epoch + epoch.steps
        elapsed = self.history.seconds + time.monotonic() - self.began
        self.emit(
            Progress(
                epoch=epoch.number,
                step=epoch.steps,
                steps=self.steps_per_epoch,
                train_loss=sound(mean.loss, self.settings),
                train_accuracy=mean.accuracy,
                images_per_second=images_per_second,
                seconds_left=elapsed / done * (self.steps - done),
                done=done / self.steps,
                learning_rate=epoch.rate,
            )
        )

    def _keep_best(self, best: EpochMetrics) -> None:
        info = WeightsInfo(
            document=self.document,
            dataset=self.resident.name,
            dataset_hash=self.resident.hash,
            input_shape=self.resident.shape,
            classes=self.resident.classes,
            class_names=self.resident.class_names,
            mean=self.resident.mean,
            std=self.resident.std,
            settings=self.settings,
            epoch=best.epoch,
        )
        write_tensors(self.folder / WEIGHTS, self.history.best_weights, msgspec.json.encode(info).decode())

    def _parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())
