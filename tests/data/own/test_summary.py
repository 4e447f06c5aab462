from pathlib import Path

import pytest

from scv.data.own.summary import (
    FEW,
    REASONS,
    UNBALANCED,
    ImportSummary,
    Names,
    read_summary,
    told,
    warnings_of,
    write_summary,
)


def summary_of(
    train: list[int], test: list[int] | None = None, validation: list[int] | None = None, names: str = "abcdefgh"
) -> ImportSummary:
    return ImportSummary(
        class_names=list(names[: len(train)]),
        train=train,
        validation=validation or [0] * len(train),
        test=test or [9] * len(train),
        parted=False,
        refused={},
        repeated=Names(),
    )


def warned(summary: ImportSummary) -> list[str]:
    return [str(message) for message in warnings_of(summary)]


def test_each_reason_is_one_sentence_with_the_first_names_in_a_fixed_order() -> None:
    summary = summary_of([54, 55], [1, 1])
    for reason in reversed(REASONS):
        for number in range(7 if reason == "small" else 1):
            summary.refuse(reason, f"a/{number}.png")
    summary.repeated.add("test/a/1\n.png")
    sentences = [str(message) for message in told(summary)]

    assert sentences[0] == "109 training images and 2 test images."
    for sentence, (reason, text) in zip(sentences[1:-1], REASONS.items(), strict=True):
        first = "a/0.png, a/1.png, a/2.png, a/3.png, a/4.png, …" if reason == "small" else "a/0.png"
        assert sentence == f"Skipped, {text}: {7 if reason == 'small' else 1} ({first})."
    assert sentences[-1].endswith("better than the network: 1 (test/a/1\ufffd.png).")


def test_images_for_validation_are_told_where_there_are_some() -> None:
    told_first = str(told(summary_of([54, 55], [1, 1], [2, 3]))[0])

    assert told_first == "109 training, 5 validation and 2 test images."


def test_what_is_written_is_read(tmp_path: Path) -> None:
    summary = summary_of([54, 55], [1, 1], [2, 3])
    summary.refuse("small", "a/1.png")
    write_summary(tmp_path, summary)

    assert read_summary(tmp_path) == summary


def test_a_sound_dataset_gives_no_warning() -> None:
    assert warned(summary_of([FEW, UNBALANCED * FEW])) == []


def test_classes_with_few_images_are_named() -> None:
    (message,) = warned(summary_of([FEW - 1, FEW, FEW, FEW - 2]))

    assert message.startswith(f"Classes with fewer than {FEW} training images: 2 (a, d).")


def test_the_largest_class_is_compared_with_the_smallest() -> None:
    (message,) = warned(summary_of([FEW, 2 * FEW, UNBALANCED * FEW + FEW]))

    assert message.startswith(f"c has {UNBALANCED + 1} times as many images as a")


def test_classes_without_a_validation_image_are_named() -> None:
    (message,) = warned(summary_of([FEW, FEW, FEW], validation=[2, 0, 2]))

    assert message.startswith("Classes without a validation image")
    assert message.endswith("1 (b).")
    assert "1 (a)." in warned(summary_of([1, 2]))[-1], "of a single image none can be held out"


def test_classes_that_are_not_tested_are_named() -> None:
    (message,) = warned(summary_of([FEW, FEW, FEW], [3, 0, 3]))

    assert message == "Classes without a test image, about which the test says nothing: 1 (b)."


def test_images_in_more_than_one_part_are_a_warning() -> None:
    summary = summary_of([FEW, FEW])
    summary.repeated.add("test/b/000001.png")

    assert warned(summary)[0].endswith("1 (test/b/000001.png).")


@pytest.mark.parametrize(("names", "alike"), [("aAb", "a, A"), ("bßd", None)])
def test_names_that_differ_only_in_case_are_a_warning(names: str, alike: str | None) -> None:
    found = warned(summary_of([FEW] * 3, names=names))

    assert found == ([f"Classes whose names differ only in upper and lower case: {alike}."] if alike else [])


def test_no_two_summaries_share_their_lists() -> None:
    Names().add("a/1.png")

    assert Names().first == []
