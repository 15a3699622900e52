"""`invoke` as a user types it: real processes, exit codes, one line for whatever is wrong."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline import tiny_bundle as tiny
from tests.tiny import models

ROOT = Path(__file__).resolve().parents[1]
INVOKE = [sys.executable, "-m", "invoke"]
TASKS = {"build", "verify", "profiles", "inspect", "doctor", "clean", "check"}
Completed = subprocess.CompletedProcess[str]


@pytest.fixture(autouse=True, scope="module")
def tests_cache() -> Iterator[None]:
    """All processes use the tests' cache; conversions of tiny models are in it already."""
    with tiny.own_cache():
        yield


def environment() -> dict[str, str]:
    """Wide lines, no colours, and no hub: a wrong model's name must not be looked up."""
    return os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1"}


def invoke(*arguments: str | Path) -> Completed:
    """Run `invoke WORDS` in the repository."""
    command = [*INVOKE, *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def build(out: Path, *arguments: str | Path) -> Completed:
    """`invoke build --profile pixel` of a tiny model; later words stand in for earlier ones."""
    defaults = {"--profile": "pixel", "--model": str(tiny.model()), "--lengths": "16,32"}
    overrides = dict(zip(map(str, arguments[::2]), map(str, arguments[1::2]), strict=True))
    options = [word for pair in (defaults | overrides).items() for word in pair]
    return invoke("build", "--out", out, *options)


def wrong(completed: Completed, code: int, *fragments: str) -> None:
    """The process ended with `code` and one line on standard error that holds `parts`."""
    assert completed.returncode == code, completed.stderr
    lines = [line for line in completed.stderr.splitlines() if not line.startswith("[")]
    assert len(lines) == 1, completed.stderr
    assert lines[0].startswith("error: ")
    for fragment in fragments:
        assert fragment in lines[0]
    assert completed.stdout == ""


def leftovers(out: Path) -> list[str]:
    """What a failed build left in `out`; its lock file does not count."""
    if not out.exists():
        return []
    return [path.name for path in out.iterdir() if not path.name.endswith(".lock")]


def cpu_seconds(command: list[str]) -> float:
    """User and system time of a process and its children: what load does not change."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True, env=environment())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_list_is_quick() -> None:
    """`invoke --list` under half a second, and it has every task."""
    seconds = sorted(cpu_seconds([*INVOKE, "--list"]) for _ in range(5))
    assert seconds[2] < 0.5, seconds
    listed = {line.split()[0] for line in invoke("--list").stdout.splitlines() if line.strip()}
    assert listed >= TASKS


@pytest.mark.parametrize("task", sorted(TASKS))
def test_help(task: str) -> None:
    """Every task says what it does."""
    completed = invoke("--help", task)
    assert completed.returncode == 0
    assert "Example: invoke" in completed.stdout or task == "check"
    assert completed.stdout == invoke(task, "--help").stdout


@pytest.mark.parametrize("arguments", [["profiles"], ["doctor"], ["inspect", "FILE"]], ids=str)
def test_looking_needs_no_tensorflow(arguments: list[str]) -> None:
    """Neither TensorFlow nor Keras nor transformers is imported to show what is there."""
    path = str(tiny.built().folder / "wi8_ai8.tflite")
    program = (
        "import sys, runpy; sys.argv[0] = 'invoke'\n"
        "try:\n    runpy.run_module('invoke', run_name='__main__')\n"
        "except SystemExit as stop:\n    print('stopped', stop.code, file=sys.stderr)\n"
        "loaded = {'tensorflow', 'keras', 'torch', 'transformers'} & set(sys.modules)\n"
        "print('loaded', sorted(loaded), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", program, *(path if w == "FILE" else w for w in arguments)]
    completed = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert "loaded []" in completed.stderr, completed.stderr
    assert completed.stdout


def test_profiles() -> None:
    """The four to start with and the alias, for people and for programs."""
    completed = invoke("profiles")
    assert completed.returncode == 0
    for name in ("pixel", "pixel-3a", "android-low-end", "raspberry-pi-4"):
        assert name in completed.stdout
    document = json.loads(invoke("profiles", "--json").stdout)
    assert document["pixel"] == document["pixel-9"]
    assert document["raspberry-pi-4"]["runtime"] == "tflite-runtime 2.14.0"


def test_inspect() -> None:
    """Operators, types, bytes and signatures of a file."""
    path = tiny.built().folder / "wi8_ai8.tflite"
    completed = invoke("inspect", path)
    assert completed.returncode == 0
    for fragment in ("FULLY_CONNECTED", "length_16", "INT8"):
        assert fragment.lower() in completed.stdout.lower()
    document = json.loads(invoke("inspect", path, "--json").stdout)
    assert document["integer_only"] is True
    assert document["size_bytes"] == path.stat().st_size


def test_build_verify_and_look(tmp_path: Path) -> None:
    """The main job from the command line; its JSON is the manifest that it wrote."""
    completed = build(tmp_path, "--recipes", "float32,wi8_ai8")
    assert completed.returncode == 0, completed.stderr
    assert str(tmp_path / "pixel") in completed.stdout
    assert "wi8_ai8" in completed.stdout
    arguments = ("--out", tmp_path, "--model", tiny.model(), "--lengths", "16,32")
    again = invoke(
        "build", "--profile", "pixel", *arguments, "--recipes", "float32,wi8_ai8", "--json"
    )
    assert json.loads(again.stdout) == json.loads((tmp_path / "pixel/manifest.json").read_bytes())
    verified = invoke("verify", "--profile", "pixel", "--out", tmp_path)
    assert verified.returncode == 0, verified.stderr
    assert "passed" in verified.stdout


BAD_WORDS = {
    "profile": (["--profile", "pixle"], ["pixel"]),
    "no profile at all like it": (["--profile", "zzzzzz"], ["invoke profiles"]),
    "profile that is a path": (["--profile", "../../etc/passwd"], ["passwd"]),
    "length 0": (["--lengths", "0"], ["too small"]),
    "length too long": (["--lengths", "16,100000"], ["maximum of 128"]),
    "unsorted": (["--lengths", "32,16"], ["sort"]),
    "twice": (["--lengths", "16,16"], ["twice"]),
    "no number": (["--lengths", "16,many"], ["whole number"]),
    "a fraction": (["--lengths", "16.5"], ["whole number"]),
    "recipe": (["--recipes", "int8"], ["int8", "wi8_ai8"]),
    "no calibration file": (["--calibration", "nowhere.txt"], ["nowhere.txt"]),
    "calibration count": (["--calibration-count", "0"], ["too small"]),
    "negative seed": (["--seed", "-1"], ["--seed -1: give 0 or more"]),
    "evaluations": (["--evaluations", "-5"], ["--evaluations -5: give 1 or more"]),
    "no evaluations": (["--evaluations", "0"], ["--evaluations 0: give 1 or more"]),
    "no corpus": (["--corpus", "nowhere.txt"], ["nowhere.txt"]),
    "model": (["--model", "./no/such/folder"], ["no such folder"]),
    "data": (["--data", "nowhere.csv:text=a,label=b"], ["nowhere.csv"]),
}


@pytest.mark.parametrize("name", list(BAD_WORDS))
def test_wrong_words(name: str, tmp_path: Path) -> None:
    """One line that says what to do, exit code 2, and no file."""
    arguments, fragments = BAD_WORDS[name]
    completed = build(tmp_path / "out", *arguments)
    wrong(completed, 2, *fragments)
    assert leftovers(tmp_path / "out") == []


BAD_CALIBRATION = {
    "empty": b"",
    "one sentence": b"Only one.\n",
    "five sentences": b"".join(b"Sentence %d.\n" % number for number in range(5)),
    "one sentence 300 times": b"The same again.\n" * 300,
    "blank lines": b" \n\t\n" * 300,
    "binary": bytes(range(256)) * 20,
    "badly encoded": "Über die Brücke fährt kein Bus.\n".encode("latin-1") * 20,
}


@pytest.mark.parametrize("name", list(BAD_CALIBRATION))
def test_wrong_calibration_files(name: str, tmp_path: Path) -> None:
    """Each is told from the others by its line, which names the file."""
    path = tmp_path / "mine.txt"
    path.write_bytes(BAD_CALIBRATION[name])
    wrong(build(tmp_path / "out", "--calibration", path), 2, "mine.txt")
    assert leftovers(tmp_path / "out") == []


def test_wrong_models(tmp_path: Path) -> None:
    """Only pickles; truncated weights; an architecture that we do not have."""
    pickled = models.write(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    truncated = models.write(tmp_path / "truncated")
    weights = (truncated / "model.safetensors").read_bytes()
    (truncated / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    unsupported = models.write(tmp_path / "other")
    config = json.loads((unsupported / "config.json").read_text())
    (unsupported / "config.json").write_text(json.dumps(config | {"model_type": "t5"}))
    for folder, fragment in (
        (pickled, "safetensors"),
        (truncated, "safetensors"),
        (unsupported, "bert"),
    ):
        wrong(build(tmp_path / "out", "--model", folder), 2, fragment)
    assert leftovers(tmp_path / "out") == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A file is in the way of --out; root may write anywhere else."""
    (tmp_path / "out").write_text("in the way")
    wrong(build(tmp_path / "out"), 2, "cannot be written", "--out")
    assert (tmp_path / "out").read_text() == "in the way"


def test_a_full_disk(tmp_path: Path) -> None:
    """The limit on a file's size stands for it: one line, and the old bundle is whole."""
    assert build(tmp_path, "--recipes", "float32").returncode == 0
    before = (tmp_path / "pixel/manifest.json").read_bytes()
    arguments = ["build", "--profile", "pixel", "--out", str(tmp_path), "--lengths", "16,32"]
    arguments += ["--model", str(tiny.model()), "--recipes", "float32,float16"]
    program = (
        "import errno, sys, runpy; from pathlib import Path\n"
        "write = Path.write_bytes\n"
        "def full(self, data):\n"
        "    if self.suffix == '.tflite': raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "    return write(self, data)\n"
        "Path.write_bytes = full\n"
        "sys.argv[0] = 'invoke'; runpy.run_module('invoke', run_name='__main__')\n"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    wrong(completed, 2, "full", "as it was")
    assert leftovers(tmp_path) == ["pixel"]
    assert (tmp_path / "pixel/manifest.json").read_bytes() == before


def test_wrong_files_to_inspect(tmp_path: Path) -> None:
    """Missing, a folder, and a file cut short."""
    wrong(invoke("inspect", tmp_path / "nothing.tflite"), 2, "nothing.tflite")
    wrong(invoke("inspect", tmp_path), 2, str(tmp_path))
    data = (tiny.built().folder / "float32.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(data[: len(data) // 3])
    wrong(invoke("inspect", path), 2, "cut.tflite")


def test_errors_as_json(tmp_path: Path) -> None:
    """With --json, standard output has the error and its code."""
    completed = invoke("inspect", tmp_path / "nothing.tflite", "--json")
    document = json.loads(completed.stdout)
    assert document["exit_code"] == completed.returncode == 2
    assert completed.stderr == f"error: {document['error']}\n"


def test_verify_without_a_bundle(tmp_path: Path) -> None:
    """It says which command makes one."""
    wrong(invoke("verify", "--profile", "pixel", "--out", tmp_path), 2, "invoke build")


def started(
    out: Path, until: str, *, recipes: str = "", cache: Path | None = None
) -> subprocess.Popen[str]:
    """A build, once it has said `until`; of all recipes and in the tests' cache unless told."""
    command = [*INVOKE, "build", "--profile", "pixel", "--out", str(out)]
    command += ["--model", str(tiny.model()), "--lengths", "16,32"]
    command += ["--recipes", recipes] if recipes else []
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment() | ({"EDGE_BERT_CACHE": str(cache)} if cache else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if until in line:
            return process
    raise AssertionError(f"the build ended before {until!r}: {process.wait()}")


@pytest.mark.parametrize(
    ("until", "cold"), [("building the graph", True), ("wi8_afp32: running", False)]
)
def test_an_interrupted_build(until: str, cold: bool, tmp_path: Path) -> None:
    """Ctrl-C: exit code 130, one line, the old bundle whole and nothing beside it."""
    assert build(tmp_path, "--recipes", "float32").returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "pixel").iterdir()}
    # No graph is built where the cache has the file.
    cache = tmp_path.parent / f"{tmp_path.name}-cache" if cold else None
    process = started(tmp_path, until, cache=cache)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    # Python ends by the signal itself where one fell into code that C called; shells say 130 too.
    assert process.returncode in (130, -signal.SIGINT), stderr
    assert stderr.splitlines()[-1] == "error: stopped; what was there before is as it was"
    assert "Traceback" not in stderr
    assert {path: path.read_bytes() for path in (tmp_path / "pixel").iterdir()} == before
    assert leftovers(tmp_path) == ["pixel"]


def test_a_killed_build(tmp_path: Path) -> None:
    """No chance to tidy up: the old bundle is whole, and the next build removes what was left."""
    assert build(tmp_path, "--recipes", "float32").returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "pixel").iterdir()}
    process = started(tmp_path, "float16: running")
    process.kill()
    process.communicate(timeout=60)
    assert {path: path.read_bytes() for path in (tmp_path / "pixel").iterdir()} == before
    assert leftovers(tmp_path) != ["pixel"]
    assert build(tmp_path, "--recipes", "float32").returncode == 0
    assert leftovers(tmp_path) == ["pixel"]


