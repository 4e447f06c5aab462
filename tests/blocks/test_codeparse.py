"""Code that people write, and code that we write, as blocks."""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.codegen import module_code
from scv.blocks.codeparse import parse
from scv.blocks.document import Block, Document
from scv.blocks.normal import normal
from scv.blocks.shapes import Shape
from scv.blocks.tree import walk
from scv.data.official.catalogue import find
from scv.export.script import script
from scv.training.settings import TrainingSettings
from tests.blocks.generate import documents, nested_documents, sound_documents, tensors
from tests.blocks.networks import NETWORKS
from tests.blocks.reading import MODEL, chain, recoverable, written
from tests.examples import examples

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=examples(80), deadline=None, suppress_health_check=SLOW)
@given(st.data(), tensors(), st.integers(2, 12), st.booleans())
def test_generated_code_reads_back_as_the_same_document(
    data: st.DataObject, shape: Shape, classes: int, nest: bool
) -> None:
    document = data.draw(nested_documents(shape, classes) if nest else sound_documents(shape, classes))
    assume(check(document, shape, classes).ok)  # not too many blocks or parameters
    code = module_code(document, shape, classes)
    parsed = parse(code)
    assert parsed.problems == ()
    assert parsed.document == normal(recoverable(document, shape, classes))
    assert module_code(parsed.document, shape, classes) == code


@settings(max_examples=examples(20), deadline=None, suppress_health_check=SLOW)
@given(st.data())
def test_the_standalone_script_reads_back_as_well(data: st.DataObject) -> None:
    info = find("digits")
    document = data.draw(sound_documents(info.shape, info.classes))
    if not check(document, info.shape, info.classes).ok:
        return
    parsed = parse(script(document, info, TrainingSettings(), title='A "title"'))
    assert parsed.problems == ()
    assert parsed.document == normal(recoverable(document, info.shape, info.classes))


@settings(max_examples=examples(60), deadline=None)
@given(documents())
def test_the_normal_form_keeps_what_a_document_says(document: Document) -> None:
    once = normal(document)
    assert normal(once) == once
    for (block, depth), (short, short_depth) in zip(walk(document.blocks), walk(once.blocks), strict=True):
        assert (block.type, depth) == (short.type, short_depth)
        kind = CATALOGUE[block.type]
        assert kind.complete(block.params) == kind.complete(short.params)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_as_people_write_it(name: str) -> None:
    source, blocks = NETWORKS[name]
    assert written(source) == " ".join(blocks.split())


@pytest.mark.parametrize(
    ("shape", "name"),
    [((1, 28, 28), "quickstart"), ((3, 32, 32), "cifar10 tutorial"), ((1, 28, 28), "mnist example")],
)
def test_the_networks_of_the_tutorials_can_be_trained(shape: Shape, name: str) -> None:
    document = parse(NETWORKS[name][0]).document
    assert check(document, shape, 10).ok
    assert parse(module_code(document, shape, 10)).document == document


