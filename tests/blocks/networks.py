"""Networks as people write them in PyTorch, each with the blocks that it is, as `test_codeparse.written` shows them."""

QUICKSTART = """
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import ToTensor

training_data = datasets.FashionMNIST(root="data", train=True, download=True, transform=ToTensor())
train_dataloader = DataLoader(training_data, batch_size=64)
for X, y in train_dataloader:
    print(f"Shape of X [N, C, H, W]: {X.shape}")
    break

device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28*28, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 10)
        )

    def forward(self, x):
        x = self.flatten(x)
        logits = self.linear_relu_stack(x)
        return logits

model = NeuralNetwork().to(device)
print(model)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

def train(dataloader, model, loss_fn, optimizer):
    size = len(dataloader.dataset)
    model.train()
    for batch, (X, y) in enumerate(dataloader):
        X, y = X.to(device), y.to(device)
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

epochs = 5
for t in range(epochs):
    print(f"Epoch {t+1}\\n-------------------------------")
    train(train_dataloader, model, loss_fn, optimizer)
"""

CIFAR10 = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1) # flatten all dimensions except batch
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x


net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
"""

MNIST = """
import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = self.conv1(x)
        x = F.relu(x)
        x = self.conv2(x)
        x = F.relu(x)
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = self.fc1(x)
        x = F.relu(x)
        x = self.dropout2(x)
        x = self.fc2(x)
        output = F.log_softmax(x, dim=1)
        return output


def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()


def main():
    parser = argparse.ArgumentParser(description='PyTorch MNIST Example')
    args = parser.parse_args()
    device = torch.device("cpu")
    model = Net().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, None, optimizer, epoch)


if __name__ == '__main__':
    main()
"""

OLD_LENET = """
from torch.nn import *
from torch.nn.functional import relu, max_pool2d

class LeNet(Module):
    def __init__(self):
        Module.__init__(self)
        self.conv1 = Conv2d(1, 6, kernel_size=(5, 5), padding=2)
        self.conv2 = Conv2d(6, 16, 5)
        self.fc1, self.fc2 = Linear(400, 120), Linear(120, 84)
        self.fc3 = Linear(84, 10)

    def forward(self, x):
        x = max_pool2d(relu(self.conv1(x)), (2, 2))
        x = max_pool2d(relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_flat_features(x))
        x = relu(self.fc1(x))
        x = relu(self.fc2(x))
        return self.fc3(x)

    def num_flat_features(self, x):
        size = x.size()[1:]
        num_features = 1
        for s in size:
            num_features *= s
        return num_features
"""

RESNET = """
from functools import partial
from typing import List, Optional, Type

import torch
import torch.nn as nn
from torch import Tensor


def conv3x3(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_planes, out_planes, kernel_size=3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    expansion: int = 1

    def __init__(self, inplanes, planes, stride=1, downsample: Optional[nn.Module] = None, norm_layer=None) -> None:
        super().__init__()
        if norm_layer is None:
            norm_layer = nn.BatchNorm2d
        if stride not in (1, 2):
            raise ValueError("BasicBlock only supports a stride of 1 or 2")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        identity = x

        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)

        out = self.conv2(out)
        out = self.bn2(out)

        if self.downsample is not None:
            identity = self.downsample(x)

        out += identity
        out = self.relu(out)

        return out


