"""ONNX out: a model in, checked and scored ONNX files out, beside onnxruntime's own quantizers."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from edge_bert.bundle import atomic_folder
from edge_bert.bundle.manifest import FILE
from edge_bert.bundle.members import JsonMember
from edge_bert.errors import MissingToolError
from edge_bert.pipeline.build import bundle_files
from edge_bert.pipeline.build.name_grids import name_rewritten_grids
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.export.onnx_files import (
    ExportFile,
    quantize_with_onnxruntime,
    write_onnx_file,
    write_ort_file,
)
from edge_bert.pipeline.export.options import ExportOptions, choose_recipes
from edge_bert.pipeline.export.score_files import score_files
from edge_bert.pipeline.export.serving import arrange_tensorrt, arrange_triton
from edge_bert.progress import Progress, no_progress
from edge_bert.quantize.onnx.convert import MISSING
from edge_bert.records.onnx_export import FORMAT_VERSION, OnnxExport, ServingFile
from edge_bert.records.profile import Runtime
from edge_bert.store.scratch import scratch_folder

MEMBER = JsonMember(OnnxExport, "export the model again", FORMAT_VERSION)
# Put the files where a server looks for them, and write what it needs beside them.
ARRANGE: dict[
    str,
    Callable[
        [BuildSession, Path, list[ExportFile]], tuple[list[ExportFile], tuple[ServingFile, ...]]
    ],
] = {"triton": arrange_triton, "tensorrt": arrange_tensorrt}


def export_model(options: ExportOptions, progress: Progress = no_progress) -> OnnxExport:
    """Write the model's ONNX files into the options' folder, with what a server needs.

    With `compare`, onnxruntime's dynamic and static quantization of the same model are made too,
    scored and timed in the same run, and not kept. Raises InputError for options that cannot be,
    VerificationError where the float32 file is not the float model, MissingToolError without the
    extra.
    """
    recipes = choose_recipes(options)
    _check_packages()
    session = BuildSession.open(options.build_options)
    with (
        atomic_folder.replace_folder(options.folder) as scratch,
        scratch_folder() as aside,
    ):
        files = [write_onnx_file(session, recipe, scratch, progress) for recipe in recipes]
        if options.to == "ort":
            progress("ort: writing onnxruntime's own format")
            files += [write_ort_file(file) for file in files]
        if options.compare:
            files += quantize_with_onnxruntime(session, aside, progress)
        serving: tuple[ServingFile, ...] = ()
        if options.to in ARRANGE:
            files, serving = ARRANGE[options.to](session, scratch, files)
        export = OnnxExport(
            format_version=FORMAT_VERSION,
            model=bundle_files.model_info(
                session, (*name_rewritten_grids(session, recipes), *_name_exits(session))
            ),
            calibration=session.calibration.info,
            runtime=Runtime(name="onnxruntime", version=metadata.version("onnxruntime")),
            artifacts=score_files(session, files, scratch, progress),
            files=bundle_files.write_tokenizer_files(session, scratch),
            tool_versions={
                name: metadata.version(name)
                for name in ("edge-bert", "numpy", "onnx", "onnxruntime")
            },
            machine=f"{platform.machine()} {platform.system()}",
            serving=serving,
        )
        MEMBER.write(export, scratch / FILE)
    return export


def _name_exits(session: BuildSession) -> tuple[str, ...]:
    """A warning where the files run all layers of a model whose texts could leave early."""
    rule = session.exit_rule
    if rule is None:
        return ()
    after = ", ".join(str(point.after) for point in rule.points)
    return (
        f"has exits (after {after} of its layers), which ONNX files lack: every text passes all "
        "layers; `edge-bert build` writes them into .tflite files",
    )


def _check_packages() -> None:
    for package in ("onnx", "onnxruntime"):
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError as error:
            raise MissingToolError(MISSING) from error
