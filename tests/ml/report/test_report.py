import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from scv.blocks.check import check
from scv.blocks.document import Document
from scv.blocks.shapes import size
from scv.blocks.starters import STARTERS
from scv.data.resident import Resident
from scv.ml.explain import attribution, robustness, validity
from scv.ml.report import feature_visualization
from scv.ml.report.report import SECTIONS, ReportError, Section, Work, make_report
from scv.ml.train import folds
from scv.ml.train.train import WEIGHTS
from scv.ml.trained import Trained
from scv.report.activation import Activation, Details
from scv.report.attribution import Attribution
from scv.report.contents import CONTENTS, Contents, FailedSection, decode_section
from scv.report.feature_visualization import Maximization
from scv.report.layer_similarity import Similarity
from scv.report.layers import Layers
from scv.report.metrics import Metrics
from scv.report.mistakes import Labels, Mistakes
from scv.report.parity import Parity
from scv.report.robustness import Robustness
from scv.report.summary import Summary
from scv.report.validity import Validity
from tests.blocks.generate import nested_documents, sound_documents
from tests.examples import examples, some
from tests.ml.conftest import document
from tests.ml.report.test_summary import RESULT
from tests.ml.reported import images, learned, ruin, ruin_in_part, unlearned
from tests.ml.test_hooks import NESTED

KINDS: dict[str, type[msgspec.Struct]] = {
    "layers": Layers,
    "metrics": Metrics,
    "mistakes": Mistakes,
    "summary": Summary,
    "similarity": Similarity,
    "activation": Activation,
    "attribution": Attribution,
    "maximization": Maximization,
    "robustness": Robustness,
    "validity": Validity,
    "labels": Labels,
    "parity": Parity,
}

LINEAR = document("Flatten", ("Linear", {"out_features": 10}))


QUICK = tuple(section for section in SECTIONS if section.name != "parity")
"""What tests of the machinery make: the ONNX file takes as long as all else of so small a network."""


