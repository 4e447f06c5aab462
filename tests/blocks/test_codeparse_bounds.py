"""Code without a network, without an end, damaged or hostile: nothing is run, and there is always an answer."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scv.blocks.codeparse import parse
from scv.blocks.document import encode
from scv.blocks.reading.values import CodeError
from scv.blocks.tree import walk
from tests.blocks.networks import NETWORKS
from tests.blocks.reading import MODEL
from tests.examples import examples

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


MALFORMED = {
    "": "no network",
    "x = 1": "no network",
    "class A(nn.Module): pass": "no network",
    "model = nn.Sequential()": "no network",
    "loss = nn.CrossEntropyLoss()": "no network",
    "def f(:": "Line 1 is not valid Python",
    "\n\nmodel = nn.Sequential(": "Line 3 is not valid Python",
    "x = '\0'": "",
    "x = '\ud800'": "",
    "{" * 5000: "",
    "x = " + "-" * 50_000 + "1": "",
    "x = " + "(" * 150 + "1" + ")" * 150: "no network",
    "x = " + "+".join(["a"] * 20_000) + "\nmodel = nn.Sequential(nn.ReLU(), nn.Linear(1, 2))": "",
    "a" * 10_000_000: "longer than 200,000",
    "x = 9" + "9" * 5000: "",
}


@pytest.mark.parametrize("source", MALFORMED, ids=range(len(MALFORMED)))
def test_it_refuses_what_holds_no_network(source: str) -> None:
    with pytest.raises(CodeError) as refused:
        parse(source)
    assert MALFORMED[source] in str(refused.value.message)


HOSTILE = {
    "imports": "__import__('os').system('touch {canary}')\nopen('{canary}', 'w')\nexec('1/0')\neval('1/0')",
    "in a default": "def f(x=open('{canary}', 'w')): pass\nf()",
    "huge range": "x = [i for i in range(10 ** 12)]\ny = list(range(10 ** 9))",
    "huge numbers": "x = 9 ** 9 ** 9 ** 9\ny = 1 << 10 ** 10\nz = 2.0 ** 99999\nw = 'a' * 10 ** 12",
    "huge texts": "x = f'{{1:1000000000}}'\ny = '%1000000000d' % 1\nz = '{{:1000000000}}'.format(1)",
    "nested loops": "\n".join(f"{' ' * n}for i{n} in range(1000):" for n in range(12)) + "\n" + " " * 12 + "pass",
    "nested comprehension": "x = [" + " ".join(["1"] + [f"for i{n} in range(1000)" for n in range(9)]) + "]",
    "doubling": "a = [1]\n" + "a = [a, a]\n" * 90 + "b = [1]\n" + "b = [b, b]\n" * 90 + "c = a == b\nd = {{(a, b): 1}}",
    "doubling tuples": "a = (1,)\n"
    + "a = (a, a)\n" * 90
    + "c = {{a: 1}}\nd = dict([(a, 1)])\ne = a in [a]\nf = min(a, a)",
    "doubling text": "a = 'ab'\n" + "a = a + a\n" * 90,
    "list of itself": "a = []\na.append(a)\nb = a == a\nc = str(a)\nd = nn.Conv2d(1, a, a)\ne = sorted([a, a])",
    "endless": "while True: pass",
    "recursion": "def f(x): return f(x)\nf(1)",
    "diamonds": "class A0: pass\n" + "".join(f"class A{n + 1}(A{n}, A{n}): pass\n" for n in range(90)) + "A90().x",
    "many names": "x = [1 for " + ", ".join(f"a{n}" for n in range(900)) + " in [b] * 1000 for i in range(1000)]",
    "class of itself": "class A(A): pass\nclass B(nn.Module, B): pass",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_run_and_no_work_is_without_bounds(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    source = HOSTILE[name].format(canary=canary)
    with pytest.raises(CodeError):
        parse(source)
    # In the network itself.
    body = "\n".join("        " + line for line in source.splitlines())
    for place in ("__init__", "forward"):
        start = (
            MODEL.format("x").split("    def forward")[0]
            if place == "__init__"
            else MODEL.format("x").split("        return")[0]
        )
        end = MODEL.format("x").removeprefix(start)
        assert_bounded(start + body + "\n" + end)
    assert not canary.exists()


def assert_bounded(source: str) -> None:
    """Either outcome will do, as long as there is one."""
    try:
        parsed = parse(source)
    except CodeError:
        return
    encode(parsed.document)
    assert all(problem.line >= 1 and str(problem.message) for problem in parsed.problems)


ENDLESS = {
    "classes of each other": """
