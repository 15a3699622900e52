"""An artifact run stage by stage: a text leaves where the rule lets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.bundle.artifact_runner import ArtifactRunner, dequantize
from edge_bert.bundle.stage_chain import ChainLink, ExitPlan, order_stages
from edge_bert.data.buckets import choose_bucket, pad_encoding
from edge_bert.data.tokenizing import Encoding
from edge_bert.evaluate.choose_exit import choose_exits, rate_exits
from edge_bert.records.bundle import Artifact
from edge_bert.records.checkpoint import FloatArray, Head
from edge_bert.records.stage_names import ROWS, leave_out_rows


@dataclass(frozen=True)
class ExitedOutput:
    """The raw output for one text, float32 [channels], and how many layers it went through."""

    values: FloatArray
    layers: int


@dataclass(frozen=True)
class _Answer:
    """What an exit says of one text: raw output [channels] and predicted agreement, if any."""

    values: FloatArray
    agreement: FloatArray


class StagedRunner:
    """The stages of an artifact in the interpreter of a runner, as one plan uses them."""

    def __init__(
        self, artifact: Artifact, runner: ArtifactRunner, pad_id: int, plan: ExitPlan, head: Head
    ) -> None:
        self._chains = order_stages(artifact)
        self._runner = runner
        self._pad_id = pad_id
        self._plan = plan
        self._head = head

    def run(self, encoding: Encoding) -> ExitedOutput:
        """The output for one text, which takes the smallest length bucket that fits."""
        length = choose_bucket(len(encoding), self._chains)
        answers: list[_Answer] = []
        rows: Any = None
        for link in self._chains[length]:
            outputs = self._run_stage(link, encoding, rows)
            answers.append(_read_answer(link, outputs))
            if self._leaves(link, answers):
                break
            rows = outputs[ROWS]
        return ExitedOutput(answers[-1].values, link.stage.last)

    def _run_stage(self, link: ChainLink, encoding: Encoding, rows: Any) -> dict[str, Any]:
        names = [spec.name for spec in leave_out_rows(link.stage.inputs)]
        inputs: dict[str, Any] = {**pad_encoding(encoding, link.stage.length, self._pad_id, names)}
        if rows is not None:
            inputs[ROWS] = rows
        return self._runner.find_callable(link.name)(**inputs)

    def _leaves(self, link: ChainLink, answers: list[_Answer]) -> bool:
        if link.stage.last >= self._plan.last:
            return True
        rule = self._plan.rule
        if rule is None:
            return False
        outputs = [answer.values[None] for answer in answers]
        agreements = [answer.agreement for answer in answers]
        ratings = rate_exits(rule, self._head, outputs, agreements)
        return bool(choose_exits(rule, ratings)[0] < len(answers))


def _read_answer(link: ChainLink, outputs: dict[str, Any]) -> _Answer:
    agreement = np.zeros(1, np.float32)
    if link.agreement is not None:
        agreement = dequantize(outputs[link.agreement.name], link.agreement).reshape(-1)[:1]
    values = dequantize(outputs[link.answer.name], link.answer)
    return _Answer(values.reshape(-1), agreement)