def test_two_builds_at_once(tmp_path: Path) -> None:
    """The second is refused at once with exit code 6; the first ends well."""
    # Before that the model is only held against the budget, and no folder is taken.
    process = started(tmp_path, "float32: running", recipes="float32,wi8_ai8")
    process.send_signal(signal.SIGSTOP)  # it must not end before the second has begun
    try:
        begun = time.monotonic()
        wrong(build(tmp_path, "--recipes", "float32"), 6, "Another build")
        assert time.monotonic() - begun < 60
    finally:
        process.send_signal(signal.SIGCONT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert leftovers(tmp_path) == ["pixel"]


def test_clean_removes_only_what_is_ours(tmp_path: Path) -> None:
    """`clean --cache` in an empty folder removes the cache and says so."""
    cache = tmp_path / "cache"
    (cache / "artifacts").mkdir(parents=True)
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "clean", "--cache"]
    completed = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment() | {"EDGE_BERT_CACHE": str(cache), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    assert not cache.exists()
    assert str(cache) in completed.stdout
    assert (ROOT / "tasks.py").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["biuld"], "There is no command biuld; see `invoke --list`. Did you mean build?"),
        (
            ["build", "--lenghts", "16"],
            "There is no build option --lenghts; see `invoke build --help`",
        ),
        (["build", "--model"], "--model needs a value; see `invoke build --help`."),
        (["inspect"], "inspect needs FILE; see `invoke inspect --help`."),
        (["build"], "--profile is missing; `invoke TASK --help` explains a task's options."),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str) -> None:
    """What cannot be parsed is bad input too."""
    wrong(invoke(*arguments), 2, message)