class ResNet(nn.Module):
    def __init__(self, block: Type[BasicBlock], layers: List[int], num_classes: int = 1000, norm_layer=None) -> None:
        super().__init__()
        self._norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001)
        self.inplanes = 16
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 16, layers[0])
        self.layer2 = self._make_layer(block, 32, layers[1], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(32 * block.expansion, num_classes)

        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)

    def _make_layer(self, block, planes: int, blocks: int, stride: int = 1) -> nn.Sequential:
        norm_layer = self._norm_layer
        downsample = None
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                nn.Conv2d(self.inplanes, planes * block.expansion, 1, stride, bias=False),
                norm_layer(planes * block.expansion),
            )
        layers = []
        layers.append(block(self.inplanes, planes, stride, downsample, norm_layer))
        self.inplanes = planes * block.expansion
        for _ in range(1, blocks):
            layers.append(block(self.inplanes, planes, norm_layer=norm_layer))
        return nn.Sequential(*layers)

    def _forward_impl(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(x)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        x = self.fc(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self._forward_impl(x)


def resnet6(num_classes: int = 10) -> ResNet:
    return ResNet(BasicBlock, [1, 1], num_classes=10)
"""

RESNET_BLOCKS = """
Conv2d(kernel_size=7, stride=2, padding=3, bias=False) BatchNorm2d(eps=0.001) ReLU
MaxPool2d(kernel_size=3, stride=2, padding=1)
Residual[Conv2d(padding=1, bias=False) BatchNorm2d(eps=0.001) ReLU
         Conv2d(padding=1, bias=False) BatchNorm2d(eps=0.001) | ] ReLU
Residual[Conv2d(out_channels=32, stride=2, padding=1, bias=False) BatchNorm2d(eps=0.001) ReLU
         Conv2d(out_channels=32, padding=1, bias=False) BatchNorm2d(eps=0.001)
       | Conv2d(out_channels=32, kernel_size=1, stride=2, bias=False) BatchNorm2d(eps=0.001)] ReLU
AdaptiveAvgPool2d Flatten Linear
"""

INCEPTION = """
import torch
from torch import nn
import torch.nn.functional as F

class BasicConv2d(nn.Module):
    def __init__(self, in_channels, out_channels, **kwargs):
        super(BasicConv2d, self).__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x):
        x = self.conv(x)
        x = self.bn(x)
        return F.relu(x, inplace=True)

class Inception(nn.Module):
    def __init__(self, in_channels, ch1x1, ch3x3red, ch3x3, pool_proj, conv_block=BasicConv2d):
        super().__init__()
        self.branch1 = conv_block(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv_block(in_channels, ch3x3red, kernel_size=1),
            conv_block(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            conv_block(in_channels, pool_proj, kernel_size=1),
        )

    def _forward(self, x):
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        outputs = [branch1, branch2, branch3]
        return outputs

    def forward(self, x):
        outputs = self._forward(x)
        return torch.cat(outputs, 1)

class Net(nn.Module):
    def __init__(self, n_classes=5):
        super().__init__()
        self.inception = Inception(3, 8, 4, 12, 6)
        self.fc = nn.Linear(26, n_classes)

    def forward(self, x):
        x = self.inception(x)
        x = F.adaptive_avg_pool2d(x, 1)
        x = x.view(x.size(0), -1)
        return self.fc(x)
"""

_BN = "BatchNorm2d(eps=0.001) ReLU"
INCEPTION_BLOCKS = f"""
Parallel[Conv2d(out_channels=8, kernel_size=1, bias=False) {_BN}
       | Conv2d(out_channels=4, kernel_size=1, bias=False) {_BN}
         Conv2d(out_channels=12, padding=1, bias=False) {_BN}
       | MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True)
         Conv2d(out_channels=6, kernel_size=1, bias=False) {_BN}]
AdaptiveAvgPool2d Flatten Linear(out_features=5)
"""

VGG = """
import torch.nn as nn

cfgs = {
    "tiny": [8, "M", 16, 16, "M"],
    "small": [64, 64, "M", 128, 128, "M"],
}

def make_layers(cfg, batch_norm=False):
    layers = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
        else:
            conv2d = nn.Conv2d(in_channels, v, kernel_size=3, padding=1)
            if batch_norm:
                layers += [conv2d, nn.BatchNorm2d(v), nn.ReLU(inplace=True)]
            else:
                layers += [conv2d, nn.ReLU(inplace=True)]
            in_channels = v
    return nn.Sequential(*layers)

class VGG(nn.Module):
    def __init__(self, features, num_classes=1000, init_weights=True, dropout=0.5):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Linear(512, 32),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(32, num_classes),
        )
        if init_weights:
            for m in self.modules():
                nn.init.normal_(m.weight, 0, 0.01)

    def forward(self, x):
        x = self.features(x)
        x = torch.flatten(x, 1)
        x = self.classifier(x)
        return x

