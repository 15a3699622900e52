"""How many values an ONNX file holds, counted in its bytes before they become objects.

A node of ten bytes takes hundreds once it is parsed. The wire format is that of
https://protobuf.dev/programming-guides/encoding, the fields those of onnx.proto.
"""

from __future__ import annotations

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
SIZES = {FIXED64: 8, FIXED32: 4, 3: 0, 4: 0}  # what groups hold is counted where they stand
# Of each message the fields that hold messages, and of which kind; others are taken whole.
PARTS: dict[str, dict[int, str]] = {
    "Model": {
        **{7: "Graph", 8: "Other", 14: "Other", 20: "Training", 25: "Function"},
        **{26: "Other"},
    },
    "Training": {1: "Graph", 2: "Graph", 3: "Other", 4: "Other"},
    "Graph": {
        **{1: "Node", 5: "Tensor", 11: "Other", 12: "Other", 13: "Other"},
        **{14: "Other", 15: "Sparse", 16: "Other"},
    },
    "Function": {7: "Node", 11: "Attribute", 9: "Other", 12: "Other", 14: "Other"},
    "Node": {5: "Attribute", 9: "Other", 10: "Other"},
    "Attribute": {
        **{5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 14: "Other", 15: "Other"},
        **{22: "Sparse", 23: "Sparse"},
    },
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {3: "Other", 13: "Other", 16: "Other"},
    "Other": {},
}


def count_fields(data: bytes, most: int) -> int:
    """The fields of all messages in a ModelProto's bytes, or more than `most` where they are more.

    Bytes that are no message end the count; whoever parses them says so.
    """
    count, open_ = 0, [("Model", 0, len(data))]
    while open_ and count <= most:
        kind, at, end = open_.pop()
        parts = PARTS[kind]
        while at < end and count <= most:
            try:
                tag, at = _read_varint(data, at)
                field, wire = tag >> 3, tag & 7
                if wire == LENGTH:
                    length, at = _read_varint(data, at)
                elif wire == VARINT:
                    _, at = _read_varint(data, at)
                    length = 0
                else:
                    length = SIZES[wire]
            except (IndexError, KeyError):
                return count
            if wire == LENGTH and field in parts:
                open_.append((parts[field], at, min(at + length, end)))
            at += length
            count += 1
    return count


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise IndexError
