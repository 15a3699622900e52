"""The task that measures a bundle beside other ways to run its model."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import (
    BUILT_MODEL_HELP,
    BUNDLE_OUT_HELP,
    BUNDLE_PROFILE_HELP,
    JSON_HELP,
    bundle_folder,
)
from edge_bert.cli.progress import console_progress
from edge_bert.installation import in_clone


@command(
    options={
        "Bundle": {
            "profile": BUNDLE_PROFILE_HELP,
            "model": BUILT_MODEL_HELP,
            "out": BUNDLE_OUT_HELP,
            "beside": "folder of the bundle of a smaller model that was made from it, whose "
            "default file takes part; repeatable",
        },
        "Measuring": {
            "data": "labelled data as for `build`, such as stsb:sts-dev.csv",
            "rounds": "how often every contestant is timed in turn (default: 20)",
        },
        "Output": {"json": JSON_HELP},
    },
    iterable=["beside"],
)
def compare(
    _: Context,
    profile: str | None = None,
    model: str | None = None,
    out: str = "build",
    beside: list[str] | None = None,
    data: str | None = None,
    rounds: int = 20,
    json: bool = False,
) -> None:
    """Measure a bundle beside ONNX Runtime, OpenVINO and NNCF on this machine. Clones only.

    The peers come with: pip install -e '.[peers]'. Keep the machine otherwise idle.

    Example: invoke compare --profile pixel --data stsb:sts-dev.csv
    Example: invoke compare --profile pixel --beside build/tenfold/pixel-4
    """
    from edge_bert.errors import MissingToolError

    if not in_clone():
        raise MissingToolError(
            "compare is in no package: clone edge-bert's repository, install the clone with "
            "pip install -e '.[peers]', and run `invoke compare` in it."
        )
    from pathlib import Path

    import msgspec

    from benchmarks.compare import compare_peers
    from benchmarks.render import encode_comparison, print_comparison
    from edge_bert.cli.console import print_json
    from edge_bert.data.evaluation import parse_reference
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.sources.load import load_checkpoint
    from edge_bert.store.cache import cache_folder

    folder = bundle_folder(out, profile)
    labelled = parse_reference(data) if data else None
    checkpoint = load_checkpoint(model, cache_folder("models"))
    with console_progress() as progress:
        comparison = compare_peers(
            folder,
            checkpoint,
            labelled,
            smaller=[Path(smaller) for smaller in beside or ()],
            rounds=rounds,
            progress=progress,
        )
    if json:
        print_json(msgspec.Raw(encode_comparison(comparison)))
    else:
        print_comparison(comparison, PlainConsole())
