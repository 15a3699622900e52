"""Backends that cannot be had: one line, with what to do."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_bert.compress.train.backends.choose_backend import select_backend
from edge_bert.errors import InputError, MissingToolError
from tests.one_line import refused

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.errors import MissingToolError
from tests.one_line import refused
with refused(MissingToolError, "does not compute here .*(cuda|CUDA).*unset KERAS_BACKEND"):
    start_backend(1)
print("refused")
"""


def need_backend(name: str) -> None:
    """Skip where it is not installed; it is imported in other processes alone."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize("name", ["", "mxnet", "TensorFlow", "../torch"])
def test_a_backend_that_is_unknown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that are known."""
    monkeypatch.setenv("KERAS_BACKEND", name)
    with refused(InputError, "give one of tensorflow, jax, torch"):
        select_backend()


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_a_backend_that_is_not_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setenv("KERAS_BACKEND", name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with refused(MissingToolError, f"not installed: pip install {name}, or unset it"):
        select_backend()


@pytest.mark.parametrize(
    ("name", "variable"), [("jax", "JAX_PLATFORMS"), ("torch", "KERAS_TORCH_DEVICE")]
)
def test_a_device_that_is_not_there(name: str, variable: str) -> None:
    """The library's own words, and the variable that asks for it."""
    need_backend(name)
    environment = os.environ | {"KERAS_BACKEND": name, variable: "cuda", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "refused\n", done.stderr[-2000:]
