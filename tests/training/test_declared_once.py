"""A new optimizer or schedule is one row of a table: everything else reads it there.

Each test runs a process of its own, in which the row is added before anything reads the table.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from scv.settings import ROOT

OPTIMIZER = """
from scv.training import optimizers
optimizers.OPTIMIZERS["Rprop"] = optimizers.Optimizer(rate=0.0123, arguments={"etas": (0.4, 1.3)})
"""

SCHEDULE = r"""
from scv.training import schedules
schedules.SCHEDULES["halved"] = schedules.Schedule(
    does="is half as large all the time", source="def learning_rate(lr, step, steps):\n    return lr / 2\n"
)
"""

REPORT = """
import contextlib, io, json
import msgspec, torch
from scv.__main__ import main
from scv.blocks.document import decode
from scv.data.official.catalogue import find
from scv.export.notebook import notebook
from scv.export.script import script
from scv.ml.train.recipe import learning_rate, make_optimizer
from scv.training.settings import FIELDS, TrainingSettings
from scv.web.blocks_view.form_fields import typed_settings

written = io.StringIO()
with contextlib.redirect_stdout(written), contextlib.suppress(SystemExit):
    main(["train", "--help"])
settings = typed_settings({f"setting:{name}": value for name, value in VALUES.items()}, TrainingSettings(), {})
assert settings == msgspec.json.decode(json.dumps(VALUES), type=TrainingSettings), "as in a snapshot"
document = decode(b'{"blocks":[{"id":"f1","type":"Flatten"},{"id":"l1","type":"Linear","params":{"out_features":10}}]}')
made = make_optimizer(settings, [torch.nn.Parameter(torch.zeros(1))])
print(json.dumps({
    "options": [list(field.options) for field in FIELDS if hasattr(field, "options")],
    "help": " ".join(written.getvalue().split()),
    "script": script(document, find("digits"), settings),
    "notebook": notebook(document, find("digits"), settings),
    "engine": [type(made).__name__, {name: repr(value) for name, value in made.param_groups[0].items()}],
    "rate": learning_rate(settings, 0, 10),
}))
"""


def told_by_everything(row: str, **values: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", f"{row}\nVALUES = {values!r}\n{REPORT}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_an_optimizer_is_declared_once() -> None:
    told = told_by_everything(OPTIMIZER, optimizer="Rprop")
    assert ["Adam", "AdamW", "SGD", "RMSprop", "Rprop"] in told["options"]
    assert "Rprop 0.0123 (etas=(0.4, 1.3))" in told["help"]
    assert "torch.optim.Rprop(" in told["script"]
    assert "etas=(0.4, 1.3)" in told["script"]
    assert "torch.optim.Rprop(" in told["notebook"]
    name, arguments = told["engine"]
    assert name == "Rprop"
    assert arguments["etas"] == "(0.4, 1.3)"


def test_a_schedule_is_declared_once() -> None:
    told = told_by_everything(SCHEDULE, schedule="halved")
    assert ["one-cycle", "cosine", "step", "constant", "halved"] in told["options"]
    assert "halved: is half as large all the time" in told["help"]
    assert "    return lr / 2" in told["script"]
    assert "The learning rate is half as large all the time." in told["notebook"]
    assert told["rate"] == pytest.approx(0.0005)
