"""The server of forked commands for plans, whose models are trained and not built."""

from __future__ import annotations

from edge_bert.pipeline.compress import run_plan
from tests.pipeline.compress.plan_jobs import measured
from tests.pipeline.train.forked_commands import serve

if __name__ == "__main__":
    vars(run_plan)["measure_effect"] = measured
    serve()
