"""The pages speak in the field's words: the right word is there, the one that it replaced is nowhere."""

import re
from collections.abc import Iterator

import pytest
from babel.messages.pofile import read_po

from tests.web.http.test_translations import PO, msgid, msgstr, translated

ENGLISH = {
    r"\bpictures?\b": "image",
    r"to learn from": "training images",
    r"[Ll]earns from": "Dataset",
    r"(take|taken)s? it for|Taken for|is taken for": "Predicted",
    r"what .* really (is|shows)": "Actual",
    r"sure of itself|knows what it does not know": "Calibration",
    r"by heart": "Overfitting (memorising the training images)",
    r"looks at: the|see(s)? as much": "Receptive field",
    r"\bbends?\b": "non-linearity",
    r"nineteen times|95 times out of": "95%% confidence interval",
    r"promised": "Validation accuracy was",
    r"[Tt]aken? (it )?away": "Export",
    r"answers? the same": "Do the exports match?",
    r"excites?\b": "What activates each channel",
    r"\bwaits? for its turn|\bwhat waits\b|runs that wait": "queue",
    r"Name and readers": "Name and sharing",
    r"pieces? of advice": "warnings",
    r"Drop the chosen images": "Remove selected images",
    r"its middle is cut out": "centre crop",
    r"white is put around it": "pad with white",
    r"empty canvas": "Blank canvas",
    r"^Take it$": "Use this",
    r"^Ask$": "Analyse",
    r"Turn the camera on": "Turn camera on",
    r"pure guessing": "Uncertainty: %(share)s (0 = certain, 100 = guessing)",
    r"right about": "test images correct",
    r"\brim\b": "padding",
    r"\bmends?\b": "Fix all",
    r"would like to see": "What maximally activates each channel",
    r"(?<![({])\bsure(st)?\b(?![)}])": "confidence",
}
"""What is not said any more, and what is said instead."""

KOREAN = {
    "가져가기": "내보내기",
    "모두 맞음": "오류 없음",
    "약함": "미흡",
    "학습용 이미지": "학습 이미지",
    "가장 모르는": "가장 많이 틀리는 클래스",
    "이 데이터셋에서 배우기": "이 데이터로 학습",
    "맞혔습니다: ": "테스트 정확도 %(share)s",
}


def english() -> Iterator[str]:
    with PO.open("rb") as file:
        for message in read_po(file):
            if message.id:
                yield from message.id if isinstance(message.id, tuple) else [message.id]


@pytest.mark.parametrize(("old", "new"), ENGLISH.items())
def test_an_english_term_is_the_usual_one(old: str, new: str) -> None:
    texts = list(english())
    assert any(new.lower() in text.lower() for text in texts)
    assert [text for text in texts if re.search(old, text)] == []


@pytest.mark.parametrize(("old", "new"), KOREAN.items())
def test_a_korean_term_is_the_usual_one(old: str, new: str) -> None:
    texts = {msgid(message): msgstr(message) for message in translated()}
    assert any(new in text for text in texts.values())
    assert [name for name, text in texts.items() if old in text] == []
