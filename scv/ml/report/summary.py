"""What the figures of a report say, in plain words, and where they come from."""

from scv.data.resident import Resident
from scv.message import foreign, say
from scv.ml.train.train import libraries
from scv.ml.trained import Trained, identity_of
from scv.report.layers import Layers
from scv.report.metrics import ClassFigures, Metrics
from scv.report.mistakes import Mistakes
from scv.report.summary import Provenance, Sentence, Summary
from scv.training.accuracy import APART, Accuracy, compare
from scv.training.diagnosis import guessing, percent
from scv.training.progress import Result


def make_summary(
    trained: Trained,
    resident: Resident,
    metrics: Metrics,
    layers: Layers | None = None,
    mistakes: Mistakes | None = None,
    result: Result | None = None,
) -> Summary:
    """The section; what is not given is not spoken of. `result` is the end of the training, if it is known."""
    sentences = [_accuracy(metrics), _certainty(metrics)]
    if metrics.not_finite:
        message = say("For {count} test images its answer is not a number.", count=f"{metrics.not_finite:,}")
        sentences.append(Sentence("metrics", "bad", message))
    if result is not None:
        sentences.append(_validation(metrics, result, trained, resident))
    sentences += [*_confused(metrics), *_classes(metrics), _calibration(metrics)]
    if mistakes is not None:
        sentences += _suspects(mistakes) if _good(metrics) else []
    if layers is not None:
        sentences += _dead(layers)
    provenance = _provenance(trained, resident, result)
    if not provenance.same_data:
        message = say("The images are not those of the training: the dataset has changed since.")
        sentences.insert(0, Sentence("summary", "bad", message))
    return Summary(tuple(sentences), provenance)


def _accuracy(metrics: Metrics) -> Sentence:
    classes = len(metrics.classes)
    chance = max(1 / classes, metrics.most_frequent)
    values = {"accuracy": percent(metrics.accuracy), "images": f"{metrics.images:,}", "chance": percent(chance)}
    if metrics.accuracy < guessing(classes) or metrics.accuracy <= metrics.most_frequent:
        message = say(
            "Test accuracy {accuracy} ({images} images). This is no better than guessing or always "
            "predicting the most frequent class ({chance}).",
            **values,
        )
        return Sentence("metrics", "bad", message)
    message = say(
        "Test accuracy {accuracy} ({images} images). Always predicting the most frequent class would give {chance}.",
        **values,
    )
    return Sentence("metrics", "good" if metrics.accuracy >= (1 + chance) / 2 else "fair", message)


def _certainty(metrics: Metrics) -> Sentence:
    message = say(
        "Confidence interval (95%): {low} to {high}.",
        low=percent(metrics.low),
        high=percent(metrics.high),
    )
    return Sentence("metrics", "good" if metrics.high - metrics.low < 0.05 else "fair", message)


def _validation(metrics: Metrics, result: Result, trained: Trained, resident: Resident) -> Sentence:
    settings = trained.info.settings
    parts = resident.split(train_percent=settings.train_percent, validation_percent=settings.validation_percent)
    validation = Accuracy(result.validation_accuracy, max(1, len(parts.validation)))
    values = {"validation": percent(validation.share), "test": percent(metrics.accuracy)}
    found = compare(validation, Accuracy(metrics.accuracy, metrics.images))
    if found == "equal" and validation.is_uncertain:
        message = say(
            "Validation accuracy was {validation}, but of only {images} images. Rely on the test.",
            validation=values["validation"],
            images=f"{validation.images:,}",
        )
        return Sentence("summary", "fair", message)
    if found == "equal":
        message = say("Validation accuracy was {validation}, test accuracy is {test}: as expected.", **values)
        return Sentence("summary", "good", message)
    if found == "higher":
        message = say(
            "Validation accuracy was {validation}, test accuracy is {test}: the test images may be easier.", **values
        )
        return Sentence("summary", "fair", message)
    message = say(
        "Validation accuracy was {validation}, test accuracy is only {test}: rely on the test.",
        **values,
    )
    return Sentence("summary", "bad", message)


def _confused(metrics: Metrics) -> list[Sentence]:
    """The most frequent mistake. The cells of mistakes come first."""
    cell = metrics.confusion.cells[0]
    if cell.label == cell.predicted:
        return [Sentence("metrics", "good", say("No mistakes on the test images."))]
    if cell.count == 1 and not _good(metrics):
        return []
    if cell.count == 1:
        message = say("No confusion occurs more than once.")
        return [Sentence("metrics", "good", message)]
    label = metrics.classes[cell.label]
    message = say(
        "Most frequent confusion: {label} predicted as {predicted} ({count} of {support} images).",
        label=foreign(label.name),
        predicted=foreign(metrics.classes[cell.predicted].name),
        count=f"{cell.count:,}",
        support=f"{label.support:,}",
    )
    return [Sentence("metrics", "fair", message)]


