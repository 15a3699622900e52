"""Mutations of a file, decided by a seed: of its bytes, and of its values where it is JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 2**31, 2**63, -(2**63), 10**30, 0.5, 1e308, -1e-308,
    "", "x", "\x1b[2J\x9b31m", "a\rb\b", "\u202egpj", "\ud800", "../../etc/passwd", "/dev/zero",
    "x" * 300, "x" * 70000, "[red]", "NaN", [], {}, [[]], [None], ["x"] * 3000, {"": {}},
    [1, "a", {}],
)  # fmt: skip
HOSTILE_BYTES = (
    b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\n",
    b"\r", b"\x1b[2J", b"{", b"}", b"[", b'"', b"\\u0000", b"NaN", b"1e999", b"-", b"[" * 2000,
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b"9" * 400, b"=", b"#",
)  # fmt: skip


def mutate_bytes(data: bytes, seed: int) -> bytes:
    """One to four changes: bits, cuts, copies, foreign bytes; nearer to the start than the end."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = chance.choice(CHANGES)(data, chance)
    return data


def mutate_json(data: bytes, seed: int) -> bytes:
    """One to three values or keys changed, anywhere; a third of the time the bytes instead."""
    chance = random.Random(seed)  # noqa: S311
    if chance.random() < 0.3:
        return mutate_bytes(data, seed)
    document = json.loads(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        document = _change_value(document, chance)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def mutate_lines(data: bytes, seed: int) -> bytes:
    """Lines left out, doubled, swapped or joined; half of the time the bytes instead."""
    chance = random.Random(seed)  # noqa: S311
    if chance.random() < 0.5:
        return mutate_bytes(data, seed)
    lines = data.split(b"\n")
    for _ in range(chance.choice((1, 2, 5))):
        place = chance.randrange(len(lines))
        other = chance.randrange(len(lines))
        change = chance.randrange(4)
        if change == 0 and len(lines) > 1:
            del lines[place]
        elif change == 1:
            lines.insert(place, lines[other])
        elif change == 2:
            lines[place], lines[other] = lines[other], lines[place]
        else:
            name, equals, _ = lines[place].partition(b"=")
            lines[place] = name + equals + b" " + chance.choice(HOSTILE_BYTES)
    return b"\n".join(lines)


def _place(data: bytes, chance: random.Random) -> int:
    """A place in the bytes: headers are at the start or the end, and matter most."""
    span = chance.choice((16, 256, 4096, len(data)))
    place = chance.randrange(min(span, len(data)) + 1)
    return place if chance.random() < 0.8 else len(data) - place


def _flip_bit(data: bytes, chance: random.Random) -> bytes:
    place = min(_place(data, chance), len(data) - 1)
    if place < 0:
        return data
    changed = data[place] ^ (1 << chance.randrange(8))
    return data[:place] + bytes([changed]) + data[place + 1 :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: _place(data, chance)]


def _leave_out(data: bytes, chance: random.Random) -> bytes:
    place = _place(data, chance)
    return data[:place] + data[place + chance.choice((1, 4, 64, 1024)) :]


def _double(data: bytes, chance: random.Random) -> bytes:
    place, length = _place(data, chance), chance.choice((1, 4, 64, 1024))
    return data[: place + length] + data[place:]


def _insert(data: bytes, chance: random.Random) -> bytes:
    place = _place(data, chance)
    return data[:place] + chance.choice(HOSTILE_BYTES) + data[place:]


def _overwrite(data: bytes, chance: random.Random) -> bytes:
    place, foreign = _place(data, chance), chance.choice(HOSTILE_BYTES)
    return data[:place] + foreign + data[place + len(foreign) :]


Change = Callable[[bytes, random.Random], bytes]
CHANGES: tuple[Change, ...] = (_flip_bit, _flip_bit, _cut, _leave_out, _double, _insert, _overwrite)


def _change_value(value: Any, chance: random.Random) -> Any:
    """`value` with one change in it, at any depth."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        return _change_entry(dict(value), chance)
    if isinstance(value, list) and value and chance.random() < 0.85:
        changed = list(value)
        place = chance.randrange(len(changed))
        if chance.random() < 0.2:
            del changed[place]
        else:
            changed[place] = _change_value(changed[place], chance)
        return changed
    if isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.5:
        return value * chance.choice((-1, 2, 1000)) + chance.choice((-1, 0, 1))
    return _nested(chance) if chance.random() < 0.03 else chance.choice(HOSTILE_VALUES)


def _change_entry(value: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    key = chance.choice(list(value))
    change = chance.random()
    if change < 0.15:
        del value[key]
    elif change < 0.25:
        value[chance.choice(("x", "", "\x1b[2J", f"{key}2", "__class__"))] = value.pop(key)
    else:
        value[key] = _change_value(value[key], chance)
    return value


def _nested(chance: random.Random) -> Any:
    value: Any = 0
    for _ in range(chance.choice((50, 600))):
        value = [value]
    return value
