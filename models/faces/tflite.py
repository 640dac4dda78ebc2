"""Float TFLite graphs in plain torch: batched, differentiable, on any device (ours; the format is TensorFlow's).

A .tflite file is a FlatBuffer. The few tables that matter are read here; the numbers of the fields are their places in
the public schema (`schema.fbs`, version 3). Every graph is for one picture, so axis 0 is taken for the batch
everywhere: it is never reshaped, sliced or reduced, and constants are repeated along it.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _Table:
    """One FlatBuffer table: fields by number, a default for those that the file leaves out."""

    def __init__(self, data: bytes, position: int):
        self.data, self.position = data, position
        self.fields = position - struct.unpack_from("<i", data, position)[0]
        self.length = struct.unpack_from("<H", data, self.fields)[0]

    def _field(self, number: int) -> int:
        slot = 4 + 2 * number
        offset = struct.unpack_from("<H", self.data, self.fields + slot)[0] if slot < self.length else 0
        return self.position + offset if offset else 0

    def _follow(self, position: int) -> int:
        return position + struct.unpack_from("<I", self.data, position)[0]

    def number(self, field: int, kind: str, default: int) -> int:
        place = self._field(field)
        return struct.unpack_from("<" + kind, self.data, place)[0] if place else default

    def table(self, field: int) -> "_Table | None":
        place = self._field(field)
        return _Table(self.data, self._follow(place)) if place else None

    def tables(self, field: int) -> list["_Table"]:
        place = self._field(field)
        if not place:
            return []
        start = self._follow(place)
        count = struct.unpack_from("<I", self.data, start)[0]
        return [_Table(self.data, self._follow(start + 4 + 4 * i)) for i in range(count)]

    def array(self, field: int, dtype: str) -> np.ndarray:
        place = self._field(field)
        if not place:
            return np.zeros(0, dtype)
        start = self._follow(place)
        return np.frombuffer(self.data, dtype, struct.unpack_from("<I", self.data, start)[0], start + 4)


Values = list["Tensor | tuple[int, ...] | None"]
Options = dict[str, int]


def _pad_same(x: Tensor, size: tuple[int, int], stride: tuple[int, int], fill: float) -> Tensor:
    """TensorFlow's SAME: the odd pixel goes to the right and the bottom. x: (B, C, H, W)"""
    (top, bottom), (left, right) = (
        (total // 2, total - total // 2)
        for total in (max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(x.shape[2:], size, stride, strict=True))
    )
    return F.pad(x, (left, right, top, bottom), value=fill) if top + bottom + left + right else x


def _activate(x: Tensor, options: Options) -> Tensor:
    if options["activation"] == 1:
        return x.relu()
    return x.clamp(0, 6) if options["activation"] == 3 else x


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, options: Options) -> Tensor:
    stride = options["stride_h"], options["stride_w"]
    x = x.permute(0, 3, 1, 2)
    if options["padding"] == 0:
        x = _pad_same(x, weight.shape[2:], stride, 0.0)
    return _activate(F.conv2d(x, weight, bias, stride, groups=groups), options).permute(0, 2, 3, 1)


def _conv_2d(values: Values, options: Options) -> Tensor:
    x, weight, bias = values
    if weight.shape[1:3] == (1, 1) and options["stride_h"] == options["stride_w"] == 1:
        return _activate(F.linear(x, weight.flatten(1), bias), options)
    return _convolve(x, weight.permute(0, 3, 1, 2), bias, 1, options)


def _depthwise_conv_2d(values: Values, options: Options) -> Tensor:
    x, weight, bias = values
    return _convolve(x, weight.permute(3, 0, 1, 2), bias, x.shape[3], options)


def _max_pool_2d(values: Values, options: Options) -> Tensor:
    size, stride = (options["size_h"], options["size_w"]), (options["stride_h"], options["stride_w"])
    x = values[0].permute(0, 3, 1, 2)
    if options["padding"] == 0:
        x = _pad_same(x, size, stride, -torch.inf)
    return _activate(F.max_pool2d(x, size, stride), options).permute(0, 2, 3, 1)


def _prelu(values: Values, options: Options) -> Tensor:
    x, slope = values
    return F.prelu(x.movedim(-1, 1), slope.flatten()).movedim(1, -1)


