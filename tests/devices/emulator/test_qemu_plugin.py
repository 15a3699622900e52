"""The instruction counter against programs whose instructions are known one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.emulator import qemu_plugin
from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.estimate.core_caches import CacheSizes
from edge_bert.records.measurement import InstructionCounts
from tests.devices.emulator_programs import assemble, need_emulator, run_counted

LINE = 64
L1D, L2, L3 = 32 * 1024, 256 * 1024, 2 * 1024 * 1024
ENDED = CompletedCommand("", "qemu: uncaught device signal 11", 139)
ONLY_COMPUTING = {
    "scalar_alu": [
        "add x1, x2, x3",
        "movz x1, #7",
        "madd x1, x2, x3, x4",
        "csel x1, x2, x3, eq",
        "ubfx x1, x2, #3, #5",
        "adr x1, .",
        "nop",
        "dmb ish",
        "mrs x1, tpidr_el0",
        "prfm pldl1keep, [x0, #64]",
        "prfm pldl1keep, [x0, x9]",
    ],
    "branch": ["b 1f\n1:", "cbz x9, 1f\n1:", "tbnz x9, #3, 1f\n1:", "b.eq 1f\n1:"],
    "vector_int": [
        "add v1.4s, v2.4s, v3.4s",
        "mul v1.8h, v2.8h, v3.8h",
        "smlal v1.8h, v2.8b, v3.8b",
        "smlal2 v1.4s, v2.8h, v3.h[1]",
        "smull v1.8h, v2.8b, v3.8b",
        "mla v1.4s, v2.4s, v3.s[2]",
        "sqrdmulh v1.4s, v2.4s, v3.4s",
        "sqrdmlah v1.4s, v2.4s, v3.4s",
        "sqdmulh v1.4s, v2.4s, v3.s[0]",
        "srshl v1.4s, v2.4s, v3.4s",
        "sshr v1.4s, v2.4s, #3",
        "sshll v1.8h, v2.8b, #0",
        "smax v1.16b, v2.16b, v3.16b",
        "cmgt v1.4s, v2.4s, #0",
        "and v1.16b, v2.16b, v3.16b",
        "bsl v1.16b, v2.16b, v3.16b",
        "sqxtn v1.4h, v2.4s",
        "xtn v1.8b, v2.8h",
        "addv s1, v2.4s",
        "addp v1.4s, v2.4s, v3.4s",
        "sadalp v1.4s, v2.8h",
        "abs v1.4s, v2.4s",
    ],
    "sdot": [
        "sdot v1.4s, v2.16b, v3.16b",
        "sdot v1.4s, v2.16b, v3.4b[1]",
        "udot v1.2s, v2.8b, v3.8b",
        "udot v1.4s, v2.16b, v3.4b[3]",
        "usdot v1.4s, v2.16b, v3.16b",
        "usdot v1.4s, v2.16b, v3.4b[0]",
        "sudot v1.4s, v2.16b, v3.4b[0]",
    ],
    "smmla": [
        "smmla v1.4s, v2.16b, v3.16b",
        "ummla v1.4s, v2.16b, v3.16b",
        "usmmla v1.4s, v2.16b, v3.16b",
    ],
    "fmla": [
        "fmla v1.4s, v2.4s, v3.4s",
        "fmls v1.4s, v2.4s, v3.4s",
        "fmla v1.2s, v2.2s, v3.2s",
        "fmla v1.4s, v2.4s, v3.s[1]",
        "fmls v1.2d, v2.2d, v3.d[1]",
        "fmla v1.8h, v2.8h, v3.8h",
        "fmla v1.8h, v2.8h, v3.h[5]",
        "fmlal v1.4s, v2.4h, v3.4h",
        "fmlal2 v1.4s, v2.4h, v3.4h",
        "fmlal v1.4s, v2.4h, v3.h[1]",
        "bfdot v1.4s, v2.8h, v3.8h",
        "bfdot v1.4s, v2.8h, v3.2h[1]",
        "bfmlalb v1.4s, v2.8h, v3.8h",
        "bfmlalt v1.4s, v2.8h, v3.h[1]",
        "bfmmla v1.4s, v2.8h, v3.8h",
        "fcmla v1.4s, v2.4s, v3.4s, #90",
        "fcmla v1.4s, v2.4s, v3.s[0], #90",
    ],
    "vector_other": [
        "fadd v1.4s, v2.4s, v3.4s",
        "fmul v1.4s, v2.4s, v3.4s",
        "fmul v1.4s, v2.4s, v3.s[1]",
        "fmulx v1.4s, v2.4s, v3.s[1]",
        "fmax v1.4s, v2.4s, v3.4s",
        "fdiv v1.4s, v2.4s, v3.4s",
        "fadd v1.8h, v2.8h, v3.8h",
        "frecps v1.8h, v2.8h, v3.8h",
        "fcadd v1.4s, v2.4s, v3.4s, #90",
        "frintn v1.4s, v2.4s",
        "frintn v1.8h, v2.8h",
        "fcvtns v1.4s, v2.4s",
        "scvtf v1.4s, v2.4s",
        "scvtf v1.4s, v2.4s, #3",
        "fcvtzs v1.4s, v2.4s, #3",
        "fcvtl v1.4s, v2.4h",
        "fabs v1.4s, v2.4s",
        "fcmgt v1.4s, v2.4s, #0.0",
        "fmaxv s1, v2.4s",
        "dup v1.4s, w2",
        "dup v1.4s, v2.s[1]",
        "ins v1.s[1], v2.s[0]",
        "umov w1, v2.s[1]",
        "tbl v1.16b, {v2.16b}, v3.16b",
        "ext v1.16b, v2.16b, v3.16b, #4",
        "zip1 v1.4s, v2.4s, v3.4s",
        "trn2 v1.2d, v2.2d, v3.2d",
        "movi v1.4s, #3",
        "fmov v1.4s, #1.0",
        "fmov w1, s2",
        "fmadd s1, s2, s3, s4",
        "fadd s1, s2, s3",
        "fcvtzs w1, s2",
        "aese v1.16b, v2.16b",
    ],
}
# Per instruction: bytes of a register transfer, loads, stores.
MEMORY = {
    "ldr x1, [x0]": (8, 1, 0),
    "ldr w1, [x0, #4]": (4, 1, 0),
    "ldrsw x1, [x0]": (4, 1, 0),
    "ldrb w1, [x0, x9]": (1, 1, 0),
    "ldrsh x1, [x0]": (2, 1, 0),
    "ldur x1, [x0, #3]": (8, 1, 0),
    "ldr q1, [x0]": (16, 1, 0),
    "ldr s1, [x0, #4]": (4, 1, 0),
    "ldr d1, [x0], #8": (8, 1, 0),
    "ldr x1, 8f\nb 9f\n8: .quad 0\n9:": (8, 1, 0),
    "ldp x1, x2, [x0]": (8, 2, 0),
    "ldp w1, w2, [x0]": (4, 2, 0),
    "ldpsw x1, x2, [x0]": (4, 2, 0),
    "ldp q1, q2, [x0], #32": (16, 2, 0),
    "ldp s1, s2, [x0]": (4, 2, 0),
    "ld1 {v1.16b}, [x0]": (16, 1, 0),
    "ld1 {v1.16b-v4.16b}, [x0], #64": (16, 4, 0),
    "ld1 {v1.8b-v3.8b}, [x0]": (8, 3, 0),
    "ld2 {v1.4s, v2.4s}, [x0]": (16, 2, 0),
    "ld4 {v1.8h-v4.8h}, [x0]": (16, 4, 0),
    "ld1r {v1.4s}, [x0]": (4, 1, 0),
    "ld2r {v1.8h, v2.8h}, [x0]": (2, 2, 0),
    "ld1 {v1.s}[1], [x0]": (4, 1, 0),
    "ld1 {v1.d}[1], [x0]": (8, 1, 0),
    "ld1 {v1.b}[5], [x0], #1": (1, 1, 0),
    "ldaxr x1, [x0]": (8, 1, 0),
    "ldxp x1, x2, [x0]": (8, 2, 0),
    "ldar w1, [x0]": (4, 1, 0),
    "ldapr x1, [x0]": (8, 1, 0),
    "ldapur w1, [x0, #4]": (4, 1, 0),
    "str x1, [x0]": (8, 0, 1),
    "strb w1, [x0]": (1, 0, 1),
    "strh w1, [x0, #2]!": (2, 0, 1),
    "str q1, [x0, #16]": (16, 0, 1),
    "str h1, [x0]": (2, 0, 1),
    "stp q1, q2, [x0, #-0]": (16, 0, 2),
    "stp w1, w2, [x0]": (4, 0, 2),
    "st1 {v1.4s-v4.4s}, [x0]": (16, 0, 4),
    "st1 {v1.s}[2], [x0]": (4, 0, 1),
    "stlr x1, [x0]": (8, 0, 1),
    "stxr w2, x1, [x0]": (8, 0, 1),
    "ldadd x1, x2, [x0]": (8, 1, 1),
    "swpal w1, w2, [x0]": (4, 1, 1),
    "cas x1, x2, [x0]": (8, 1, 1),
    "casp x2, x3, x4, x5, [x0]": (8, 2, 2),
}


@pytest.fixture(scope="module")
def plugin() -> Path:
    need_emulator()
    return qemu_plugin.build_plugin()


def count(plugin: Path, regions: list[str], folder: Path, **sizes: int) -> list[dict[str, Any]]:
    """What each region executes beyond an empty one."""
    output = folder / "counts.json"
    known: dict[str, int] = {}
    unknown: dict[str, dict[str, int]] = {"smallest": {}, "largest": {}}
    for name, size in sizes.items():
        end, _, level = name.rpartition("_")
        (unknown[end] if end else known)[level] = size
    caches = CacheSizes(usual=known, **unknown)
    option = qemu_plugin.plugin_option(
        plugin, output, caches, model_caches="on", threads=1
    ).replace(f",out={output}", "")
    done = run_counted(assemble(["", *regions], folder), output, option)
    assert done.returncode == 0, done.stderr
    read = qemu_plugin.read_counts(output, CompletedCommand(done.stdout, done.stderr, 0))
    empty, *counted = map(msgspec.to_builtins, read.marked_repetitions)
    return [_difference(region, empty) for region in counted]


def _difference(region: dict[str, Any], empty: dict[str, Any]) -> dict[str, Any]:
    """What a region has beyond the empty one, also in the bracket where there is one."""
    numbers = {name: value for name, value in region.items() if isinstance(value, int)}
    ends = {name: value for name, value in region.items() if isinstance(value, dict)}
    return {name: value - empty[name] for name, value in numbers.items()} | {
        name: _difference(value, empty[name]) for name, value in ends.items()
    }


def changed(difference: dict[str, Any]) -> dict[str, int]:
    return {name: value for name, value in difference.items() if value and "misses" not in name}


def test_computing_instructions_have_their_class(plugin: Path, tmp_path: Path) -> None:
    """Every instruction that does not touch memory is counted once, in its own class."""
    rows = [(name, insn) for name, insns in ONLY_COMPUTING.items() for insn in insns]
    counted = count(plugin, [insn for _, insn in rows], tmp_path)
    wrong = {
        insn: changed(got)
        for (name, insn), got in zip(rows, counted, strict=True)
        if changed(got) != {"total": 1, name: 1}
    }
    assert wrong == {}


def test_loads_and_stores_have_their_size(plugin: Path, tmp_path: Path) -> None:
    """Every register transfer is counted with its bytes, every instruction once in the total."""
    counted = count(plugin, list(MEMORY), tmp_path)
    wrong = {}
    for (insn, (size, loads, stores)), got in zip(MEMORY.items(), counted, strict=True):
        jumps = {"total": 2, "branch": 1} if "b 9f" in insn else {"total": 1}
        moved = {f"load_bytes_{size}": loads, f"store_bytes_{size}": stores}
        if changed(got) != jumps | {name: number for name, number in moved.items() if number}:
            wrong[insn] = changed(got)
    assert wrong == {}


def test_loops_count_every_round(plugin: Path, tmp_path: Path) -> None:
    """A block that runs a thousand times counts a thousand times."""
    loop = "mov x1, #1000\n1: fmla v1.4s, v2.4s, v3.4s\nsubs x1, x1, #1\nb.ne 1b"
    (got,) = count(plugin, [loop], tmp_path)
    assert changed(got) == {"total": 3001, "scalar_alu": 1001, "branch": 1000, "fmla": 1000}


def walk(size: int) -> str:
    """Load one byte of every line of the first `size` bytes."""
    return f"mov x1, #{size // LINE}\n1: ldrb w2, [x0], #{LINE}\nsubs x1, x1, #1\nb.ne 1b"


def test_caches_miss_where_they_must(plugin: Path, tmp_path: Path) -> None:
    """Cold, fitting and overflowing walks miss exactly as least-recently-used caches do."""
    sizes = {"l1d": L1D, "l2": L2, "l3": L3}
    walks = [L1D // 2, L1D // 2, L2 // 2, L2 // 2, L3 // 2, L3 // 2]
    counted = count(plugin, [walk(size) for size in walks], tmp_path, **sizes)
    misses = [(got["l1d_misses"], got["l2_misses"], got["l3_misses"]) for got in counted]
    lines = [size // LINE for size in walks]
    fresh_l2 = lines[2] - lines[0]
    fresh_l3 = lines[4] - lines[2]
    assert misses == [
        (lines[0], lines[0], lines[0]),
        (0, 0, 0),
        (fresh_l2, fresh_l2, fresh_l2),
        (lines[3], 0, 0),
        (lines[4], fresh_l3, fresh_l3),
        (lines[5], lines[5], 0),
    ]


def test_a_bracket_of_sizes_is_modelled_at_once(plugin: Path, tmp_path: Path) -> None:
    """A walk that fits the largest level 2, not the usual one, misses in that one alone."""
    sizes = {"l1d": L1D, "l2": L2, "l3": L3, "system": 2 * L3}
    bracket = {"smallest_l2": L1D * 2, "largest_l2": 4 * L2, "smallest_system": 0}
    size = L2 * 2
    _, again = count(plugin, [walk(size)] * 2, tmp_path, **sizes, **bracket)
    lines = size // LINE
    assert [again[level] for level in ("l1d_misses", "l2_misses", "l3_misses")] == [lines, lines, 0]
    assert [again[end]["l2_misses"] for end in ("smallest", "largest")] == [lines, 0]
    assert [again[end]["l1d_misses"] for end in ("smallest", "largest")] == [lines, lines]


def test_a_level_that_there_is_not_misses(plugin: Path, tmp_path: Path) -> None:
    """Without level 3 and a cache of the chip, all that level 2 misses comes from main memory."""
    (got,) = count(plugin, [walk(L3)], tmp_path, l1d=L1D, l2=L2, l3=0, system=0)
    lines = L3 // LINE
    assert (got["l2_misses"], got["l3_misses"], got["system_misses"]) == (lines,) * 3


def test_accesses_across_lines_touch_both(plugin: Path, tmp_path: Path) -> None:
    """An access that straddles two lines misses twice."""
    (got,) = count(plugin, [f"ldur x1, [x0, #{LINE * 2 - 4}]"], tmp_path, l1d=L1D)
    assert got["l1d_misses"] == 2


def test_states_which_caches_are_defaults(plugin: Path, tmp_path: Path) -> None:
    """The output says for each level whether its size was given."""
    output = tmp_path / "counts.json"
    run_counted(assemble(["nop"], tmp_path), output, f"file={plugin}", "l2=524288")
    caches = qemu_plugin.read_counts(output, ENDED).caches
    assert {level: cache.origin for level, cache in caches.items()} == {
        "l1d": "default",
        "l2": "given",
        "l3": "default",
        "system": "default",
    }
    assert caches["l2"].bytes == 524288
    assert caches["l3"].bytes == 0


BAD_SIZES = ["l1d=-1", "l1d=", "l1d=99999999999999", "l1d=64", "l2_ways=0", "smallest_l2=64"]


@pytest.mark.parametrize("option", [*BAD_SIZES, "l9=5", "cache=maybe"])
def test_refuses_bad_options(plugin: Path, tmp_path: Path, option: str) -> None:
    """A size that is no cache, or an unknown option, stops QEMU before the program runs."""
    output = tmp_path / "counts.json"
    done = run_counted(assemble(["nop"], tmp_path), output, f"file={plugin}", option)
    assert done.returncode != 0
    assert "count plugin:" in done.stderr
    with pytest.raises(DeviceError):
        qemu_plugin.read_counts(output, ENDED)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format_version": 3}', '{"format_version": 1}'])
def test_damaged_counts_are_an_error(tmp_path: Path, text: str) -> None:
    """Counts that are missing, cut off or of another version never become a record."""
    output = tmp_path / "counts.json"
    output.write_text(text)
    with pytest.raises(DeviceError, match=r"counted|damaged"):
        qemu_plugin.read_counts(output, ENDED)


def test_no_compiler_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a C compiler the message names the command that gets one."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path))
    monkeypatch.setattr(qemu_plugin, "find_compiler", lambda: None)
    with pytest.raises(MissingToolError, match="invoke emulator setup"):
        qemu_plugin.build_plugin()


def test_all_classes_are_in_the_record() -> None:
    """The tests above name every class without memory access that the record has."""
    fields = InstructionCounts.__struct_fields__
    assert set(ONLY_COMPUTING) == set(fields[1 : fields.index("load_bytes_1")])