class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = B()
    def forward(self, x):
        return self.b(x)
class B(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = A()
    def forward(self, x):
        return self.a(x)
""",
    "forward of itself": "class A(nn.Module):\n def forward(self, x): return self(x)",
    "method of itself": "class A(nn.Module):\n def forward(self, x): return self.forward(x)",
    "holds itself": "model = nn.Sequential(nn.ReLU())\nmodel.append(model)",
    "401 blocks": "model = nn.Sequential(*[nn.Linear(1, 2) for _ in range(401)])",
    "a million steps": """
class A(nn.Module):
    def forward(self, x):
        for _ in range(999):
            for _ in range(999):
                x = x.relu()
        return x
""",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_network_without_end_is_refused(name: str) -> None:
    with pytest.raises(CodeError, match=r"too deeply|without an end|more than 400|too long"):
        parse(ENDLESS[name])


def test_blocks_are_nested_only_as_deep_as_a_document_allows() -> None:
    source = """
class Net(nn.Module):
    def forward(self, x):
        return self.deep(nn.Linear(1, 2)(x), 8)
    def deep(self, x, n):
        return F.relu(x) if n == 0 else x + F.relu(self.deep(F.tanh(x), n - 1))
"""
    parsed = parse(source)
    assert "nested at most 6 deep" in str(parsed.problems[0].message)
    assert max(depth for _, depth in walk(parsed.document.blocks)) == 6


def test_branches_that_share_layers_are_bounded_and_named() -> None:
    source = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(1, 2)
        self.a = nn.Linear(2, 2)
    def forward(self, x):
        x = self.stem(x)
        y = self.a(x)
        z = F.relu(y)
        return torch.cat([y, x, z], 1) + torch.cat([z, x], 1)
"""
    parsed = parse(source)
    assert "two branches" in str(parsed.problems[0].message)
    crossed = """
class Net(nn.Module):
    def forward(self, x):
        y = x.relu()
        for _ in range(40):
            x, y = x + y.relu(), y + x.relu()
        return x + y
"""
    assert "nested at most" in str(parse(crossed).problems[0].message)


@settings(max_examples=examples(80), deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert_bounded(text)


WORDS = sorted(
    {word for source, _ in NETWORKS.values() for word in source.replace("(", " ( ").replace(")", " ) ").split()}
    | {"None", "-1", "[", "]", "*", "**", "lambda", "1e999", "x", "self", "super()", "...", "yield", "await", ":="}
)


@settings(max_examples=examples(100), deadline=None, suppress_health_check=SLOW)
@given(st.sampled_from(sorted(NETWORKS)), st.randoms(use_true_random=False), st.integers(1, 6))
def test_damaged_code_is_read_or_refused(name: str, chance: random.Random, times: int) -> None:
    lines = NETWORKS[name][0].splitlines()
    for _ in range(times):
        number = chance.randrange(len(lines))
        words = lines[number].split(" ")
        match chance.randrange(5):
            case 0:
                lines.insert(chance.randrange(len(lines)), lines[number])
            case 1:
                del lines[number]
                lines = lines or [""]
            case 2:
                words[chance.randrange(len(words))] = chance.choice(WORDS)
                lines[number] = " ".join(words)
            case 3:
                text = lines[number]
                at = chance.randrange(len(text) + 1)
                lines[number] = text[:at] + chance.choice("()[]{},.:=+-*/'\"0x \n") + text[at + chance.randrange(2) :]
            case 4:
                other = chance.choice(lines)
                lines[number] = lines[number][: len(lines[number]) - len(lines[number].lstrip())] + other.strip()
    assert_bounded("\n".join(lines))
