from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.params import Decimal, Integer, Param, ParamError, Sides, Size
from scv.training.settings import FIELDS, TrainingSettings
from tests.blocks.generate import values

ALL = [(f"{kind.type}.{param.name}", param) for kind in CATALOGUE.values() for param in kind.params]
ALL += [(field.name, field) for field in FIELDS]
each = pytest.mark.parametrize("param", [param for _, param in ALL], ids=[name for name, _ in ALL])

SIZE = Size(name="size", default=3, minimum=0, maximum=64, words=("same",), empty=True, help="")
SIDES = Sides(name="sides", default=1, minimum=0, maximum=9, help="")
WHOLE = Integer(name="count", default=1, minimum=1, maximum=9, help="")
SHARE = Decimal(name="share", default=0.5, minimum=0.0, maximum=1.0, help="")


@each
def test_the_default_is_a_value_that_may_be_typed(param: Param) -> None:
    assert param.validate(param.default) == param.default
    assert param.parse(param.written(param.default)) == param.default
    assert param.help
    assert str(param.range)


@each
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_is_written_reads_back_the_same(param: Param, data: st.DataObject) -> None:
    value = param.validate(data.draw(values(param)))
    assert param.parse(param.written(value)) == value
    assert param.validate(value) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@each
@settings(max_examples=30, deadline=None)
@given(value=JSON)
def test_any_json_is_taken_or_refused(param: Param, value: Any) -> None:
    with suppress(ParamError):
        taken = param.validate(value)
        assert param.validate(taken) == taken


@each
@settings(max_examples=30, deadline=None)
@given(text=st.text())
def test_any_text_is_read_or_refused(param: Param, text: str) -> None:
    with suppress(ParamError):
        taken = param.parse(text)
        assert param.validate(taken) == taken


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        (" 3 ", 3),
        ("3x5", (3, 5)),
        ("3 × 5", (3, 5)),
        ("(3, 5)", (3, 5)),
        ("4 4", 4),
        ("same", "same"),
        ("", None),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, value: Any) -> None:
    assert SIZE.parse(text) == value


@pytest.mark.parametrize("text", ["3x5x7", "3.5", "-1", "65", "valid", "3,", "x", "½", "²", "1e1"])
def test_a_size_refuses_what_it_is_not(text: str) -> None:
    with pytest.raises(ParamError, match="size is"):
        SIZE.parse(text)


def test_four_sides_are_one_number_when_equal() -> None:
    assert SIDES.parse("2 2 2 2") == 2
    assert SIDES.parse("1, 2, 3, 4") == (1, 2, 3, 4)
    with pytest.raises(ParamError):
        SIDES.parse("1, 2")


@pytest.mark.parametrize("value", [True, False, "3", 0, 10, 3.5, None, [3], 10**400])
def test_a_whole_number_refuses_what_it_is_not(value: Any) -> None:
    with pytest.raises(ParamError, match=r"count is .*, but must be a whole number from 1 to 9"):
        WHOLE.validate(value)


def test_a_whole_number_may_come_as_3_0_because_json_knows_one_kind() -> None:
    assert WHOLE.validate(3.0) == 3


@pytest.mark.parametrize("value", [True, "0.5", -0.1, 1.1, float("nan"), float("inf"), 10**400])
def test_a_decimal_refuses_what_it_is_not(value: Any) -> None:
    with pytest.raises(ParamError, match="share is"):
        SHARE.validate(value)


def test_training_settings_say_what_is_out_of_range() -> None:
    assert TrainingSettings().problems() == []
    wrong = TrainingSettings(epochs=0, batch_size=64, learning_rate=-1.0, seed=0)
    assert [problem.values["name"] for problem in wrong.problems()] == ["epochs", "learning_rate"]
