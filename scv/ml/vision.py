"""The one import of torchvision: its datasets and transforms, with or without its compiled operators.

torchvision's wheels are compiled against one build of torch. Beside another (a CPU torch, say) the compiled
library does not load, and the package then fails on declaring how two of its operators treat shapes. SCV
uses neither, so declaring the two is all it takes; datasets and transforms are plain Python.
"""

import torch

try:
    import torchvision
except RuntimeError:
    # The declarations last as long as this object does.
    _operators = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _operators.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

datasets = torchvision.datasets
transforms = torchvision.transforms
version: str = torchvision.__version__
