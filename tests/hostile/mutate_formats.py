"""Mutations that keep a file's outer form: a header of safetensors, the messages of ONNX."""

from __future__ import annotations

import random
from typing import Any

from tests.hostile.mutate import HOSTILE_VALUES, mutate_bytes, mutate_json

WHOLE_NUMBERS = (0, -1, 1, 2, 3, 7, 16, 99, 2**31 - 1, -(2**31))
LONG_NUMBERS = (*WHOLE_NUMBERS, 2**40, 2**63 - 1, -(2**63))
TEXTS = [value for value in HOSTILE_VALUES if isinstance(value, str) and value.isascii()]


def mutate_safetensors(data: bytes, seed: int) -> bytes:
    """The header's values changed and its length right; half of the time the bytes instead."""
    chance = random.Random(seed)  # noqa: S311
    if chance.random() < 0.5:
        return mutate_bytes(data, seed)
    size = int.from_bytes(data[:8], "little")
    header = mutate_json(data[8 : 8 + size], seed)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def mutate_onnx(data: bytes, seed: int) -> bytes:
    """One to three fields of its messages changed; a third of the time the bytes instead."""
    import onnx

    chance = random.Random(seed)  # noqa: S311
    if chance.random() < 0.35:
        return mutate_bytes(data, seed)
    model = onnx.load_from_string(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        _change_message(model, chance)
    return bytes(model.SerializeToString())


def _change_message(message: Any, chance: random.Random) -> None:
    """One field of `message`, or of a message in it, is changed."""
    fields = [field for field, _ in message.ListFields()]
    if not fields:
        fields = list(message.DESCRIPTOR.fields)
    field = chance.choice(fields)
    value = getattr(message, field.name)
    is_many = not isinstance(value, str | bytes) and hasattr(value, "__len__")
    if chance.random() < 0.1:
        message.ClearField(field.name)
    elif is_many:
        _change_repeated(value, field, chance)
    elif field.message_type is not None:
        _change_message(value, chance)
    else:
        setattr(message, field.name, _choose_value(field, chance))


def _change_repeated(values: Any, field: Any, chance: random.Random) -> None:
    """One of several: left out, doubled, moved or changed."""
    if not len(values):
        return
    place, change = chance.randrange(len(values)), chance.random()
    if change < 0.15:
        del values[place]
    elif change < 0.25 and field.message_type is not None:
        values.add().CopyFrom(values[place])
    elif field.message_type is not None:
        _change_message(values[place], chance)
    else:
        values[place] = _choose_value(field, chance)


def _choose_value(field: Any, chance: random.Random) -> Any:
    """A value that the field may hold, and that its reader may not expect."""
    if field.enum_type is not None:
        return chance.choice([value.number for value in field.enum_type.values])
    return {
        field.CPPTYPE_INT32: lambda: chance.choice(WHOLE_NUMBERS),
        field.CPPTYPE_INT64: lambda: chance.choice(LONG_NUMBERS),
        field.CPPTYPE_UINT64: lambda: chance.choice((0, 1, 2**40, 2**64 - 1)),
        field.CPPTYPE_FLOAT: lambda: chance.choice((0.0, -1.0, 1e38, float("nan"), float("inf"))),
        field.CPPTYPE_DOUBLE: lambda: chance.choice((0.0, -1.0, 1e300, float("nan"))),
        field.CPPTYPE_STRING: lambda: _choose_text(field, chance),
    }[field.cpp_type]()


def _choose_text(field: Any, chance: random.Random) -> Any:
    text = chance.choice(TEXTS)
    return text.encode() if field.type == field.TYPE_BYTES else text