def _classes(metrics: Metrics) -> list[Sentence]:
    """The class that is known best and the one known least, by recall."""

    def known(row: ClassFigures) -> float:
        return row.recall or 0.0

    rows = [row for row in metrics.classes if row.support]
    best, worst = max(rows, key=known), min(rows, key=known)
    found = []
    if known(best) > known(worst):
        message = say(
            "Best class: {best} ({best_share} correct). Worst class: {worst} ({worst_share} correct).",
            best=foreign(best.name),
            best_share=percent(known(best)),
            worst=foreign(worst.name),
            worst_share=percent(known(worst)),
        )
        found.append(Sentence("metrics", "good" if known(worst) >= 0.9 else "fair", message))
    never = [row for row in rows if not row.predicted]
    if never:
        message = say(
            "It never predicts {count} of the classes, such as {name}.", count=len(never), name=foreign(never[0].name)
        )
        found.append(Sentence("metrics", "bad", message))
    return found


def _calibration(metrics: Metrics) -> Sentence:
    sure = metrics.calibration.confidence
    values = {"sure": percent(sure), "right": percent(metrics.accuracy)}
    apart = sure - metrics.accuracy
    if abs(apart) <= max(APART, 2 * _deviation(metrics)):
        message = say("Well calibrated: mean confidence {sure}, accuracy {right}.", **values)
        return Sentence("metrics", "good", message)
    if apart > 0:
        message = say("Overconfident: mean confidence {sure}, but accuracy only {right}.", **values)
        return Sentence("metrics", "bad" if apart > 0.1 else "fair", message)
    message = say("Underconfident: mean confidence {sure}, accuracy {right}.", **values)
    return Sentence("metrics", "fair", message)


def _suspects(mistakes: Mistakes) -> list[Sentence]:
    if not mistakes.suspects.found:
        return []
    message = say(
        "{count} wrong predictions have such high confidence that the label may be wrong instead.",
        count=f"{mistakes.suspects.found:,}",
    )
    return [Sentence("mistakes", "fair", message)]


def _dead(layers: Layers) -> list[Sentence]:
    """Those after activations: what follows repeats them."""
    rows = [row for row in layers.layers if row.category == "activation" and row.channels]
    dead = [row for row in rows if row.dead_channels]
    count, channels = sum(row.dead_channels for row in dead), sum(row.channels for row in rows)
    if not channels:
        return []
    if not dead:
        message = say("All {channels} channels of its activations are in use.", channels=f"{channels:,}")
        return [Sentence("layers", "good", message)]
    worst = max(dead, key=lambda row: row.dead_channels)
    message = say(
        "{count} of {channels} channels of its activations give the same for every image, the most in {block}: "
        "they could be left out.",
        count=f"{count:,}",
        channels=f"{channels:,}",
        block=worst.block,
    )
    return [Sentence("layers", "bad" if count > channels / 2 else "fair", message)]


def _deviation(metrics: Metrics) -> float:
    """Of the accuracy, by the chance that picked the test images: half of Wilson's interval is 1.96 of it."""
    return (metrics.high - metrics.low) / (2 * 1.96)


def _good(metrics: Metrics) -> bool:
    """Whether most answers are right, for certain: else single mistakes say nothing."""
    return metrics.low > 0.5


def _provenance(trained: Trained, resident: Resident, result: Result | None) -> Provenance:
    info = trained.info
    return Provenance(
        dataset=info.dataset,
        dataset_hash=info.dataset_hash,
        same_data=info.dataset_hash == resident.hash,
        input_shape=info.input_shape,
        classes=info.classes,
        train_images=len(resident.train_labels),
        test_images=len(resident.test_labels),
        epoch=info.epoch,
        settings=info.settings,
        parameters=sum(parameter.numel() for parameter in trained.network.parameters()),
        weights=identity_of(trained),
        libraries=libraries(),
        training_libraries=result.libraries if result else {},
        training_device=result.device if result else None,
        epochs=result.epochs if result else None,
        seconds=result.seconds if result else None,
        validation_accuracy=result.validation_accuracy if result else None,
        test_accuracy=result.test_accuracy if result else None,
    )