def _pad(values: Values, options: Options) -> Tensor:
    x, amounts = values
    pairs = [amounts[i : i + 2] for i in range(0, len(amounts), 2)]
    return F.pad(x, [n for pair in reversed(pairs) for n in pair])


def _reshape(values: Values, options: Options) -> Tensor:
    shape = options["shape"] if len(values) == 1 else values[1]
    return values[0].reshape(len(values[0]), *shape[1:])


def _concatenate(values: Values, options: Options) -> Tensor:
    batch = max(len(value) for value in values)
    values = [value.expand(batch, *value.shape[1:]) for value in values]
    return _activate(torch.cat(values, options["axis"]), options)


def _strided_slice(values: Values, options: Options) -> Tensor:
    x, begin, end, stride = values
    if options["ellipsis_mask"] or options["new_axis_mask"] or options["shrink_axis_mask"] > 1:
        raise ValueError("got a STRIDED_SLICE with an ellipsis, a new or a dropped axis, want begin, end and stride")
    slices = [
        slice(None if options["begin_mask"] >> i & 1 else b, None if options["end_mask"] >> i & 1 else e, s)
        for i, (b, e, s) in enumerate(zip(begin, end, stride, strict=True))
    ]
    return x[(slice(None), *slices[1:])]


def _reduce(function: Callable, values: Values, options: Options) -> Tensor:
    return function(values[0], dim=values[1], keepdim=bool(options["keep_dims"]))


