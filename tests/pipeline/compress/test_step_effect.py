"""What a model costs: counted on the emulated phone, where there is one."""

from __future__ import annotations

import pytest

from edge_bert.pipeline.compress.scoring import Scoring
from edge_bert.pipeline.compress.step_effect import MeasuredModel, describe_basis, measure_effect
from edge_bert.progress import no_progress
from tests.devices.emulator_programs import need_emulator
from tests.pipeline import tiny_bundle as tiny

pytestmark = pytest.mark.slow
ABSENT = Scoring("accuracy", "nothing", lambda _subject, _tokenizer: None)


def test_instructions_are_counted_and_milliseconds_modelled() -> None:
    """At the length of the profile's budget, for the file whose bytes are told."""
    need_emulator()
    with tiny.own_cache():
        session = tiny.open_session("wear-watch", recipes=("wi8_afp32",), lengths=(16, 32))
        basis = describe_basis(session, ABSENT)
        model = MeasuredModel("1 train", "train", 12.0)
        effect = measure_effect(session, model, ABSENT, no_progress, count=True)
    assert (basis.recipe, basis.length, basis.not_counted) == ("wi8_afp32", 32, None)
    assert effect.instructions is not None
    assert effect.latency_ms is not None
    assert 1e5 < effect.instructions < 1e9
    assert 0 < effect.latency_ms < 1000
    assert effect.size_bytes > 10_000
    assert (effect.score, effect.training_seconds) == (None, 12.0)