STEPS = {
    "torch.relu(x)": "ReLU",
    "x.relu()": "ReLU",
    "F.relu(x, inplace=True)": "ReLU",
    "F.leaky_relu(x, 0.2)": "LeakyReLU(negative_slope=0.2)",
    "F.elu(x, alpha=2.0)": "ELU(alpha=2.0)",
    "F.gelu(x, approximate='tanh')": "GELU(approximate=tanh)",
    "F.silu(x)": "SiLU",
    "F.hardswish(x)": "Hardswish",
    "torch.sigmoid(x)": "Sigmoid",
    "x.tanh()": "Tanh",
    "F.softmax(x, dim=-1)": "Softmax(dim=-1)",
    "F.log_softmax(x, 1)": "LogSoftmax",
    "F.max_pool2d(x, (2, 2))": "MaxPool2d",
    "F.max_pool2d(x, 3, 2, 1)": "MaxPool2d(kernel_size=3, stride=2, padding=1)",
    "F.avg_pool2d(x, 2 ** 2)": "AvgPool2d(kernel_size=4)",
    "F.adaptive_avg_pool2d(x, (1, 1))": "AdaptiveAvgPool2d",
    "F.dropout(x, 0.3, training=self.training)": "Dropout(p=0.3)",
    "F.dropout2d(x, p=0.3)": "Dropout2d(p=0.3)",
    "F.pad(x, (1, 2, 3, 4))": "ZeroPad2d(padding=(1, 2, 3, 4))",
    "F.pad(x, (1, 1))": "ZeroPad2d(padding=(1, 1, 0, 0))",
    "F.pad(x, [2] * 4, mode='reflect')": "ReflectionPad2d(padding=2)",
    "F.pad(x, (1, 1, 1, 1), 'constant', 0.5)": "ConstantPad2d(value=0.5)",
    "F.pad(x, (1, 1, 1, 1), mode='replicate')": "ReplicationPad2d",
    "F.pad(x, (1, 1, 1, 1), mode='circular')": "CircularPad2d",
    "F.interpolate(x, scale_factor=3, mode='bilinear', align_corners=False)": "Upsample(scale_factor=3, mode=bilinear)",
    "torch.flatten(x, 1)": "Flatten",
    "torch.flatten(x, start_dim=1)": "Flatten",
    "x.flatten(1)": "Flatten",
    "x.view(-1, 16 * 5 * 5)": "Flatten",
    "x.view(x.size(0), -1)": "Flatten",
    "x.reshape((x.shape[0], -1))": "Flatten",
    "x.view(len(x), -1)": "Flatten",
    "x.mean([2, 3])": "AdaptiveAvgPool2d Flatten",
    "x.mean(dim=(-2, -1), keepdim=True)": "AdaptiveAvgPool2d",
    "F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1)": "AdaptiveAvgPool2d Flatten",
    "x.contiguous().to(x.device)": "",
    "nn.Identity()(x)": "",
    "nn.ReLU()(x)": "ReLU",
    "x + F.relu(x)": "Residual[ReLU | ]",
    "F.relu(x) + torch.tanh(F.elu(x))": "Residual[ELU Tanh | ReLU]",
    "F.relu(x) + torch.tanh(x) + x": "Parallel(join=add)[ReLU | Tanh | ]",
    "sum([F.relu(x), torch.tanh(x)])": "Parallel(join=add)[ReLU | Tanh]",
    "torch.cat([F.relu(x), x], dim=1)": "Parallel[ReLU | ]",
    "torch.cat((F.relu(x), torch.cat([x, torch.tanh(x)], 1)), 1)": "Parallel[ReLU | Parallel[ | Tanh]]",
    "(lambda y: F.relu(y))(x)": "ReLU",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_forward(step: str) -> None:
    assert written(MODEL.format(step)) == " ".join(f"Linear {STEPS[step]}".split())


REFUSED = {
    "nn.LSTM(3, 4)(x)": "nn.LSTM(3, 4) cannot be imported",
    "torch.einsum('ab->ba', x)": "torch.einsum('ab->ba', x) cannot be imported",
    "self.first(x)": "used more than once",
    "x.view(-1)": "x.view(-1) cannot",
    "torch.flatten(x)": "start_dim=1",
    "x.permute(0, 2, 1)": "permute",
    "x * torch.sigmoid(x)": "SqueezeExcite",
    "x / 255": "x / 255",
    "-x": "-x",
    "torch.cat([x, x], dim=2)": "dim=1",
    "nn.Conv2d(3, 8, k)(x)": "kernel_size of Conv2d cannot be read: k",
    "nn.Conv2d(3, 8)(x)": "kernel_size of Conv2d is not given",
    "nn.Conv2d(3, 8, 300)(x)": "kernel_size is 300",
    "nn.Conv2d(3, 8, 3, bias=True, what=1)(x)": "no parameter what",
    "nn.ReLU(1, 2, 3)(x)": "at most",
    "nn.Linear(3, 4, out_features=5)(x)": "given twice",
    "nn.MaxPool2d(2, return_indices=True)(x)": "return_indices=False",
    "nn.Upsample(size=(8, 8))(x)": "size=None",
    "F.softmax(x, dim=k)": "dim of Softmax",
    "mystery(x)": "mystery has no value",
    "self.mystery(x)": "self.mystery(x)",
    "x[0]": "x[0]",
    "nn.ModuleList([nn.ReLU()])(x)": "ModuleList",
    "nn.Sequential(nn.ReLU(), None)(x)": "cannot be imported",
    "torch.cat([x, 3], 1)": "torch.cat([x, 3], 1)",
    "F.conv2d(x, self.first.weight)": "F.conv2d",
    "np.tanh(x)": "np.tanh",
    "(x, x)[1] @ x": "@ x",
}


@pytest.mark.parametrize("step", REFUSED)
def test_what_it_cannot_take_it_names_with_its_line_and_keeps_the_rest(step: str) -> None:
    parsed = parse("import numpy as np\n" + MODEL.format(f"torch.tanh({step})"))
    assert [problem.line for problem in parsed.problems] == [10]
    assert REFUSED[step] in str(parsed.problems[0].message)
    types = [block.type for block in parsed.document.blocks]
    assert types[0] == "Linear"
    assert types[-1] == "Tanh"


def test_layers_that_forward_never_calls_are_left_out_silently() -> None:
    source = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 4)
        self.scale = nn.Parameter(torch.ones(3))
        self.b = nn.Linear(3, 4)
        self.a = nn.Linear(3, 5)
    def forward(self, x):
        if x.dim() != 4:
            raise ValueError("an image please")
        unused = self.b(x)
        return self.a(x)
