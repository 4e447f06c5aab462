"""The calls in somebody's code: of its own functions and classes, of layers and modules, of torch and of Python."""

import ast
from abc import abstractmethod
from collections.abc import Sequence

from scv.blocks.block import BlockType, Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.params import ParamError
from scv.blocks.reading import constants
from scv.blocks.reading.constants import NotConstantError
from scv.blocks.reading.expressions import Expressions
from scv.blocks.reading.values import (
    HOLDERS,
    Bound,
    External,
    Function,
    Instance,
    LayerValue,
    Modules,
    Partial,
    Scope,
    Super,
    Tensor,
    Unknown,
    UserClass,
    Value,
    is_module,
    modules_in,
    state,
)
from scv.message import foreign, say

_ITSELF = frozenset(
    ("to", "cuda", "cpu", "eval", "train", "float", "half", "double", "apply", "requires_grad_", "compile")
)
"""Methods of a module that give the module, or change nothing of what it is."""


class Calls(Expressions):
    """Evaluates calls. Evaluating the body of a function is left to the subclass for statements."""

    @abstractmethod
    def run(self, body: Sequence[ast.stmt], scope: Scope) -> Value:
        """Go through a function's body and give what it returns."""

    def call(self, node: ast.AST, function: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        """The result of a call. A call that cannot be evaluated passes its tensor on, so that later steps are kept."""
        self._notes.spend(1 + len(args) + len(kwargs))
        try:
            return self._called(node, function, args, kwargs)
        except NotConstantError:
            return self._lost(node, function, args, kwargs)

    def _called(self, node: ast.AST, function: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        match function:
            case External(path=path):
                return self._external(node, path, args, kwargs)
            case UserClass():
                return self.instance(node, function, args, kwargs)
            case Function():
                return self.function(node, function, args, kwargs)
            case Partial():
                return self.call(node, function.function, [*function.args, *args], function.kwargs | kwargs)
            case Bound(target=target, name=name):
                return self._method(node, target, name, args, kwargs)
            case LayerValue() | Modules() if len(args) == 1 and isinstance(args[0], Tensor) and not kwargs:
                return self.applied(node, function, args[0])
            case Instance() if function.cls.method("forward") is not None and self._tensors(args, kwargs):
                return self.call(node, self.attribute(node, function, "forward"), args, kwargs)
            case Instance(modules=Modules() as modules) if len(args) == 1 and isinstance(args[0], Tensor):
                return self.applied(node, modules, args[0])
        return self._lost(node, function, args, kwargs)

    def _lost(self, node: ast.AST, function: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        tensors = self._tensors(args, kwargs)
        if isinstance(function, Bound) and isinstance(function.target, Tensor):
            tensors.insert(0, function.target)
        if not tensors:
            return function if isinstance(function, Unknown) else Unknown(node)
        if isinstance(function, Unknown):
            self._notes.unknown(function)
        else:
            self._notes.refuse(node)
        return Tensor(tensors[0].node, loose=True)

    def _tensors(self, args: Sequence[Value], kwargs: dict[str, Value]) -> list[Tensor]:
        """The tensors among arguments, those in lists included."""
        found: list[Tensor] = []
        for value in (*args, *kwargs.values()):
            self._notes.spend()
            inner = value if isinstance(value, list | tuple) else [value]
            found += [item for item in inner if isinstance(item, Tensor)]
        return found

    def applied(self, node: ast.AST, module: Value, tensor: Tensor) -> Tensor:
        """A tensor after a module."""
        if isinstance(module, Modules) and module.form == "Sequential":
            for item in list(module.items.values()):
                self._notes.spend()
                tensor = self.applied(node, item, tensor)
            return tensor
        if isinstance(module, LayerValue):
            if isinstance(module.kind, Container):
                return self._container(node, module, module.kind, tensor)
            return self._flow.layer(node, module, tensor)
        self.deeper()
        try:
            if isinstance(module, Modules):
                given = self._lost(node, module, [tensor], {})
            else:
                given = self.call(node, module, [tensor], {})
        finally:
            self._nesting -= 1
        if isinstance(given, Tensor):
            return given
        if isinstance(given, Unknown):
            self._notes.unknown(given)
        else:
            self._notes.refuse(node)
        return Tensor(tensor.node, loose=True)

    def _container(self, node: ast.AST, layer: LayerValue, kind: Container, tensor: Tensor) -> Tensor:
        try:
            branches, others = kind.unwrap(layer.args, layer.kwargs)
            params = self._flow.params(layer, kind, others)
        except ParamError as error:
            self._notes.report(layer.node, error.message)
            return Tensor(tensor.node, loose=True)
        self.deeper()
        ends = [self.applied(node, branch, tensor) for branch in branches]
        self._nesting -= 1
        return self._flow.container(layer, kind, params, ends) if ends else tensor

    def instance(self, node: ast.AST, cls: UserClass, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        """A new instance of a class of the code."""
        if cls.kind is not None:
            return LayerValue(node, cls.kind, tuple(args), kwargs)
        made = Instance(cls, node, tuple(args), kwargs, {})
        form = cls.holds()
        if form is not None:
            made.modules = Modules(form, node, {})
        found = cls.method("__init__")
        if found is not None:
            self.function(node, Function(found[1], found[0].scope, found[0], made), args, kwargs)
        elif form is not None:
            made.modules = self._modules(node, form, args)
        elif cls.layer() is not None:
            made.layer = LayerValue(node, cls.layer(), tuple(args), kwargs)
        made.made = state(made, self._notes)
        own = cls.method("forward")
        return made if made.layer is None or own is not None else made.layer

    def function(self, node: ast.AST, function: Function, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        """What a function of the code gives."""
        names = self._bound(node, function, args, kwargs)
        if function.bound is not None and function.owner is not None:
            names["super()"] = Super(function.bound, function.owner)
        scope = Scope(names, function.scope)
        self.deeper()
        try:
            if isinstance(function.node, ast.Lambda):
                return self.eval(function.node.body, scope)
            return self.run(function.node.body, scope)
        finally:
            self._nesting -= 1

    def _bound(
        self, node: ast.AST, function: Function, args: Sequence[Value], kwargs: dict[str, Value]
    ) -> dict[str, Value]:
        """The parameters of a function by name. Raises `NotConstantError` where the call does not fit."""
        spec = function.node.args
        given = [*(() if function.bound is None else (function.bound,)), *args]
        positional = [*spec.posonlyargs, *spec.args]
        self._notes.spend(len(positional) + len(spec.kwonlyargs))
        names = {parameter.arg: value for parameter, value in zip(positional, given, strict=False)}
        if len(given) > len(positional) and spec.vararg is None:
            raise NotConstantError
        if spec.vararg is not None:
            names[spec.vararg.arg] = tuple(given[len(positional) :])
        known = {parameter.arg for parameter in (*positional, *spec.kwonlyargs)}
        more: dict[str, Value] = {}
        for name, value in kwargs.items():
            if name not in known and spec.kwarg is None:
                raise NotConstantError
            (names if name in known else more)[name] = value
        if spec.kwarg is not None:
            names[spec.kwarg.arg] = more
        defaults = [None] * (len(positional) - len(spec.defaults)) + list(spec.defaults)
        for parameter, default in zip([*positional, *spec.kwonlyargs], [*defaults, *spec.kw_defaults], strict=True):
            if parameter.arg in names:
                continue
            if default is None:
                why = say("{name} has no value in this code.", name=foreign(parameter.arg))
                names[parameter.arg] = Unknown(parameter, why)
            else:
                names[parameter.arg] = self.eval(default, function.scope)
        return names

    def _external(self, node: ast.AST, path: str, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        package, _, name = path.rpartition(".")
        if package == "builtins":
            return self._builtin(node, name, args, kwargs)
        if package == "math":
            return constants.call_math(name, args)
        if name == "OrderedDict":
            return constants.call("dict", args, kwargs)
        if name == "partial" and args:
            return Partial(args[0], tuple(args[1:]), kwargs)
        if not path.startswith("torch."):
            return self._lost(node, External(path), args, kwargs)
        if path.startswith("torch.nn.") and name[:1].isupper():
            return self._torch_class(node, name, args, kwargs)
        if path.endswith(".Module.__init__"):
            return None
        if path in ("torch.jit.is_scripting", "torch.jit.is_tracing"):
            return False
        if self._tensors(args, kwargs):
            return self._flow.function(node, name, args, kwargs)
        return Unknown(node)

    def _torch_class(self, node: ast.AST, name: str, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        if name in HOLDERS:
            return self._modules(node, name, args or [value for key, value in kwargs.items() if key == "modules"])
        if name == "Identity":
            return Modules("Sequential", node, {})
        kind: BlockType | None = CATALOGUE.get(name)
        if kind is not None and not kind.helper:
            return LayerValue(node, kind, tuple(args), kwargs)
        lazy = CATALOGUE.get(name.removeprefix("Lazy"))
        if lazy is not None and lazy.inferred:
            known = dict(zip((word for word in lazy.signature if word not in lazy.inferred), args, strict=False))
            return LayerValue(node, lazy, (), dict.fromkeys(lazy.inferred) | known | kwargs)
        return LayerValue(node, None, tuple(args), kwargs)

    def _modules(self, node: ast.AST, form: str, args: Sequence[Value]) -> Modules:
        given = args[0] if len(args) == 1 else None
        if isinstance(given, dict):
            return Modules(form, node, {str(name): value for name, value in given.items()})
        if form != "Sequential" and given is not None:
            row = self.row(given)
            args = [given if isinstance(given, Unknown) else Unknown(node)] if row is None else row
        return Modules(form, node, {str(number): value for number, value in enumerate(args)})

    def _builtin(self, node: ast.AST, name: str, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        match name, args:
            case "print", _:
                return None
            case "sum", [[*summands]] if self._tensors([summands], {}):
                return self._flow.total(node, summands)
            case "len", [Modules() | Instance() as row]:
                items = self.row(row)
                return Unknown(node) if items is None else len(items)
            case "len", [Tensor()]:
                return self._flow.method(node, args[0], "size", [0], {})
            case "isinstance", [value, kinds]:
                return self._is_instance(node, value, kinds)
            case ("getattr", [target, str(attribute), *default]):
                value = self.attribute(node, target, attribute)
                return default[0] if default and isinstance(value, Unknown | Bound) else value
            case ("hasattr", [target, str(attribute)]):
                return not isinstance(self.attribute(node, target, attribute), Unknown | Bound)
            case "setattr", [target, str(attribute), value]:
                self.set_attribute(target, attribute, value)
                return None
            case "delattr", [Instance() as target, str(attribute)]:
                target.attributes.pop(attribute, None)
                return None
            case "delattr", [Modules() as target, str(attribute)]:
                target.items.pop(attribute, None)
                return None
        # Builtins such as `enumerate` and `zip` take modules like lists.
        rows = [self.row(arg) if isinstance(arg, Modules | Instance) else arg for arg in args]
        self._notes.spend(sum(len(row) for row in rows if isinstance(row, list | tuple | dict | str)))
        return constants.call(name, rows, kwargs)

    def _is_instance(self, node: ast.AST, value: Value, kinds: Value) -> Value:
        plain = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "tuple": tuple, "dict": dict}
        if isinstance(value, Unknown):
            return Unknown(node)
        for kind in kinds if isinstance(kinds, list | tuple) else [kinds]:
            if isinstance(kind, External) and kind.path.startswith("builtins."):
                word = kind.path.removeprefix("builtins.")
                if word in plain and isinstance(value, plain[word]):
                    return True
            elif isinstance(kind, External):
                name = kind.path.split(".")[-1]
                made = value.form if isinstance(value, Modules) else "Tensor" if isinstance(value, Tensor) else None
                if isinstance(value, LayerValue) and value.kind is not None:
                    made = value.kind.type
                if name == made or (name == "Module" and is_module(value)):
                    return True
            elif isinstance(kind, UserClass):
                if isinstance(value, Instance) and kind in value.cls.lineage():
                    return True
            else:
                return Unknown(node)
        return False

    def _method(
        self, node: ast.AST, target: Value, name: str, args: Sequence[Value], kwargs: dict[str, Value]
    ) -> Value:
        match target:
            case Tensor():
                return self._flow.method(node, target, name, args, kwargs)
            case list() | dict() | str():
                self._notes.spend(len(target))
                return constants.method(target, name, args, kwargs)
            case Super():
                return self._super(node, target, name, args, kwargs)
            case Modules():
                return self._method_of_modules(node, target, name, args, kwargs)
            case Instance(modules=modules):
                if name in ("add_module", "register_module") and len(args) == 2 and isinstance(args[0], str):
                    target.attributes[args[0]] = args[1]
                if modules is not None:
                    return self._method_of_modules(node, modules, name, args, kwargs)
                if name == "children":
                    return [value for value in target.attributes.values() if is_module(value)]
                if name == "named_children":
                    return [pair for pair in target.attributes.items() if is_module(pair[1])]
        return self._method_of_module(node, target, name, args, kwargs)

    def _method_of_module(
        self, node: ast.AST, target: Value, name: str, args: Sequence[Value], kwargs: dict[str, Value]
    ) -> Value:
        """The result of a method that every module has."""
        if name in _ITSELF:
            return target
        if name in ("modules", "named_modules"):
            found = modules_in(target, self._notes)
            return list(found.items()) if name == "named_modules" else list(found.values())
        if name in ("parameters", "named_parameters", "buffers"):
            return []  # only weights are set in loops over these
        if name in ("forward", "__call__") and len(args) == 1 and isinstance(args[0], Tensor):
            return self.applied(node, target, args[0])
        if name in ("register_buffer", "register_parameter", "add_module", "register_module"):
            return None
        return self._lost(node, Bound(target, name), args, kwargs)

    def _method_of_modules(
        self, node: ast.AST, target: Modules, name: str, args: Sequence[Value], kwargs: dict[str, Value]
    ) -> Value:
        match name, args:
            case "append", [value]:
                target.append(value)
            case "extend", [more]:
                for value in self.row(more) or [Unknown(node)]:
                    target.append(value)
            case "insert", [int(position), value]:
                items = list(target.items.values())
                items.insert(position, value)
                target.items = {str(number): item for number, item in enumerate(items)}
            case ("add_module" | "register_module", [str(key), value]):
                target.append(value, key)
            case "pop", [int() | str() as key] if target.items:
                return self._popped(target, key)
            case "children" | "values", []:
                return list(target.items.values())
            case "keys", []:
                return list(target.items)
            case "items" | "named_children", []:
                return list(target.items.items())
            case _:
                return self._method_of_module(node, target, name, args, kwargs)
        constants.bounded(target.items)
        self._notes.spend(len(target.items) if name == "insert" else 1)
        return target

    def _popped(self, target: Modules, key: int | str) -> Value:
        """A module that is taken out; those behind it in a row move up."""
        if target.form == "ModuleDict" or isinstance(key, str):
            return target.items.pop(str(key), None)
        items = list(target.items.values())
        if not -len(items) <= key < len(items):
            raise NotConstantError
        gone = items.pop(key)
        target.items = {str(number): item for number, item in enumerate(items)}
        return gone

    def _super(self, node: ast.AST, target: Super, name: str, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        found = target.instance.cls.method(name, after=target.owner)
        if found is not None:
            function = Function(found[1], found[0].scope, found[0], target.instance)
            return self.function(node, function, args, kwargs)
        if name == "__init__":
            if target.instance.modules is not None:
                target.instance.modules = self._modules(node, target.instance.modules.form, args)
            elif (kind := target.instance.cls.layer()) is not None:
                target.instance.layer = LayerValue(target.instance.node, kind, tuple(args), kwargs)
            return None
        if name == "forward" and target.instance.layer is not None and len(args) == 1 and isinstance(args[0], Tensor):
            return self.applied(node, target.instance.layer, args[0])
        return self._method(node, target.instance, name, args, kwargs)
