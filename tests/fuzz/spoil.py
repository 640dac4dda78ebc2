"""Ways to spoil a good file, each drawn from a seed: what transfers, other programs and other people do to files."""

import json
import random
import struct

Header = dict[str, dict]
ODD = (
    None, True, False, 0, -1, 1, 2.5, -3, 1e30, 10**400, float("nan"), float("inf"), "", "x", "../../x", "\0", "\ud800",
    "é" * 300, [], {}, [[]], [None], {"a": 1}, [1, 2, 3], ["x", "x"], [[0.0] * 3] * 200, {"": None},
)  # fmt: skip
NUMBERS = (float("nan"), float("inf"), -float("inf"), 0.0, 1e30, -1e30, 100.0, -3.0, 1e-30)
DTYPES = ("F16", "BF16", "F32", "F64", "I8", "U8", "I64", "BOOL", "F8_E4M3", "X9")


def dumps(value: object) -> str:
    """JSON with NaN and endless integers in it."""
    return json.dumps(value)


def spoil_bytes(content: bytes, draw: random.Random) -> bytes:
    """Cut off, turned over, doubled, or something else altogether."""
    ways = ("cut", "flip", "insert", "double", "zero", "other")
    way, at = draw.choice(ways), draw.randrange(len(content) + 1)
    if way == "cut":
        return content[:at]
    if way == "flip":
        changed = bytearray(content)
        for _ in range(draw.choice((1, 3, 20))):
            reach = draw.choice((64, 2000, len(changed)))  # the beginning says what the rest is
            changed[draw.randrange(min(reach, len(changed)))] = draw.randrange(256)
        return bytes(changed)
    if way == "insert":
        return content[:at] + draw.randbytes(draw.choice((1, 8, 1000))) + content[at:]
    if way == "double":
        return content + content
    if way == "zero":
        return content[:at] + bytes(len(content) - at)
    return draw.choice((b"", b"\0" * 100, b"<html>404</html>", b"[" * 100_000, draw.randbytes(3000)))


def spoil_json(text: str, draw: random.Random) -> str:
    """One place in it something else, gone or renamed; or broken as a whole."""
    if draw.random() < 0.15:
        whole = ("", "[" * 90_000, '{"a":' * 90_000, "nul", text[: len(text) // 2], "\ufeff" + text, text + text)
        return draw.choice(whole + tuple(map(dumps, ODD)))
    value = json.loads(text)
    found = _places(value)
    if not found:
        return dumps(draw.choice(ODD))
    holder, key = draw.choice(found)
    way = draw.choice(("odd", "odd", "odd", "gone", "renamed", "number"))
    if way == "gone":
        del holder[key]
    elif way == "renamed" and isinstance(holder, dict):
        holder[draw.choice(("", "x", str(key).upper(), f"{key}_", "x" * 100_000))] = holder.pop(key)
    else:
        holder[key] = draw.choice(NUMBERS if way == "number" else ODD)
    return dumps(value)


def _places(value: object) -> list[tuple[object, object]]:
    """Every container in a value from JSON, and each of its keys."""
    found = []
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            found += _places(value[key])
    return found


def spoil_safetensors(content: bytes, draw: random.Random) -> bytes:
    """A tensor of another type, shape or name, with other numbers or gone; other metadata; or broken bytes."""
    way = draw.choice(("bytes", "metadata", "metadata", "header", "numbers", "numbers", "tensor", "tensor"))
    if way == "bytes":
        return spoil_bytes(content, draw)
    size = struct.unpack("<Q", content[:8])[0]
    if way == "header":
        text, data = content[8 : 8 + size].decode(), content[8 + size :]
        return _joined(spoil_json(text, draw).encode("utf-8", "replace"), data)
    header, data = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    said = header.pop("__metadata__", {})
    parts = {key: (entry["dtype"], entry["shape"], bytes(data[slice(*entry["data_offsets"])])) for key, entry in
             header.items()}  # fmt: skip
    if way == "metadata":
        _spoil_metadata(said, draw)
    else:
        _spoil_tensor(parts, way, draw)
    return build(parts, said)


def _spoil_metadata(said: dict[str, str], draw: random.Random) -> None:
    key = draw.choice(sorted(said))
    try:
        structured = isinstance(json.loads(said[key]), dict | list)
    except ValueError:
        structured = False
    if structured and draw.random() < 0.8:
        said[key] = spoil_json(said[key], draw).encode("utf-8", "replace").decode()
    elif draw.random() < 0.3:
        del said[key]
    else:
        said[key] = draw.choice(("", "0", "-1", "1e400", "9" * 5000, "null", "NaN", "x" * 3_000_000, "é", "[" * 90_000))


def _spoil_tensor(parts: dict[str, tuple[str, list[int], bytes]], way: str, draw: random.Random) -> None:
    key = draw.choice(sorted(parts))
    dtype, shape, data = parts[key]
    if way == "numbers":
        kind = {"F16": "e", "F32": "f", "I64": "q", "U8": "B"}[dtype]
        values = list(struct.unpack(f"<{len(data) // struct.calcsize(kind)}{kind}", data)) or [0]
        whole = draw.random() < 0.5
        number = draw.choice((0, -1, 2**62, 255) if kind in "qB" else NUMBERS)
        number = max(0, min(255, number)) if kind == "B" else number
        number = max(-6e4, min(6e4, number)) if kind == "e" and abs(number) < 1e31 else number
        for i in range(len(values)) if whole else [draw.randrange(len(values))]:
            values[i] = number
        parts[key] = dtype, shape, struct.pack(f"<{len(values)}{kind}", *values)[: len(data)]
        return
    way = draw.choice(("gone", "more", "renamed", "dtype", "shape", "flat", "empty", "rows"))
    if way == "gone":
        del parts[key]
    elif way == "more":
        parts["x" * draw.choice((1, 300))] = ("F32", [1], bytes(4))
    elif way == "renamed":
        parts[key.upper() + "."] = parts.pop(key)
    elif way == "dtype":
        parts[key] = draw.choice(DTYPES), shape, data
    elif way == "shape":
        parts[key] = dtype, draw.choice((shape[::-1], [1, *shape], [*shape, 1], [2**40, *shape], [])), data
    elif way == "flat":
        count = 1
        for n in shape:
            count *= n
        parts[key] = dtype, [count], data
    elif way == "empty":
        parts[key] = dtype, [0, *shape[1:]], b""
    elif shape:
        parts[key] = dtype, [2 * shape[0], *shape[1:]], data * 2


def build(parts: dict[str, tuple[str, list[int], bytes]], said: dict[str, str]) -> bytes:
    """A .safetensors of parts: dtype, shape, bytes; nothing is checked."""
    header, data = {"__metadata__": said}, b""
    for key, (dtype, shape, content) in parts.items():
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    return _joined(json.dumps(header).encode("utf-8", "replace"), data)


def _joined(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data
