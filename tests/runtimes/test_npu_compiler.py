"""Compiling for NPUs: what is missing, with the real plugins and the library's real tool."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from edge_bert.errors import MissingToolError, RefusedError
from edge_bert.runtimes import npu_compiler
from edge_bert.runtimes.npu_compiler import VENDORS
from edge_bert.runtimes.worker import Worker
from tests.devices.two_signatures import two_signatures

PHONE = "Qualcomm SM8650"
on_linux = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the compiler plugins run on Linux on x86-64 only",
)


def without_sdk(maker: str) -> bool:
    vendor = VENDORS[maker]
    if vendor.variable and os.environ.get(vendor.variable):
        return False
    return importlib.util.find_spec(vendor.package.replace("-", "_")) is None


def sdk(folder: Path, monkeypatch: pytest.MonkeyPatch, library: str | None) -> None:
    """A package by the name of Qualcomm's SDK; its download is a file of nothing, or failed."""
    package = folder / "ai_edge_litert_sdk_qualcomm"
    (package / "data" / "lib").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('looked at, not run')")
    if library:
        (package / "data" / "lib" / library).write_bytes(b"")
    monkeypatch.syspath_prepend(str(folder))


@on_linux
@pytest.mark.parametrize("maker", VENDORS)
def test_the_package_that_is_missing_is_named(maker: str) -> None:
    """Without a vendor's SDK, the one command that gets it."""
    if not without_sdk(maker):
        pytest.skip(f"the SDK of {maker} is installed here")
    reason = npu_compiler.find_missing_tool(f"{maker} chip")
    assert reason is not None
    assert f"pip install {VENDORS[maker].package}," in reason


@on_linux
def test_a_package_without_its_download_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip installs the package even where the vendor cannot be reached."""
    sdk(tmp_path, monkeypatch, None)
    reason = npu_compiler.find_missing_tool(PHONE)
    assert reason is not None
    assert "its download failed" in reason
    assert "--force-reinstall" in reason


@on_linux
def test_a_whole_sdk_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at and not run."""
    sdk(tmp_path, monkeypatch, "libQnnHtp.so")
    assert npu_compiler.find_missing_tool(PHONE) is None


@on_linux
def test_an_sdk_that_does_not_work_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real library in its own process; its reason comes back in one line."""
    sdk(tmp_path, monkeypatch, "libQnnHtp.so")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    model = tmp_path / "broken.tflite"
    model.write_bytes(b"no model")
    with pytest.raises(RefusedError, match=r"broken.tflite for Qualcomm SM8650: ") as caught:
        npu_compiler.compile_for_chip(PHONE, model, timeout_s=300)
    assert "\n" not in str(caught.value)


@on_linux
def test_nothing_is_started_without_the_sdk(tmp_path: Path) -> None:
    """MissingToolError comes before the model is even looked for."""
    if not without_sdk("Qualcomm"):
        pytest.skip("the SDK of Qualcomm is installed here")
    with pytest.raises(MissingToolError, match="ai-edge-litert-sdk-qualcomm"):
        npu_compiler.compile_for_chip(PHONE, tmp_path / "none.tflite")


def test_a_maker_without_a_plugin_is_said() -> None:
    """No guess at a package that there is not."""
    assert "no compiler plugin" in str(npu_compiler.find_missing_tool("Unisoc T618"))


@on_linux
def test_every_plugin_is_where_we_look() -> None:
    """ai-edge-litert ships them all, and knows the chips under these vendors."""
    for vendor in VENDORS.values():
        assert npu_compiler.find_plugin(vendor) is not None
        target = importlib.import_module(f"ai_edge_litert.aot.vendors.{vendor.module}.target")
        assert len(list(target.SocModel)) > 1


@on_linux
@pytest.mark.parametrize("maker", VENDORS)
def test_a_plugin_alone_cannot_be_asked(maker: str, tmp_path: Path) -> None:
    """What docs and messages say: without the SDK the real tool partitions nothing."""
    if not without_sdk(maker):
        pytest.skip(f"the SDK of {maker} is installed here")
    vendor = VENDORS[maker]
    model = tmp_path / "small.tflite"
    model.write_bytes(two_signatures())
    plugin = npu_compiler.find_plugin(vendor)
    assert plugin is not None
    package = plugin.parents[3]
    target = importlib.import_module(f"ai_edge_litert.aot.vendors.{vendor.module}.target")
    chip = str(list(target.SocModel)[-1].value)
    process = subprocess.run(
        [
            str(package / "tools" / "apply_plugin_main"),
            "--cmd=partition",
            f"--model={model}",
            f"--libs={plugin.parent}",
            f"--soc_manufacturer={maker}",
            f"--soc_model={chip.lower() if maker == 'MediaTek' else chip}",
        ],
        env={"LD_LIBRARY_PATH": str(package)},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=300,
    )
    assert process.returncode != 0
    library = "NeuronAdapter" if maker == "MediaTek" else vendor.library
    assert library in process.stdout + process.stderr


@on_linux
def test_a_real_plugin_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Intel's plugin with OpenVINO, whose CPU stands in for an NPU, takes both signatures whole."""
    libraries = _openvino()
    model = tmp_path / "small.tflite"
    model.write_bytes(two_signatures())
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries))
    worker = Worker("small.tflite for Intel", RefusedError, 300)
    flags = {"intel_openvino_graph_backends": "cpu"}
    compiled = npu_compiler.run_compiler(worker, model, "intel_openvino", "LNL", flags)
    assert [stats.offloaded for stats in compiled.subgraphs] == [
        stats.operators for stats in compiled.subgraphs
    ]
    assert len(compiled.subgraphs) == 2
    assert compiled.data[4:8] == b"TFL3"


def _openvino() -> Path:
    """The folder of OpenVINO's libraries, of the one version that the plugin was made for."""
    spec = importlib.util.find_spec("openvino")
    libraries = Path(str(spec.origin)).parent / "libs" if spec else Path("none")
    if not (libraries / "libopenvino.so.2631").is_file():
        pytest.skip("ai-edge-litert 2.3.0's plugin for Intel needs openvino==2026.3.1")
    return libraries
