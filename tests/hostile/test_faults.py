"""Files of another user, names that are too long, links in a circle: one line that blames them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hostile.readers import KINDS, make_sound
from tests.pipeline import tiny_bundle

ROOT = Path(__file__).resolve().parents[2]
UNREADABLE = {kind.file for name, kind in KINDS.items() if name not in ("opaque", "config")} | {
    "config.json",
    "modules.json",
    "tokenizer_config.json",
    "1_Pooling/config.json",
}


def list_faults(root: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is tried in `root`, by name."""
    from edge_bert.bundle.atomic_folder import BUNDLE, check_folder, replace_folder
    from edge_bert.bundle.bundle import Bundle
    from edge_bert.compress.plan_file import load_plan
    from edge_bert.data.calibration import load_sentences
    from edge_bert.data.evaluation import parse_reference
    from edge_bert.formats.tflite.inspect import inspect_file
    from edge_bert.profiles import load_profile
    from edge_bert.search.journal import open_journal
    from edge_bert.sources.load import load_checkpoint
    from edge_bert.store.cache import cache_folder

    for name, kind in KINDS.items():
        folder = root / kind.sound
        for file in sorted(path for path in UNREADABLE if (folder / path).is_file()):
            yield f"unreadable {file} of {name}", lambda f=folder, k=kind: k.read(f)
        yield f"folder {name}", lambda f=folder, k=kind: k.read(f)
    long, loop = "x" * 300, root / "loop"
    loop.symlink_to(loop)
    yield "long model", lambda: load_checkpoint(long, root)
    yield "long profile", lambda: load_profile(f"{long}.toml")
    yield "long plan", lambda: load_plan(f"{long}.toml")
    yield "long bundle", lambda: Bundle.open(long)
    yield "long file", lambda: inspect_file(Path(long))
    yield "long sentences", lambda: load_sentences(long)
    yield "long data", lambda: parse_reference(f"stsb:{long}")
    yield "long output", lambda: replace_folder(root / long).__enter__()
    yield "long folder of it", lambda: check_folder(root / long / "pixel", BUNDLE)
    yield "name without room for a lock", lambda: replace_folder(root / ("y" * 250)).__enter__()
    yield "long journal", lambda: open_journal(root / long, "problem", int).__enter__()
    yield "loop of a model", lambda: load_checkpoint(str(loop), root)
    yield "loop of a bundle", lambda: Bundle.open(loop)
    yield "loop of an output", lambda: replace_folder(loop / "pixel").__enter__()
    for name in ("file", "loop", long):
        (root / "file").touch()
        os.environ["EDGE_BERT_CACHE"] = str(root / name)
        yield f"cache {name[:10]}", lambda: cache_folder("artifacts")


def main(root: Path) -> None:
    """Try everything, as a user who may not read what is of mode 0; a line of JSON for each."""
    from edge_bert.cli.console import error_boundary

    for name, call in list_faults(root):
        words = name.split()
        path = root / KINDS[words[-1]].sound if words[-1] in KINDS else root / "none"
        closed = path / words[1] if words[0] == "unreadable" else path
        mode = closed.stat().st_mode if closed.exists() else 0
        if closed.exists():
            closed.chmod(0)
        sys.stdout.write(json.dumps(name) + "\n")
        sys.stdout.flush()
        try:
            with error_boundary():
                call()
            sys.stderr.write("success\n")
        except SystemExit:
            pass
        finally:
            if closed.exists():
                closed.chmod(mode)


def test_faults_are_told_and_blamed(tmp_path: Path) -> None:
    """Each is one line; nobody is told to download again what he may not read."""
    make_sound(tmp_path, tiny_bundle.build_in(tmp_path / "built", recipes=("float32",)).folder)
    command = [sys.executable, "-m", "tests.hostile.test_faults", str(tmp_path)]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root reads every file without setpriv(1)")
        command = [setpriv, "--bounding-set=-dac_override,-dac_read_search", *command]
    with tiny_bundle.own_cache():
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    names, lines = ended.stdout.splitlines(), ended.stderr.splitlines()
    assert len(names) == len(lines), ended.stderr
    for name, line in zip(names, lines, strict=True):
        if "unreadable" in name and line == "success":
            continue  # another kind's file
        assert line.startswith("error: "), (name, line)
        if "unreadable" in name or "folder" in name:
            assert "damaged" not in line, (name, line)
            assert "download" not in line, (name, line)
            assert "ermission denied" in line or "too long" in line, (name, line)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