@pytest.fixture(scope="module", autouse=True)
def thrifty() -> Iterator[None]:
    """A hundredth of the work: whether a section can be made does not hang on how many images it asks about."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (attribution, feature_visualization, robustness, validity):
            patch.setattr(module, "_BUDGET", module._BUDGET / 100)
        patch.setattr(folds, "_WORK", folds._WORK // 100)
        yield


def section(folder: Path, name: str) -> Any:
    return decode_section((folder / f"{name}.json").read_bytes(), KINDS[name])


def contents(folder: Path) -> Contents:
    return msgspec.json.decode((folder / CONTENTS).read_bytes(), type=Contents)


def states(folder: Path) -> dict[str, str]:
    return {state.name: state.state for state in contents(folder).sections}


def check_whole(
    folder: Path, trained: Trained, failed: Collection[str] = (), sections: Sequence[Section] = SECTIONS
) -> None:
    """Every section can be read, every number is finite, every image and file is there."""
    planned = {section.name for section in sections}
    assert {name for name, state in states(folder).items() if state != "done"} == set(failed), [
        section(folder, name) for name, state in states(folder).items() if state == "failed"
    ]
    assert states(folder).keys() == planned
    for name in planned - set(failed):
        made = section(folder, name)
        assert isinstance(made, KINDS[name])
        text = msgspec.json.encode(made).decode()
        assert decode_section(text.encode(), KINDS[name]) == made
        named = [
            made,
            *(_details(folder, layer.file) for layer in getattr(made, "layers", ()) if hasattr(layer, "file")),
        ]
        for sprite in (found for part in named for found in _sprites(msgspec.to_builtins(part))):
            with Image.open(folder / sprite["file"]) as image:
                rows = -(-sprite["count"] // sprite["columns"])
                assert image.size == (sprite["columns"] * sprite["width"], rows * sprite["height"])
                assert image.width * image.height < 16_000_000, "some browsers show no larger ones"
    result = check(trained.info.document, trained.info.input_shape, trained.info.classes)
    assert [row.block for row in section(folder, "layers").layers] == [block.id for block in result.blocks]


def _details(folder: Path, file: str) -> Details:
    return msgspec.json.decode((folder / file).read_bytes(), type=Details)


def _sprites(built: Any) -> list[dict[str, Any]]:
    if isinstance(built, dict):
        if {"file", "columns"} <= built.keys():
            return [built]
        return [found for value in built.values() for found in _sprites(value)]
    return [found for value in built for found in _sprites(value)] if isinstance(built, list | tuple) else []


def test_a_report_is_made_a_section_at_a_time(digits: Resident, tmp_path: Path) -> None:
    trained = learned(NESTED, digits, tmp_path / "run", epochs=1)
    folder = tmp_path / "report"
    heard: list[tuple[str, float, float]] = []

    def on_section(name: str, done: float, of_all: float) -> None:
        now = states(folder)
        assert now[name] in ("working", "done")
        for other, state in now.items():
            assert (folder / f"{other}.json").exists() == (state == "done")
        heard.append((name, done, of_all))

    returned = make_report(trained, digits, folder, on_section=on_section)

    check_whole(folder, trained)
    assert returned == contents(folder)
    assert [state.name for state in returned.sections] == [planned.name for planned in SECTIONS]
    assert all(state.seconds is not None for state in returned.sections)
    of_all = [share for _, _, share in heard]
    assert of_all == sorted(of_all)
    assert of_all[-1] == pytest.approx(1)
    for planned in SECTIONS:
        shares = [done for name, done, _ in heard if name == planned.name]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0, 1)
    assert not list(folder.glob(".*")), "no temporary file is left"


class Wish(Exception):  # noqa: N818 - no error
    pass


@pytest.mark.parametrize("wish", [Wish, KeyboardInterrupt])
def test_a_stopped_report_is_gone_on_with(wish: type[BaseException], digits: Resident, tmp_path: Path) -> None:
    trained = unlearned(LINEAR, digits)

    def stop(name: str, done: float, of_all: float) -> None:
        if name == "activation" and done > 0:
            raise wish

    with pytest.raises(wish):
        make_report(trained, digits, tmp_path, on_section=stop, sections=QUICK)
    names = [planned.name for planned in QUICK]
    waiting = names[names.index("activation") :]
    assert states(tmp_path) == {**dict.fromkeys(names, "done"), **dict.fromkeys(waiting, "waiting")}
    kept = {name: (tmp_path / f"{name}.json").stat().st_mtime_ns for name in ("layers", "metrics", "similarity")}
    made: list[str] = []

    make_report(
        trained,
        digits,
        tmp_path,
        on_section=lambda name, done, of_all: made.append(name) if done < 1 else None,
        sections=QUICK,
    )

    check_whole(tmp_path, trained, sections=QUICK)
    assert set(made) == {"summary", *waiting}
    assert kept == {name: (tmp_path / f"{name}.json").stat().st_mtime_ns for name in kept}


def test_the_same_network_gives_the_same_report_and_another_one_replaces_it(digits: Resident, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        make_report(unlearned(NESTED, digits), digits, folder, sections=QUICK)
    files = sorted(path.name for path in first.iterdir())
    assert files == sorted(path.name for path in second.iterdir())
    for name in files:
        if name != CONTENTS:  # which tells seconds
            assert (first / name).read_bytes() == (second / name).read_bytes(), name

    make_report(unlearned(LINEAR, digits), digits, second, sections=QUICK)
    check_whole(second, unlearned(LINEAR, digits), sections=QUICK)
    assert contents(first).weights != contents(second).weights


def test_what_is_known_of_the_training_is_added_to_the_summary_alone(digits: Resident, tmp_path: Path) -> None:
    trained = unlearned(LINEAR, digits)
    make_report(trained, digits, tmp_path, sections=QUICK)
    assert section(tmp_path, "summary").provenance.seconds is None
    made: list[str] = []

    make_report(
        trained,
        digits,
        tmp_path,
        result=RESULT,
        sections=QUICK,
        on_section=lambda name, done, of_all: made.append(name) if done < 1 else None,
    )

    assert made == ["summary"]
    summary = section(tmp_path, "summary")
    assert summary.provenance.seconds == RESULT.seconds
    assert any("Validation accuracy was" in str(sentence.message) for sentence in summary.sentences)


def with_one_more(make: Callable[[Work, Callable[[float], None]], msgspec.Struct]) -> tuple[Section, ...]:
    return (QUICK[0], Section("extra", "Extra", make, 1), *QUICK[1:])


def test_a_section_that_fails_says_so_and_stops_no_other(digits: Resident, tmp_path: Path) -> None:
    trained = unlearned(LINEAR, digits)

    def fail(work: Work, on_progress: Callable[[float], None]) -> msgspec.Struct:
        on_progress(0.5)
        raise ValueError("of no use")

    make_report(trained, digits, tmp_path, sections=with_one_more(fail))

    assert states(tmp_path) == {**dict.fromkeys((planned.name for planned in QUICK), "done"), "extra": "failed"}
    failed = decode_section((tmp_path / "extra.json").read_bytes(), Summary)
    assert isinstance(failed, FailedSection)
    assert failed.reason == "ValueError: of no use"
    assert "could not be made" in str(failed.message)

    def run_out(work: Work, on_progress: Callable[[float], None]) -> msgspec.Struct:
        raise MemoryError

    make_report(trained, digits, tmp_path, sections=with_one_more(run_out))
    failed = decode_section((tmp_path / "extra.json").read_bytes(), Summary)
    assert isinstance(failed, FailedSection)
    assert "memory" in str(failed.message)

    make_report(trained, digits, tmp_path, sections=with_one_more(lambda work, on_progress: failed))
    assert states(tmp_path)["extra"] == "failed"


def test_the_summary_cannot_do_without_the_metrics(digits: Resident, tmp_path: Path) -> None:
    def fail(work: Work, on_progress: Callable[[float], None]) -> msgspec.Struct:
        raise ValueError

    sections = tuple(
        Section(one.name, one.title, fail if one.name == "metrics" else one.make, one.cost, one.kept) for one in QUICK
    )
    trained = unlearned(LINEAR, digits)
    make_report(trained, digits, tmp_path, sections=sections)
    assert {name for name, state in states(tmp_path).items() if state == "failed"} == {"metrics", "summary"}

    make_report(trained, digits, tmp_path, sections=QUICK)
    check_whole(tmp_path, trained, sections=QUICK)


def test_torn_contents_are_made_anew(digits: Resident, tmp_path: Path) -> None:
    (tmp_path / CONTENTS).write_text('{"weights":')
    (tmp_path / "layers.json").write_text("{")
    trained = unlearned(LINEAR, digits)
    make_report(trained, digits, tmp_path, sections=QUICK)
    check_whole(tmp_path, trained, sections=QUICK)


def test_a_section_that_a_power_cut_left_empty_is_made_anew(digits: Resident, tmp_path: Path) -> None:
    trained = unlearned(LINEAR, digits)
    make_report(trained, digits, tmp_path, sections=QUICK)
    (tmp_path / "metrics.json").write_bytes(b"")
    (tmp_path / "robustness.json").write_bytes(b'{"images":')
    made: set[str] = set()

    make_report(
        trained,
        digits,
        tmp_path,
        sections=QUICK,
        on_section=lambda name, done, of_all: made.add(name) if done < 1 else None,
    )

    assert made == {"metrics", "robustness", "summary"}
    check_whole(tmp_path, trained, sections=QUICK)


def test_everything_of_a_section_is_on_the_disk_before_the_contents_call_it_done(
    digits: Resident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: set[int] = set()
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        fsync(descriptor)
        flushed.add(os.fstat(descriptor).st_ino)

    def on_section(name: str, done: float, of_all: float) -> None:
        if states(tmp_path)[name] == "done":
            assert {path.name for path in tmp_path.iterdir() if path.stat().st_ino not in flushed} == set()

    monkeypatch.setattr(os, "fsync", spy)
    make_report(unlearned(LINEAR, digits), digits, tmp_path, sections=QUICK, on_section=on_section)
    assert len(flushed) > 30


def test_data_that_do_not_fit_the_network_are_refused(digits: Resident, noise: Resident, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="The images of noise do not fit the network"):
        make_report(unlearned(LINEAR, digits), noise, tmp_path / "report")
    assert not (tmp_path / "report").exists()


WHOLE = [name for name, starter in STARTERS.items() if not starter.exercise]


@pytest.mark.parametrize("starter", some(WHOLE, ["lenet", "resnet"]))
def test_every_starter_can_be_reported_on(starter: str, noise: Resident, tmp_path: Path) -> None:
    trained = unlearned(STARTERS[starter].build(noise.shape, noise.classes), noise)
    make_report(trained, noise, tmp_path, sections=QUICK)
    check_whole(tmp_path, trained, sections=QUICK)


@pytest.mark.parametrize(
    ("shape", "classes", "blocks"),
    [
        (
            (3, 224, 224),
            2,
            [("Conv2d", {"out_channels": 4, "kernel_size": 7, "stride": 4}), "ReLU", "AdaptiveMaxPool2d"],
        ),
        ((1, 224, 224), 3, []),
        ((3, 8, 8), 200, ["BatchNorm2d"]),
        ((1, 8, 8), 200, [("Conv2d", {"out_channels": 3, "kernel_size": 3}), ("SqueezeExcite", {"reduction": 1})]),
    ],
)
def test_large_images_and_many_classes_are_reported_on(
    shape: tuple[int, int, int], classes: int, blocks: list[Any], tmp_path: Path
) -> None:
    resident = images(tmp_path, shape, classes, train_size=20, test_size=12)
    trained = unlearned(document(*blocks, "Flatten", ("Linear", {"out_features": classes})), resident)
    make_report(trained, resident, tmp_path / "report", sections=QUICK)
    check_whole(tmp_path / "report", trained, sections=QUICK)


@settings(
    max_examples=examples(4),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@given(data=st.data())
def test_every_network_that_can_be_trained_can_be_reported_on(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    side = data.draw(st.integers(8, 16))
    shape = (data.draw(st.sampled_from([1, 3])), side, side)
    classes = data.draw(st.integers(2, 12))
    documents = nested_documents if data.draw(st.booleans()) else sound_documents
    drawn: Document = data.draw(documents(shape, classes))
    result = check(drawn, shape, classes)
    assume(result.ok and result.parameters < 200_000 and result.multiply_adds < 5_000_000)
    assume(all(size(block.output or ()) < 50_000 for block in result.blocks))
    folder = tmp_path_factory.mktemp("generated")
    resident = images(folder, shape, classes, train_size=24, test_size=data.draw(st.integers(1, 15)))
    trained = unlearned(drawn, resident)
    sections = SECTIONS if data.draw(st.integers(0, 4)) == 4 else QUICK
    make_report(trained, resident, folder / "report", sections=sections)
    check_whole(folder / "report", trained, sections=sections)


def test_of_a_network_whose_answers_are_no_numbers_there_is_no_report_but_advice(
    digits: Resident, tmp_path: Path
) -> None:
    learned(LINEAR, digits, tmp_path / "run", epochs=1)
    trained = ruin(tmp_path / "run" / WEIGHTS)

    with pytest.raises(ReportError, match=r"are not numbers.*smaller learning rate, such as 0\.0003"):
        make_report(trained, digits, tmp_path / "report")

    assert not (tmp_path / "report").exists()


def test_where_some_answers_are_no_numbers_all_figures_can_be_written_and_it_is_said(
    digits: Resident, tmp_path: Path
) -> None:
    trained = unlearned(LINEAR, digits)
    ruin_in_part(trained)
    make_report(trained, digits, tmp_path)
    failed = [name for name, state in states(tmp_path).items() if state == "failed"]
    assert set(failed) <= {"attribution", "maximization", "robustness", "validity", "parity"}
    for name in failed:
        assert "numbers" in str(section(tmp_path, name).message)
    check_whole(tmp_path, trained, failed)
    assert 0 < section(tmp_path, "metrics").not_finite < len(digits.test_labels)
    assert any("is not a number" in str(sentence.message) for sentence in section(tmp_path, "summary").sentences)