"""
    assert written(source) == "Linear(out_features=5)"


def test_steps_that_depend_on_the_data_are_named() -> None:
    source = MODEL.format(
        "x\n        if x.max() > 3:\n            x = x * 2\n        for _ in range(x.size(1)):\n            x = -x"
    )
    parsed = parse(source)
    assert [problem.line for problem in parsed.problems] == [10, 12]
    assert chain(parsed.document.blocks) == "Linear"


def test_of_several_networks_it_takes_the_last_that_no_other_uses() -> None:
    source = """
class Head(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.fc = nn.Linear(3, n)
    def forward(self, x):
        return self.fc(x)
class First(nn.Module):
    def forward(self, x):
        return nn.Tanh()(x)
class Second(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.ReLU(), make())
    def forward(self, x):
        return self.body(x)
class Loss(nn.Module):
    def forward(self, x, y):
        return F.cross_entropy(x, y)
def make():
    return Head(7)
loss = nn.CrossEntropyLoss()
"""
    assert written(source) == "ReLU Linear(out_features=7)"


def test_classes_that_are_rows_of_modules_are_taken() -> None:
    source = """
class Dense(nn.ModuleDict):
    def __init__(self, n):
        super().__init__()
        for i in range(n):
            self.add_module("layer%d" % i, nn.Linear(3, 3))
    def forward(self, x):
        features = [x]
        for name, layer in self.items():
            features.append(layer(features if isinstance(features, torch.Tensor) else torch.cat(features, 1)))
        return torch.cat(features, 1)
class Stack(nn.ModuleList):
    def forward(self, x):
        if not torch.jit.is_scripting():
            for layer in self:
                x = layer(x)
        return x
model = nn.Sequential(Dense(2), Stack([nn.ReLU(), nn.Linear(9, 10)]))
"""
    assert written(source) == "Parallel[ | Linear(out_features=3)] " * 2 + "ReLU Linear"


def test_our_own_helpers_are_known_by_what_they_do_as_well() -> None:
    blocks = (
        Block("c", "Conv2d", {"out_channels": 8}),
        Block("r", "Residual", {}, ((Block("a", "ReLU"),), ())),
        Block("p", "Parallel", {"join": "add"}, ((Block("b", "ReLU"),), (Block("d", "Tanh"),))),
        Block("q", "Parallel", {}, ((Block("e", "ReLU"),), ())),
        Block("s", "SqueezeExcite", {"reduction": 2}),
        Block("f", "Flatten"),
        Block("l", "Linear"),
    )
    document = Document(blocks=blocks)
    code = module_code(document, (1, 8, 8), 10)
    for helper in ("Residual", "Parallel", "SqueezeExcite"):
        code = code.replace(helper, f"My{helper}")
    assert parse(code).document == normal(document)
    own = """
class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
    def forward(self, x):
        return F.relu(self.conv(x)) + x
model = nn.Sequential(Residual(16))
"""
    assert written(own) == "Residual[Conv2d(padding=1) ReLU | ]"


def test_arguments_come_from_where_the_network_is_made() -> None:
    source = """
class Net(nn.Module):
    def __init__(self, width, *, classes=3):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, width), nn.ReLU(), nn.Linear(width, classes))
    def forward(self, x):
        return self.net(x)
"""
    made = "Flatten Linear(out_features={}) ReLU Linear(out_features={})"
    assert written(source + "model = Net(2 ** 6, classes=5).to(device)") == made.format(64, 5)
    assert written(source + "def build():\n    return Net(width=32)") == made.format(32, 3)
    parsed = parse(source)
    assert chain(parsed.document.blocks) == "Flatten Linear ReLU Linear(out_features=3)"
    assert "out_features of Linear cannot be read" in str(parsed.problems[0].message)


def test_a_training_loop_around_the_network_does_no_harm() -> None:
    source = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader
import torchvision
data = DataLoader(torchvision.datasets.MNIST("."), batch_size=64)
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).to("cpu")
optimizer = optim.Adam(model.parameters(), lr=1e-3)
losses = []
for epoch in range(1000000):
    for x, y in data:
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        losses.append(loss.item())
step = 0
while True:
    step += 1
print(sum(losses) / len(losses), f"{step:>10}")
"""
    assert written(source) == "Flatten Linear"


def test_seven_branches_are_put_together_in_groups() -> None:
    step = "torch.cat([F.relu(x), " + "F.tanh(x), " * 6 + "], 1)"
    tanh = " | Tanh" * 5
    assert written(MODEL.format(step)) == f"Linear Parallel[Parallel[ReLU{tanh}] | Tanh]"
