"""What of somebody's code would make another network is followed, or named with its line: never passed over."""

import pytest

from scv.blocks.codeparse import CodeError, parse
from tests.blocks.reading import written

IN_PLACE = {
    "(lambda y: self.again(nn.ReLU(inplace=True)(y)) + y)(x)": "ReLU Residual[Conv2d(out_channels=4, padding=1) | ]",
    "self.again(nn.SiLU(True)(x)) + x": "SiLU Residual[Conv2d(out_channels=4, padding=1) | ]",
    "self.again(x.relu_()) + x": "ReLU Residual[Conv2d(out_channels=4, padding=1) | ]",
    "self.again(torch.relu_(x)) + x": "ReLU Residual[Conv2d(out_channels=4, padding=1) | ]",
    "self.again(x.clone().relu_()) + x": "Residual[ReLU Conv2d(out_channels=4, padding=1) | ]",
    "x.add_(self.again(x)).relu_()": "Residual[Conv2d(out_channels=4, padding=1) | ] ReLU",
}
MODEL_OF_IMAGES = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
    def forward(self, x):
        x = self.first(x)
        x = {}
        return x
"""


@pytest.mark.parametrize("step", IN_PLACE)
def test_what_changes_a_tensor_in_place_is_seen_under_all_its_names(step: str) -> None:
    first = "Conv2d(out_channels=4, padding=1)"
    assert written(MODEL_OF_IMAGES.format(step)) == f"{first} {IN_PLACE[step]}"


@pytest.mark.parametrize(
    ("statements", "blocks"),
    [
        ("x\n        y = x\n        y += self.again(x)\n        x.relu_()\n        x = y", "Residual[{} | ] ReLU"),
        ("x\n        x.add_(self.again(x))\n        F.relu_(x)", "Residual[{} | ] ReLU"),
        ("x\n        y = self.again(x)\n        x.relu_()\n        x = y", "{}"),
    ],
)
def test_statements_that_change_a_tensor_are_steps(statements: str, blocks: str) -> None:
    conv = "Conv2d(out_channels=4, padding=1)"
    assert written(MODEL_OF_IMAGES.format(statements)) == f"{conv} {blocks.format(conv)}"


CHANGED = {
    "net.head = nn.Linear(32, 10)": "Flatten Linear(out_features=32) ReLU Linear",
    "setattr(net, 'head', nn.Linear(32, 10))": "Flatten Linear(out_features=32) ReLU Linear",
    "net._modules['head'] = nn.Linear(32, 10)": "Flatten Linear(out_features=32) ReLU Linear",
    "net.head = nn.Sequential(nn.ELU(), net.head)": "Flatten Linear(out_features=32) ReLU ELU Linear(out_features=9)",
    "net.head = nn.Identity()": "Flatten Linear(out_features=32) ReLU",
    "net.body[0] = nn.Tanh()": "Flatten Tanh ReLU Linear(out_features=9)",
    "net.body.pop(0)": "Flatten ReLU Linear(out_features=9)",
    "del net.body[-1]": "Flatten Linear(out_features=32) Linear(out_features=9)",
    "net.body.append(nn.ELU())": "Flatten Linear(out_features=32) ReLU ELU Linear(out_features=9)",
    "net.eval()": "Flatten Linear(out_features=32) ReLU Linear(out_features=9)",
}
CHANGEABLE = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 32), nn.ReLU())
        self.head = nn.Linear(32, 9)
    def forward(self, x):
        return self.head(self.body(x.flatten(1)))
net = Net()
"""


@pytest.mark.parametrize("change", CHANGED)
def test_a_network_is_taken_as_it_is_after_it_was_changed(change: str) -> None:
    assert written(f"{CHANGEABLE}{change}\n") == CHANGED[change]


def test_a_layer_that_was_deleted_is_missed_where_it_is_used() -> None:
    parsed = parse(f"{CHANGEABLE}del net.head\n")
    assert [(problem.line, "self.head" in str(problem.message)) for problem in parsed.problems] == [(8, True)]


def test_a_class_that_names_itself_is_not_used_by_that() -> None:
    source = """
class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.part, self.out = Part(), nn.Linear(4, 10)
    def forward(self, x):
        assert isinstance(self, Net)
        return self.out(self.part(x).flatten(1))
class Part(nn.Module):
    def __init__(self):
        super(Part, self).__init__()
        self.conv = nn.Conv2d(1, 4, 3)
    def forward(self, x):
        return self.conv(x)
"""
    assert written(source) == "Conv2d(out_channels=4) Flatten Linear"


def test_a_forward_that_is_not_in_the_code_is_said() -> None:
    net = """
from somelib import Base
class Net(Base):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(144, 10))
"""
    with pytest.raises(CodeError, match="Net was skipped: its base class Base"):
        parse(net)
    part = """
class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
    def forward(self, x):
        return self.conv(x)
"""
    parsed = parse(part + net.replace("nn.Flatten()", "Part(), nn.Flatten()"))
    assert [str(problem.message)[:15] for problem in parsed.problems] == ["Net was skipped"]


