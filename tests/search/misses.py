"""`python -m tests.search.misses SEEDS [FIRST]`: how often searches on real encoders miss the aim.

The aim: within 1% of the best score, in a tenth of the evaluations. Every model of
`real_landscape`, or those of other weights from FIRST on, with every budget and so many seeds.
"""

from __future__ import annotations

import itertools
import sys

import msgspec

from tests.search import real_landscape

ENOUGH = 0.99


def main() -> int:
    """Print a line for each model and budget, and the sum."""
    seeds = range(int(sys.argv[1]))
    models = real_landscape.MODELS
    if len(sys.argv) > 2:
        first = int(sys.argv[2])
        models = tuple(
            msgspec.structs.replace(each, seed=first + number) for number, each in enumerate(models)
        )
    missed = tried = 0
    for model, number in itertools.product(models, range(len(real_landscape.SHARES))):
        asked = real_landscape.problem(model, real_landscape.budgets(model)[number])
        found = [real_landscape.share(asked, seed) for seed in seeds]
        shares = sorted(each for each, _, _ in found)
        misses = sum(each < ENOUGH for each in shares)
        missed, tried = missed + misses, tried + len(shares)
        print(  # noqa: T201
            f"{model.architecture} {model.layers} layers, weights {model.seed}, "
            f"{found[0][1]} of {found[0][2]}: {misses} missed of {len(shares)}, "
            f"worst {shares[0]:.3f}",
            flush=True,
        )
    print(f"{missed} missed of {tried}: {missed / tried:.1%}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
