"""What the tests of more than one stage share."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.sources.load import load_checkpoint
from edge_bert.store import cache
from tests.skip_gate import SkipGate

TESTS = Path(__file__).resolve().parent
TAKE_LONG = ("bundle", "compress", "pipeline", "test_command_line.py")

# Two processes have two processors: threads of OpenMP and OpenBLAS would only spin there. Those of
# the product's own runtimes are not touched; children of the tests inherit it.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ORT_DISABLE_TELEMETRY"):
    os.environ.setdefault(variable, "1")

# TensorFlow, PyTorch and transformers are a million objects that stay: no garbage is looked for
# while the tests are collected, and never again among what was imported until then.
gc.set_threshold(50_000, 10, 10)

# A busy machine is slow without being wrong.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Watch over skipped tests, once: workers of pytest-xdist report to the process that has it."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipGate(), "skip-gate")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, then the rooms that build and train, so that all processes
    end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, not _takes_long(item.path)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage only among what the tests make."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _takes_long(path: Path) -> bool:
    """Whether a file of tests builds or trains models, one test with another for a minute."""
    return path.relative_to(TESTS).parts[0] in TAKE_LONG


@pytest.fixture(scope="session", autouse=True)
def _without_the_users_factors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder of user data of our own: a developer's calibrated phones change no test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("user-data")))
        yield


@pytest.fixture(scope="session")
def minilm() -> Checkpoint:
    """The real all-MiniLM-L6-v2, downloaded once into the cache; tests that use it say `model`."""
    try:
        return load_checkpoint(None, cache.cache_folder("models"))
    except ModelError as error:
        if "could not download" not in str(error):
            raise
        pytest.skip(f"{error} The tests of the real model need it once.")