def test_a_function_that_gives_a_network_is_read_with_its_own_names() -> None:
    source = """
class Net(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(64, width) for width in widths])
    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
widths = [1]
def small():
    widths = [7, 8]
    return Net(widths)
"""
    assert written(source) == "Linear(out_features=7) Linear(out_features=8)"
    assert written("def make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(9, 10))\n") == "Flatten Linear"


def test_a_class_that_is_a_layer_is_that_layer() -> None:
    source = """
class Conv(nn.Conv2d):
    def __init__(self, ins, outs):
        super().__init__(ins, outs, 3, padding=1, bias=False)
class Flat(nn.Flatten):
    pass
class Twice(nn.ReLU):
    def forward(self, x):
        return torch.tanh(super().forward(x))
net = nn.Sequential(Conv(1, 4), Twice(), Flat(), nn.Linear(256, 10))
"""
    assert written(source) == "Conv2d(out_channels=4, padding=1, bias=False) ReLU Tanh Flatten Linear"


POOLED = {
    "F.avg_pool2d(x, x.size()[2:])": "AdaptiveAvgPool2d",
    "F.avg_pool2d(x, kernel_size=x.shape[-2:])": "AdaptiveAvgPool2d",
    "F.max_pool2d(x, (x.size(2), x.size(3)))": "AdaptiveMaxPool2d",
    "F.avg_pool2d(x, [x.shape[2], x.shape[-1]])": "AdaptiveAvgPool2d",
}


@pytest.mark.parametrize("step", POOLED)
def test_a_window_as_large_as_the_image_is_a_global_pool(step: str) -> None:
    assert written(MODEL_OF_IMAGES.format(step)) == f"Conv2d(out_channels=4, padding=1) {POOLED[step]}"


SILENT = {
    "torch.add(x, self.again(x), alpha=0.1)": "torch.add(x, self.again(x), alpha=0.1) cannot",
    "x.add(self.again(x), alpha=2)": "alpha=2",
    "F.avg_pool2d(x, (x.size(3), x.size(2)))": "kernel_size of AvgPool2d cannot be read",
    "F.avg_pool2d(x, self.first(x).shape[2:])": "",
    "nn.LayerNorm(8)(x)": "normalizes the last dimensions",
    "F.layer_norm(x, (8, 8))": "",
    "x\n        x[:, 0] = 0": "x[:, 0] cannot",
    "x\n        x[:, 0] += 1": "x[:, 0] cannot",
    "x\n        if self.training:\n            x = self.again(x)": "more than the code says: if self.training:",
}


@pytest.mark.parametrize("step", SILENT)
def test_what_would_make_another_network_is_named(step: str) -> None:
    parsed = parse(MODEL_OF_IMAGES.format(step))
    assert parsed.problems
    assert SILENT[step] in str(parsed.problems[0].message)


ATTRIBUTES = {
    "net.conv.stride = 2": "Conv2d(out_channels=4, stride=2) MaxPool2d(kernel_size=3, stride=2) Dropout",
    "net.conv.padding = (1, 1)": "Conv2d(out_channels=4, padding=1) MaxPool2d(kernel_size=3, stride=2) Dropout",
    "net.conv.bias = None": "Conv2d(out_channels=4, bias=False) MaxPool2d(kernel_size=3, stride=2) Dropout",
    "net.drop.p = 0.2": "Conv2d(out_channels=4) MaxPool2d(kernel_size=3, stride=2) Dropout(p=0.2)",
    "setattr(net.pool, 'kernel_size', 4)": "Conv2d(out_channels=4) MaxPool2d(kernel_size=4, stride=2) Dropout",
    "for m in net.modules():\n    if isinstance(m, nn.Dropout):\n        m.p = 0.2": (
        "Conv2d(out_channels=4) MaxPool2d(kernel_size=3, stride=2) Dropout(p=0.2)"
    ),
    "net.conv.kernel_size = 5": "Conv2d(out_channels=4) MaxPool2d(kernel_size=3, stride=2) Dropout",
    "net.conv.out_channels = 8": "Conv2d(out_channels=4) MaxPool2d(kernel_size=3, stride=2) Dropout",
}
"""What is set afterwards, and the blocks. A convolution's weights have their size already when it is set."""


@pytest.mark.parametrize("change", ATTRIBUTES)
def test_an_attribute_of_a_layer_that_is_set_afterwards_counts_where_torch_reads_it(change: str) -> None:
    code = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.pool = nn.MaxPool2d(3, 2)
        self.drop = nn.Dropout()
    def forward(self, x):
        return self.drop(self.pool(self.conv(x)))
net = Net()
"""
    assert written(code + change) == ATTRIBUTES[change]


def test_an_attribute_that_cannot_be_read_is_named() -> None:
    code = "net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 2))\nnet[0].stride = chosen()"
    parsed = parse(code)
    assert "stride of Conv2d cannot be read" in str(parsed.problems[0].message)