def _vgg(cfg, batch_norm, **kwargs):
    return VGG(make_layers(cfgs[cfg], batch_norm=batch_norm), **kwargs)

model = _vgg("tiny", True, num_classes=10)
"""

VGG_BLOCKS = """
Conv2d(out_channels=8, padding=1) BatchNorm2d ReLU MaxPool2d(stride=2)
Conv2d(padding=1) BatchNorm2d ReLU Conv2d(padding=1) BatchNorm2d ReLU MaxPool2d(stride=2)
Flatten Linear(out_features=32) ReLU Dropout Linear
"""

MOBILENET = """
import torch.nn as nn

class ConvBNReLU(nn.Sequential):
    def __init__(self, i, o, k=3, s=1, groups=1):
        padding = (k - 1) // 2
        super(ConvBNReLU, self).__init__(
            nn.Conv2d(i, o, k, s, padding, groups=groups, bias=False),
            nn.BatchNorm2d(o),
            nn.SiLU(),
        )

class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        self.stride = stride
        assert stride in [1, 2]
        hidden_dim = int(round(inp * expand_ratio))
        self.use_res_connect = self.stride == 1 and inp == oup
        layers = []
        if expand_ratio != 1:
            layers.append(ConvBNReLU(inp, hidden_dim, k=1))
        layers.extend([
            ConvBNReLU(hidden_dim, hidden_dim, s=stride, groups=hidden_dim),
            nn.Conv2d(hidden_dim, oup, 1, 1, 0, bias=False),
        ])
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        if self.use_res_connect:
            return x + self.conv(x)
        else:
            return self.conv(x)

class MobileNet(nn.Module):
    def __init__(self, settings=None):
        super().__init__()
        channel = 4
        settings = settings or [
            # t, c, n, s
            [1, 4, 1, 1],
            [2, 6, 1, 2],
        ]
        features = [ConvBNReLU(3, channel, s=2)]
        for t, c, n, s in settings:
            for i in range(n):
                features.append(InvertedResidual(channel, c, s if i == 0 else 1, t))
                channel = c
        self.features = nn.Sequential(*features)
        self.classifier = nn.Linear(channel, 10)

    def forward(self, x):
        x = self.features(x)
        x = x.mean([2, 3])
        return self.classifier(x)
"""

MOBILENET_BLOCKS = """
Conv2d(out_channels=4, stride=2, padding=1, bias=False) BatchNorm2d SiLU
Residual[Conv2d(out_channels=4, padding=1, groups=4, bias=False) BatchNorm2d SiLU
         Conv2d(out_channels=4, kernel_size=1, bias=False) | ]
Conv2d(out_channels=8, kernel_size=1, bias=False) BatchNorm2d SiLU
Conv2d(out_channels=8, stride=2, padding=1, groups=8, bias=False) BatchNorm2d SiLU
Conv2d(out_channels=6, kernel_size=1, bias=False)
AdaptiveAvgPool2d Flatten Linear
"""

DENSE = """
class DenseBlock(nn.Module):
    def __init__(self, channels, growth, n):
        super().__init__()
        self.layers = nn.ModuleList()
        for i in range(n):
            self.layers.append(nn.Sequential(nn.Conv2d(channels + i * growth, growth, 3, padding=1), nn.ReLU()))

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)

