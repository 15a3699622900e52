"""What the whole default model costs on every profile: the table of docs/profiles.md.

    python -m benchmarks.profile_costs
    python -m benchmarks.profile_costs --profiles galaxy-s25,pixel-10 --recipe wi8_afp32

Counts one inference at the length of each profile's budget on its fastest core, under emulation;
time and energy are modelled, as `invoke bench --target emulated` does for a profile's bundle.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_bert import profiles
from edge_bert.cli.console import error_boundary
from edge_bert.pipeline.bench.emulated import open_counter
from edge_bert.pipeline.build import artifacts
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing.emulated_cost import write_candidate
from edge_bert.progress import no_progress
from edge_bert.records.energy import ModelledEnergy
from edge_bert.records.latency import ModelledLatency
from edge_bert.records.measurement import Measurement
from edge_bert.records.profile import DeviceProfile
from edge_bert.records.recipe import RECIPES, Recipe
from edge_bert.text import format_significant

HEAD = """| profile | tokens | ms, low to high | budget | mJ, low to high | budget |
|---|---|---|---|---|---|
"""


def count_profile(profile: DeviceProfile, recipe: Recipe, out: Path) -> Measurement:
    """One inference of the default model at the length of the profile's budget."""
    session = BuildSession.open(BuildOptions(profile=profile.name, out=str(out)))
    file = artifacts.build_artifact(session, recipe, no_progress)
    signature = f"length_{profile.budget.latency_length}"
    with write_candidate(recipe, file) as candidate, open_counter(profile) as count:
        return next(count(Path(candidate.path), candidate, signature))


def format_row(profile: DeviceProfile, measurement: Measurement) -> str:
    """A line of the table."""
    time, energy, budget = measurement.latency, measurement.energy, profile.budget
    if not isinstance(time, ModelledLatency) or not isinstance(energy, ModelledEnergy):
        raise TypeError("an emulated phone has a modelled time, ours a modelled energy too")
    number = format_significant
    cells = [
        f"`{profile.name}`",
        str(budget.latency_length),
        f"{number(time.ms)}, {number(time.low_ms)} to {number(time.high_ms)}",
        number(budget.latency_ms) if budget.latency_ms else "–",
        f"{number(energy.low_mj)} to {number(energy.high_mj)}",
        number(budget.energy_mj) if budget.energy_mj else "–",
    ]
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Print the table, each line when it is known."""
    parser = argparse.ArgumentParser(description="What the default model costs on every profile.")
    parser.add_argument("--profiles", default="", help="comma separated (default: all of ours)")
    parser.add_argument("--recipe", default="wi8_afp32")
    arguments = parser.parse_args()
    names = [name for name in arguments.profiles.split(",") if name]
    with error_boundary(), TemporaryDirectory() as out:
        sys.stdout.write(HEAD)
        for name in names or profiles.profile_names(profiles.PROFILE_FOLDER):
            profile = profiles.load_profile(name)
            if profile.name == name:  # and no other name of a profile
                measurement = count_profile(profile, RECIPES[arguments.recipe], Path(out))
                sys.stdout.write(format_row(profile, measurement))
                sys.stdout.flush()


if __name__ == "__main__":
    main()
