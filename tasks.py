"""The command line: `invoke --list` shows the tasks, `invoke TASK --help` explains one."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from edge_bert.cli.bench import bench, devices, emulator, push, validate
from edge_bert.cli.build import build
from edge_bert.cli.explain import explain
from edge_bert.cli.export import export
from edge_bert.cli.matrix import matrix
from edge_bert.cli.options import JSON_HELP, PROFILE_HELP, bundle_folder
from edge_bert.cli.profiles import profile, profiles
from edge_bert.cli.progress import console_progress

# Tasks that live elsewhere.
__all__ = [
    "bench",
    "build",
    "devices",
    "emulator",
    "explain",
    "export",
    "matrix",
    "profile",
    "profiles",
    "push",
    "validate",
]

OUT_HELP = "folder that bundles are written to (default: build)"
DATA_HELP = "labelled data: stsb:FILE, sst2:FILE, FILE.csv:text=A,label=B; may be repeated"


@task(
    help={
        "profile": PROFILE_HELP,
        "out": OUT_HELP,
        "data": DATA_HELP,
        "text": "text file whose sentences are tokenized as MediaPipe would on a phone",
        "calibration": "the file that the bundle was calibrated with, if it was your own",
        "json": JSON_HELP,
    },
    iterable=["data"],
)
def verify(
    _: Context,
    profile: str | None = None,
    out: str = "build",
    data: list[str] | None = None,
    text: str | None = None,
    calibration: str | None = None,
    json: bool = False,
) -> None:
    """Run a built bundle again on its runtime; score it; compare the phone's tokens.

    Example: invoke verify --profile pixel --data stsb:sts-dev.csv --text my-sentences.txt
    """
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert.pipeline.verify import verify_bundle as run
        from edge_bert.report.terminal.verification import print_verification

        with console_progress() as step:
            found = run(
                bundle_folder(out, profile),
                data=data or [],
                text=Path(text) if text else None,
                calibration_file=Path(calibration) if calibration else None,
                progress=step,
            )
        if json:
            print_json(found)
        else:
            print_verification(found, Console())
        if not found.passed:
            raise SystemExit(4)


@task(positional=["file"], help={"file": "a .tflite file", "json": JSON_HELP})
def inspect(_: Context, file: str, json: bool = False) -> None:
    """Show what is in a .tflite file: operators, number formats, bytes, signatures."""
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert.formats.tflite.inspect import inspect_file
        from edge_bert.report.terminal.model_file import print_model_file

        found = inspect_file(Path(file))
        if json:
            print_json(found)
        else:
            print_model_file(file, found, Console())


@task(help={"json": JSON_HELP})
def doctor(_: Context, json: bool = False) -> None:
    """Say what this machine has and lacks, and how to get it."""
    from edge_bert.cli.console import error_boundary, print_json

    with error_boundary(json=json):
        from rich.console import Console

        from edge_bert.doctor import examine_machine
        from edge_bert.report.terminal import tables

        found = examine_machine()
        if json:
            print_json(found)
        else:
            tables.print_findings(Console(), found)
        if any(each.required and each.status != "ok" for each in found):
            raise SystemExit(3)


@task(
    help={
        "profile": PROFILE_HELP,
        "model": "the model that the bundle was built from (default: all-MiniLM-L6-v2)",
        "out": OUT_HELP,
        "data": "labelled data as for `build`, for instance stsb:sts-dev.csv",
        "rounds": "how often every contestant is timed in turn (default: 20)",
        "json": JSON_HELP,
    }
)
def compare(
    _: Context,
    profile: str | None = None,
    model: str | None = None,
    out: str = "build",
    data: str | None = None,
    rounds: int = 20,
    json: bool = False,
) -> None:
    """Measure a bundle beside ONNX Runtime, OpenVINO and NNCF on this machine.

    The peers come with: pip install -e '.[peers]'. Keep the machine otherwise idle.
    """
    from edge_bert.cli.console import error_boundary

    with error_boundary(json=json):
        from rich.console import Console

        from benchmarks.compare import compare as run
        from benchmarks.render import render, to_json
        from edge_bert.data.evaluation import parse_reference
        from edge_bert.sources.load import load_checkpoint
        from edge_bert.store import cache

        folder = bundle_folder(out, profile)
        labelled = parse_reference(data) if data else None
        checkpoint = load_checkpoint(model, cache.cache_folder("models"))
        with console_progress() as step:
            found = run(folder, checkpoint, labelled, rounds=rounds, progress=step)
        if json:
            print(to_json(found).decode())
        else:
            render(found, Console())


@task(help={"cache": "also remove downloaded models, built files and environments"})
def clean(_: Context, cache: bool = False) -> None:
    """Remove built bundles, and with --cache everything that can be made again."""
    from edge_bert.cli.console import error_boundary

    with error_boundary():
        import shutil

        from edge_bert.store import cache as caches

        for folder in [Path("build"), *([caches.cache_folder()] if cache else [])]:
            if folder.is_dir():
                shutil.rmtree(folder)
                print(f"removed {folder}")


@task(
    help={
        "slow": "also the tests that take more than about ten seconds each",
        "processes": "processes that the tests run in (default: 2)",
    }
)
def check(context: Context, slow: bool = True, processes: int = 2) -> None:
    """Run the linters, the type checker, the layer contracts and the tests."""
    import sys

    python = f'"{sys.executable}"'
    linter = f'"{Path(sys.executable).with_name("lint-imports")}"'
    # A file's tests share models and environments, so they stay in one process.
    tests = f"pytest -n {processes} --dist loadfile"
    tests = tests if slow else f"{tests} -m 'not slow'"
    for command in (
        f"{python} -m ruff check .",
        f"{python} -m ruff format --check .",
        f"{python} -m mypy",
        linter,
        f"{python} -m {tests}",
    ):
        print(f"== {command}", flush=True)
        context.run(command)
