"""The official benchmark_model as a second runner."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from edge_bert.devices.benchmark_model import (
    BenchmarkRequest,
    parse_core_mask,
    read_benchmark_binary,
    run_benchmark,
)
from edge_bert.devices.host import HostDevice
from edge_bert.errors import InputError


def test_the_binary_is_named_and_hashed(tmp_path: Path) -> None:
    """Its sha256 and origin are kept; a web page that was saved in its place is refused."""
    binary = read_benchmark_binary(Path(shutil.which("sh") or "/bin/sh"), "the nightly build")
    assert binary.sha256 == hashlib.sha256(binary.path.read_bytes()).hexdigest()
    assert binary.origin == "the nightly build"
    page = tmp_path / "benchmark_model"
    page.write_text("<!doctype html>")
    with pytest.raises(InputError, match="not a program"):
        read_benchmark_binary(page, "")
    with pytest.raises(InputError, match="cannot be read"):
        read_benchmark_binary(tmp_path / "absent", "")


def test_flags_reach_the_tool_as_they_are(tmp_path: Path) -> None:
    """Each flag is one word, also with blanks in the path; taskset sets the cores."""
    script = tmp_path / "show"
    script.write_text('#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done\n')
    script.chmod(0o755)
    host = HostDevice()
    remote = host.push(script, "show")
    request = BenchmarkRequest("a model.tflite", "encode_16", threads=4, repetitions=7)
    said = run_benchmark(host, remote, request, 10).stdout.splitlines()
    host.close()
    assert "<--graph=a model.tflite>" in said
    assert {"<--num_runs=7>", "<--num_threads=4>", "<--signature_to_run_for=encode_16>"} <= set(
        said
    )


@pytest.mark.parametrize(
    ("cores", "mask"), [("0", "1"), ("4-7", "f0"), ("0,2", "5"), ("0-1, 8", "103")]
)
def test_cores_become_a_mask(cores: str, mask: str) -> None:
    """The runner's lists of cores work here too."""
    assert parse_core_mask(cores) == mask


@pytest.mark.parametrize("cores", ["", "7-4", "x", "-1", "0-9999", "1,,2", "99999"])
def test_other_words_are_no_cores(cores: str) -> None:
    """What is no list of cores is an error that shows one."""
    with pytest.raises(InputError, match="4-7"):
        parse_core_mask(cores)


@pytest.mark.skipif(not shutil.which("taskset"), reason="no taskset; install util-linux")
def test_the_mask_goes_to_taskset() -> None:
    """Affinity is external: the tool runs under taskset, on the cores of the mask."""
    host = HostDevice()
    core = min(os.sched_getaffinity(0))
    request = BenchmarkRequest("m", "s", mask=f"{1 << core:x}")
    done = run_benchmark(host, "nproc", request, 10)
    lone = host.run(["taskset", f"{1 << core:x}", "nproc"], 10)
    host.close()
    assert lone.stdout == "1\n"
    assert "--graph" in done.stderr


def test_each_tool_has_its_own_flags(tmp_path: Path) -> None:
    """LiteRT's tool is known by a flag in the program; it has no XNNPACK flag, and an NPU."""
    for name, content, litert in (("a", b"use_gpu", False), ("b", b"use_gpu\0use_npu", True)):
        (tmp_path / name).write_bytes(b"\x7fELF" + content)
        assert read_benchmark_binary(tmp_path / name, "").litert is litert
    classic = BenchmarkRequest("m", "s").arguments()
    litert_flags = BenchmarkRequest("m", "s", litert=True).arguments()
    assert set(classic) - set(litert_flags) == {"--use_xnnpack=true"}
    gpu = BenchmarkRequest("m", "s", accelerator="gpu").arguments()
    assert {"--use_gpu=true", "--require_full_delegation=true"} <= set(gpu)
    assert "--use_xnnpack=true" not in gpu
