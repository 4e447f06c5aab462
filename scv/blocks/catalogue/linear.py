"""Fully connected layers: every output depends on every input."""

from typing import ClassVar

from scv.blocks.block import BlockType, Call, InsertBefore, ShapeError
from scv.blocks.params import Flag, Integer, Param, Values
from scv.blocks.receptive_field import ReceptiveField
from scv.blocks.shapes import Shape, is_tensor, size, written
from scv.message import mark, say


class Linear(BlockType):
    """torch.nn.Linear."""

    type = "Linear"
    category = "linear"
    stem = "linear"
    summary = mark("Computes each output as a weighted sum of all inputs.")
    help = mark(
        "Each output is a weighted sum of all inputs. At the end of a network it has one output for each class: the "
        "largest wins. Most parameters of a network sit here."
    )
    signature: ClassVar[tuple[str, ...]] = ("in_features", "out_features", "bias")
    required = 2
    inferred: ClassVar[tuple[str, ...]] = ("in_features",)
    params: ClassVar[tuple[Param, ...]] = (
        Integer(
            name="out_features",
            default=10,
            minimum=1,
            maximum=65536,
            label="out",
            main=True,
            help=mark("Number of outputs."),
        ),
        Flag(name="bias", default=True, help=mark("Add one learned number to every output.")),
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        if is_tensor(shape):
            raise ShapeError(
                "needs_vector",
                say(
                    "{type} needs a vector, but a {shape} tensor arrives.",
                    type=self.type,
                    shape=written(shape),
                ),
                say("{shape} = {size} numbers per image", shape=written(shape), size=f"{size(shape):,}"),
                [
                    InsertBefore(say("Insert Flatten"), (("Flatten", {}),)),
                    InsertBefore(
                        say("Pool to {channels} × 1 × 1 instead", channels=shape[0]),
                        (("AdaptiveAvgPool2d", {"output_size": 1}), ("Flatten", {})),
                    ),
                ],
            )
        return (p["out_features"],)

    def look(self, p: Values, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.of_all()

    def parameters(self, p: Values, shape: Shape) -> int:
        return int(shape[0] * p["out_features"] + (p["out_features"] if p["bias"] else 0))

    def multiply_adds(self, p: Values, shape: Shape) -> int:
        return int(shape[0] * p["out_features"])

    def call(self, p: Values, shape: Shape) -> Call:
        return Call("nn.Linear", (shape[0], p["out_features"]), self.changed(p, "bias"))

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        bias = f" + {p['out_features']}" if p["bias"] else ""
        return (
            "y = W·x + b" if p["bias"] else "y = W·x",
            f"weights = {shape[0]}·{p['out_features']}{bias} = {self.parameters(p, shape):,}",
        )
