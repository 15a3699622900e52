"""Whole commands with one hostile file each: what the readers of `tests/hostile` do not reach."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.mutate import mutate_bytes, mutate_json, mutate_lines

# Of a classifier; mutated as lines.
TABLE = "text,label\n" + "".join(
    f"{word} sentence number {number},{number % 3}\n"
    for number in range(60)
    for word in ("A", "Another")
)
CORPUS = "".join(f"Sentence {number} of a small corpus.\n" for number in range(300))


@dataclass(frozen=True)
class HostileCommand:
    """A command line, in which {work} is its folder, and the file that is mutated there."""

    line: str
    file: str
    mutate: Callable[[bytes, int], bytes]


MODEL = "--model {work}/model"
BUILT = "--profile pixel --out {work}"
TRAINED = "--out {work}/trained --name new"
COMMANDS = {
    "build via onnx2tf": HostileCommand(
        f"build {BUILT} --model {{work}}/onnx/model.onnx --via onnx2tf --lengths 16",
        "onnx/model.onnx",
        mutate_bytes,
    ),
    "build of an ONNX file": HostileCommand(
        f"build {BUILT} --model {{work}}/onnx/model.onnx --lengths 16 --recipes wi8_ai8",
        "onnx/model.onnx",
        mutate_bytes,
    ),
    "build with sentences": HostileCommand(
        f"build {BUILT} {MODEL} --lengths 16 --recipes wi8_ai8 --calibration {{work}}/corpus.txt",
        "corpus.txt",
        mutate_lines,
    ),
    "matrix": HostileCommand(
        "matrix --profiles pixel,{work}/toml/profile.toml --models {work}/model --recipes float32 "
        "--lengths 16 --out {work}/matrix",
        "toml/profile.toml",
        mutate_lines,
    ),
    "export": HostileCommand(
        f"export --to onnx {MODEL} --out {{work}}/exported", "model/config.json", mutate_json
    ),
    "explain": HostileCommand(
        f"explain {BUILT} {MODEL} --artifact wi8_ai8", "pixel/manifest.json", mutate_json
    ),
    "verify": HostileCommand(f"verify {BUILT}", "pixel/float32.tflite", mutate_bytes),
    "compare": HostileCommand(
        f"compare {BUILT} {MODEL} --rounds 1", "pixel/manifest.json", mutate_json
    ),
    "train": HostileCommand(
        f"train {MODEL} --data {{work}}/data.csv:text=text,label=label {TRAINED} --epochs 1",
        "data.csv",
        mutate_lines,
    ),
    "distill": HostileCommand(
        f"distill --teacher {{work}}/model --layers 1 --text {{work}}/corpus.txt {TRAINED}",
        "corpus.txt",
        mutate_lines,
    ),
    "prune": HostileCommand(
        f"prune {MODEL} --neurons 50% --text {{work}}/corpus.txt {TRAINED}",
        "model/model.safetensors",
        mutate_bytes,
    ),
    "qat": HostileCommand(
        f"qat {MODEL} --recipe wi4_afp32 --text {{work}}/corpus.txt {TRAINED} --epochs 1",
        "model/tokenizer.json",
        mutate_json,
    ),
    "cluster": HostileCommand(
        f"cluster {MODEL} {TRAINED}", "model/1_Pooling/config.json", mutate_json
    ),
    "compress": HostileCommand(
        f"compress --profile pixel --plan {{work}}/toml/plan.toml {MODEL} --no-build "
        f"--text {{work}}/corpus.txt {TRAINED}",
        "toml/plan.toml",
        mutate_lines,
    ),
}


def prepare_work(sound: Path, work: Path) -> None:
    """A folder with everything that the commands read, none of it hostile yet."""
    shutil.rmtree(work, ignore_errors=True)
    for name in ("model", "onnx", "toml"):
        shutil.copytree(sound / name, work / name)
    shutil.copytree(sound / "bundle", work / "pixel")
    (work / "data.csv").write_text(TABLE)
    (work / "corpus.txt").write_text(CORPUS)


def spoil_file(command: HostileCommand, work: Path, seed: int) -> list[str]:
    """Mutate the command's file; the words to run it with."""
    path = work / command.file
    path.write_bytes(command.mutate(path.read_bytes(), seed))
    return [word.format(work=work) for word in command.line.split()]