model = nn.Sequential(DenseBlock(3, 4, n=3), nn.Flatten(), nn.Linear(1, 10))
"""

DENSE_BLOCKS = " ".join(["Parallel[ | Conv2d(out_channels=4, padding=1) ReLU]"] * 3) + " Flatten Linear"

SQUEEZE_EXCITE = """
class SELayer(nn.Module):
    def __init__(self, channel, reduction=16):
        super(SELayer, self).__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, channel // reduction),
            nn.ReLU(inplace=True),
            nn.Linear(channel // reduction, channel),
            nn.Sigmoid()
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        y = self.fc(y).view(b, c, 1, 1)
        return x * y.expand_as(x)

class Gate(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.down = nn.Conv2d(channels, hidden, 1)
        self.up = nn.Conv2d(hidden, channels, 1)

    def forward(self, x):
        scale = F.adaptive_avg_pool2d(x, 1)
        scale = torch.sigmoid(self.up(F.relu(self.down(scale))))
        return scale * x

model = nn.Sequential(nn.Conv2d(3, 32, 3), SELayer(32), Gate(32, 8), nn.Flatten(), nn.Linear(1, 10))
"""

NAMED = """
from collections import OrderedDict
from torch import nn

hidden_sizes = [128, 64]
activation = {"relu": nn.ReLU, "tanh": nn.Tanh}["tanh"]

model = nn.Sequential(OrderedDict([
    ("flatten", nn.Flatten()),
    ("hidden", nn.Sequential(*[
        layer for a, b in zip([784] + hidden_sizes[:-1], hidden_sizes)
        for layer in (nn.Linear(a, b), activation())
    ])),
    ("drop", nn.Dropout(p=1 / 4)),
]))
model.add_module("output", nn.LazyLinear(hidden_sizes[-1] // 6, bias=False))
"""

LOOPED = """
class Net(nn.Module):
    def __init__(self, widths=(8, 16), depth=2):
        super().__init__()
        self.depth = depth
        last = 1
        for i, width in enumerate(widths):
            setattr(self, f"conv{i}", nn.Conv2d(last, width, 3, padding="same"))
            self.add_module("norm{}".format(i), nn.GroupNorm(4, width))
            last = width
        self.blocks = nn.ModuleDict({"pool": nn.AvgPool2d(2), "act": nn.PReLU(last)})
        self.heads = nn.ModuleList([nn.Linear(last, 10) for _ in range(2)])

    def forward(self, x):
        x = x.view(-1, 1, 28, 28)
        i = 0
        while i < self.depth:
            x = getattr(self, f"conv{i}")(x)
            x = getattr(self, "norm%d" % i)(x)
            i += 1
        for name, block in self.blocks.items():
            x = block(x)
        with torch.no_grad():
            y = x.mean((2, 3))
        out = sum(head(x.flatten(1)) for head in self.heads)
        return out
"""

NETWORKS: dict[str, tuple[str, str]] = {
    "quickstart": (
        QUICKSTART,
        "Flatten Linear(out_features=512) ReLU Linear(out_features=512) ReLU Linear",
    ),
    "cifar10 tutorial": (
        CIFAR10,
        "Conv2d(out_channels=6, kernel_size=5) ReLU MaxPool2d(stride=2) Conv2d(kernel_size=5) ReLU MaxPool2d(stride=2)"
        " Flatten Linear(out_features=120) ReLU Linear(out_features=84) ReLU Linear",
    ),
    "mnist example": (
        MNIST,
        "Conv2d(out_channels=32) ReLU Conv2d(out_channels=64) ReLU MaxPool2d Dropout(p=0.25) Flatten"
        " Linear(out_features=128) ReLU Dropout Linear LogSoftmax",
    ),
    "old lenet": (
        OLD_LENET,
        "Conv2d(out_channels=6, kernel_size=5, padding=2) ReLU MaxPool2d Conv2d(kernel_size=5) ReLU MaxPool2d Flatten"
        " Linear(out_features=120) ReLU Linear(out_features=84) ReLU Linear",
    ),
    "resnet": (RESNET, RESNET_BLOCKS),
    "inception": (INCEPTION, INCEPTION_BLOCKS),
    "vgg": (VGG, VGG_BLOCKS),
    "mobilenet": (MOBILENET, MOBILENET_BLOCKS),
    "densenet": (DENSE, DENSE_BLOCKS),
    "squeeze and excite": (
        SQUEEZE_EXCITE,
        "Conv2d(out_channels=32) SqueezeExcite(reduction=16) SqueezeExcite Flatten Linear",
    ),
    "named": (
        NAMED,
        "Flatten Linear(out_features=128) Tanh Linear(out_features=64) Tanh Dropout(p=0.25) Linear(bias=False)",
    ),
    "looped": (
        LOOPED,
        "Conv2d(out_channels=8, padding=same) GroupNorm Conv2d(padding=same) GroupNorm AvgPool2d"
        " PReLU(per_channel=True) Parallel(join=add)[Flatten Linear | Flatten Linear]",
    ),
}
