"""`invoke calibrate` with the emulator's own counts of a tiny model, by hand:

    python -m tests.pipeline.bench.calibrate_emulated

The phone is made up: on each cluster it takes known factors of the time that the model gives for
what QEMU counts there. `calibrate` measures it, counts for itself, and must find the factors; the
files of one length are never measured. It takes minutes, so it is no test of the gate.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TextIO

import pytest

from edge_bert import profiles
from edge_bert.bundle.manifest import read_manifest
from edge_bert.devices.emulator import cpu_files
from edge_bert.devices.runner.runner_files import RunnerFiles
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.estimate.scaled_model import split_time
from edge_bert.pipeline.bench import runner, targets
from edge_bert.pipeline.bench.calibrate import CalibrateOptions, calibrate_profile
from edge_bert.pipeline.bench.emulated import open_counter
from edge_bert.records.measurement import InstructionCounts
from edge_bert.records.profile import TFLITE_RUNTIME_2_14
from edge_bert.report.terminal.plain_console import PlainConsole
from edge_bert.report.terminal.scaling import print_scaling
from tests.pipeline.bench.made_up_phone import MadeUpPhone
from tests.pipeline.bench.test_calibrate import answer_as
from tests.tiny import models

PROFILE = "pixel-4"
WORDS = {"7": "prime", "4,5,6": "big", "0,1,2,3": "little"}
FACTORS = {"prime": (1.4, 0.7), "big": (0.7, 1.8), "little": (1.0, 1.0)}
RECIPES, LENGTHS, UNSEEN = "float32,wi8_afp32,wi8_ai8_afp32", "16,32,64", 32


class CountedPhone(MadeUpPhone):
    """A made-up phone whose times are of QEMU's counts of the files that were pushed to it."""

    def __init__(self, bundle: Path) -> None:
        self.profile = profiles.load_unscaled_profile(PROFILE)
        super().__init__(self.profile, FACTORS, answer_as(self.profile), WORDS)
        self.bundle = bundle
        self._known: dict[tuple[str, str, str], InstructionCounts] = {}

    def count(self, name: str, signature: str, word: str) -> InstructionCounts:
        """The counts of one inference on the cluster of that word."""
        key = (name, signature, word)
        if key not in self._known:
            artifact = next(x for x in read_manifest(self.bundle).artifacts if x.name == name)
            core = cpu_files.name_cluster(self.profile, self.clusters[word])
            with open_counter(self.profile, core) as counter:
                run = next(counter(self.bundle / artifact.file, artifact, signature))
            assert run.counts is not None
            self._known[key] = run.counts
        return self._known[key]

    def truth_ms(self, name: str, signature: str, word: str) -> float:
        """The made-up phone's time, without noise."""
        parts = split_time(predict_latency(self.count(name, signature, word), self.clusters[word]))
        return self.factors[word][0] * parts[0] + self.factors[word][1] * parts[1]


def main() -> None:
    """Build, calibrate, and print the factors and how far off the unseen files are."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        patch.setenv("EDGE_BERT_PROFILES", name)
        model = models.write(
            folder / "model", hidden_size=128, intermediate_size=512, num_hidden_layers=2
        )
        build = [shutil.which("invoke") or "invoke", "build", "--profile", PROFILE]
        build += ["--model", str(model), "--recipes", RECIPES, "--lengths", LENGTHS]
        subprocess.run([*build, "--out", name], check=True, env=os.environ)
        phone = CountedPhone(folder / PROFILE)
        patch.setattr(targets, "open_device", lambda *_: phone)
        files = RunnerFiles({}, TFLITE_RUNTIME_2_14, build="made up")
        patch.setattr(runner, "choose_runner_files", lambda *_, **__: files)
        patch.setattr(runner, "push_runner", lambda *_: ["runner"])
        options = CalibrateOptions(PROFILE, out=folder, cores=("prime", "big"))
        calibrated = calibrate_profile(options, lambda line: _say(sys.stderr, line))
        print_scaling(calibrated.clusters, PlainConsole())
        _print_unseen(phone)


def _print_unseen(phone: CountedPhone) -> None:
    scaled = profiles.load_profile(PROFILE)
    signatures = read_manifest(phone.bundle).artifacts[0].signatures
    signature = next(name for name, item in signatures.items() if item.length == UNSEEN)
    for word in ("prime", "big"):
        core = cpu_files.name_cluster(phone.profile, phone.clusters[word])
        cluster = cpu_files.find_cluster(scaled, core)
        for name in RECIPES.split(","):
            modelled = predict_latency(phone.count(name, signature, word), cluster).ms
            truth = phone.truth_ms(name, signature, word)
            line = f"{core} {name} {signature}, not measured: {modelled / truth - 1:+.1%}"
            _say(sys.stdout, line)


def _say(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


if __name__ == "__main__":
    main()