_ACTIVATION = ("activation", "b", 0)
_CONV = (("padding", "b", 0), ("stride_w", "i", 0), ("stride_h", "i", 0))
_SLICE = [(name, "i", 0) for name in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")]

# number in the schema: (name, function, options in the order of their fields: name, type, default)
OPERATORS: dict[int, tuple[str, Callable, tuple]] = {
    0: ("ADD", lambda v, o: _activate(v[0] + v[1], o), (_ACTIVATION,)),
    2: ("CONCATENATION", _concatenate, (("axis", "i", 0), _ACTIVATION)),
    3: ("CONV_2D", _conv_2d, (*_CONV, _ACTIVATION, ("dilation_w", "i", 1), ("dilation_h", "i", 1))),
    4: (
        "DEPTHWISE_CONV_2D",
        _depthwise_conv_2d,
        (*_CONV, ("multiplier", "i", 1), _ACTIVATION, ("dilation_w", "i", 1), ("dilation_h", "i", 1)),
    ),
    6: ("DEQUANTIZE", lambda v, o: v[0], ()),
    14: ("LOGISTIC", lambda v, o: v[0].sigmoid(), ()),
    17: ("MAX_POOL_2D", _max_pool_2d, (*_CONV, ("size_w", "i", 0), ("size_h", "i", 0), _ACTIVATION)),
    18: ("MUL", lambda v, o: _activate(v[0] * v[1], o), (_ACTIVATION,)),
    19: ("RELU", lambda v, o: v[0].relu(), ()),
    22: ("RESHAPE", _reshape, ()),
    34: ("PAD", _pad, ()),
    39: ("TRANSPOSE", lambda v, o: v[0].permute(v[1]), ()),
    40: ("MEAN", lambda v, o: _reduce(torch.mean, v, o), (("keep_dims", "b", 0),)),
    41: ("SUB", lambda v, o: _activate(v[0] - v[1], o), (_ACTIVATION,)),
    42: ("DIV", lambda v, o: _activate(v[0] / v[1], o), (_ACTIVATION,)),
    45: ("STRIDED_SLICE", _strided_slice, tuple(_SLICE)),
    54: ("PRELU", _prelu, ()),
    59: ("NEG", lambda v, o: -v[0], ()),
    74: ("SUM", lambda v, o: _reduce(torch.sum, v, o), (("keep_dims", "b", 0),)),
    75: ("SQRT", lambda v, o: v[0].sqrt(), ()),
    76: ("RSQRT", lambda v, o: v[0].rsqrt(), ()),
    99: ("SQUARED_DIFFERENCE", lambda v, o: (v[0] - v[1]).square(), ()),
    101: ("ABS", lambda v, o: v[0].abs(), ()),
}
_TYPES = {0: "<f4", 1: "<f2", 2: "<i4"}


@dataclass(frozen=True)
class _Step:
    operator: int
    inputs: tuple[int, ...]
    output: int
    options: Options
    last_used: tuple[int, ...]  # values that no later step reads


class Graph(nn.Module):
    """One float TFLite graph with one input. Weights are buffers in float32; pictures are NHWC, as in the file."""

    def __init__(self, data: bytes, also: tuple[int, ...] = ()):
        """data: the whole .tflite file; also: values inside the graph (`_Step.output`) to give out after its outputs.

        raises   ValueError if it is no such file, or uses what is not supported here
        """
        super().__init__()
        self.also = also
        if data[4:8] != b"TFL3":
            raise ValueError(f"got {len(data)} bytes without the mark TFL3, want a .tflite file of schema version 3")
        try:
            self._read(data)
        except (struct.error, IndexError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"got a .tflite file of {len(data)} bytes that cannot be read here: {error}") from error

    def _read(self, data: bytes) -> None:
        model = _Table(data, struct.unpack_from("<I", data)[0])
        codes = [max(code.number(0, "b", 0), code.number(3, "i", 0)) for code in model.tables(1)]
        buffers = [buffer.array(0, "u1") for buffer in model.tables(4)]
        graph = model.tables(2)[0]
        tensors = graph.tables(0)
        self.input = int(graph.array(1, "<i4")[0])
        self.outputs = (*graph.array(2, "<i4").tolist(), *self.also)
        self.input_shape = tuple(tensors[self.input].array(0, "<i4").tolist())

        self.numbers: dict[int, tuple[int, ...]] = {}  # constants that are shapes and axes
        for i, tensor in enumerate(tensors):
            raw, kind = buffers[tensor.number(2, "I", 0)], tensor.number(1, "b", 0)
            if not len(raw):
                continue
            if kind not in _TYPES:
                raise ValueError(f"got constants of type {kind}, want float32, float16 or int32")
            values = raw.view(_TYPES[kind])
            if kind == 2:
                self.numbers[i] = tuple(values.tolist())
            else:
                shape = tensor.array(0, "<i4").tolist()
                self.register_buffer(f"c{i}", torch.from_numpy(values.astype("f4").reshape(shape)), persistent=False)

        steps = []
        for operation in graph.tables(3):
            code, inputs = codes[operation.number(0, "I", 0)], tuple(operation.array(1, "<i4").tolist())
            if code not in OPERATORS:
                raise ValueError(f"got operator {code}, want one of the {len(OPERATORS)} known here")
            options, table = {}, operation.table(4)
            for field, (name, kind, default) in enumerate(OPERATORS[code][2]):
                options[name] = table.number(field, kind, default) if table else default
            if (
                options.get("activation", 0) not in (0, 1, 3)
                or options.get("dilation_w", 1) * options.get("dilation_h", 1) != 1
            ):
                raise ValueError(
                    f"got {OPERATORS[code][0]} with {options}, want no dilation and RELU, RELU6 or nothing"
                )
            if code == 22 and table:
                options["shape"] = tuple(table.array(0, "<i4").tolist())
            output = operation.array(2, "<i4").tolist()[0]
            if code == 6:  # the weights are widened once, here
                self.register_buffer(f"c{output}", self.get_buffer(f"c{inputs[0]}"), persistent=False)
                delattr(self, f"c{inputs[0]}")
            else:
                steps.append((code, inputs, output, options))

        seen = set(self.outputs)
        self.steps: list[_Step] = []
        for code, inputs, output, options in reversed(steps):
            last = tuple(set(inputs) - seen - {-1})
            seen.update(inputs)
            self.steps.insert(0, _Step(code, inputs, output, options, last))

    def extra_repr(self) -> str:
        return f"{self.input_shape} -> {len(self.outputs)} outputs, {len(self.steps)} steps"

    def forward(self, x: Tensor) -> list[Tensor]:
        """x: (B, ...), the rest as in the file; returns the outputs in the file's order, each (B, ...)."""
        if tuple(x.shape[1:]) != self.input_shape[1:]:
            raise ValueError(f"got an input of shape {tuple(x.shape)}, want (any, *{self.input_shape[1:]})")
        values: dict[int, Tensor | tuple[int, ...] | None] = {**self.numbers, -1: None, self.input: x}
        values |= {int(name[1:]): buffer for name, buffer in self.named_buffers()}
        for step in self.steps:
            values[step.output] = OPERATORS[step.operator][1]([values[i] for i in step.inputs], step.options)
            for i in step.last_used:
                del values[i]
        return [values[i] for i in self.outputs]
