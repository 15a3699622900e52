"""Using a built bundle from Python: text in, embeddings or class probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.bundle.answer import AnswerRules, answer_questions
from edge_bert.bundle.bundle_runners import BundleRunners
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.bundle.score import score_passages
from edge_bert.bundle.stage_chain import AUTO, ExitChoice, plan_exit
from edge_bert.bundle.tag import tag_texts
from edge_bert.bundle.vector_precision import Precision, check_precision, quantize_vectors
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import InputError
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.records.bundle import Artifact, Manifest
from edge_bert.records.checkpoint import TOKEN_TASKS, FloatArray, Task
from edge_bert.records.spans import Answer, Entity

TOKENIZER = "tokenizer.json"
METHODS = {
    Task.EMBEDDING: ("encode",),
    Task.CLASSIFICATION: ("encode",),
    Task.TOKEN_CLASSIFICATION: ("tag", "encode_tokens"),
    Task.QUESTION_ANSWERING: ("answer", "encode_tokens"),
    Task.TOKEN_EMBEDDING: ("encode_tokens",),
}


class Bundle:
    """A folder that a build wrote, opened for use without TensorFlow.

    `manifest` says what is in it. Not safe for several threads at once; open one per thread.
    """

    def __init__(self, opened: OpenBundle, tokenizer: Tokenizer) -> None:
        self.folder = opened.folder
        self.manifest: Manifest = opened.manifest
        self._tokenizer = tokenizer
        self._runners = BundleRunners(opened, tokenizer.pad_id)

    @classmethod
    def open(cls, folder: str | Path) -> Bundle:
        """Open the bundle in `folder`, for good: a build that takes its place changes nothing.

        Raises InputError where there is none or it is damaged.
        """
        opened = OpenBundle.open(folder)
        data, path = opened.read_member(TOKENIZER), opened.folder / TOKENIZER
        return cls(opened, Tokenizer.open_bytes(data, path, opened.manifest.model.max_length))

    def encode(
        self,
        texts: Sequence[str],
        artifact: str | None = None,
        pairs: Sequence[str] | None = None,
        *,
        prompt: str | None = None,
        threads: int = 1,
        exit: ExitChoice = None,  # noqa: A002 (no other word says it)
        precision: Precision = "float32",
        ranges: npt.ArrayLike | None = None,
        progress_bar: bool | None = None,
    ) -> npt.NDArray[Any]:
        """Embeddings float32 [n, hidden], or class probabilities float32 [n, labels].

        Each text takes the smallest length bucket that fits and is cut where the tokenizer says.
        `artifact` is a recipe's name, by default the bundle's own choice; `pairs` holds a second
        text for each. `prompt` is the name of one of the model's prompts, which stands before each
        text; None is the authors' default, "" none at all. So many `threads` work on texts of their
        own, each with an interpreter of its own. `exit` is "auto" for the bundle's own rule, which
        lets easy texts leave early, or a number of layers after which all leave; None is the whole
        model, so that a program gets its accuracy unless it asks for less work. `precision` gives
        embeddings in fewer bits (bundle/vector_precision.py), with `ranges` of your corpus for
        `int8`. `progress_bar` is shown on a terminal when it takes long, unless it is False. Raises
        InputError for an unknown artifact, prompt or exit, a damaged file or arguments that do not
        fit.
        """
        self._check_precision(precision)
        chosen, encodings = self._prepare(texts, artifact, pairs, prompt)
        plan = plan_exit(self.manifest, chosen, exit)
        if plan is None:
            outputs = self._runners.run_whole(chosen, encodings, threads, progress_bar)
        else:
            exited = self._runners.run_stages(chosen, plan, encodings, threads, progress_bar)
            outputs = [output.values for output in exited]
        return quantize_vectors(self._finish(chosen, outputs), precision, ranges)

    def encode_with_exits(
        self,
        texts: Sequence[str],
        artifact: str | None = None,
        pairs: Sequence[str] | None = None,
        *,
        prompt: str | None = None,
        threads: int = 1,
        exit: ExitChoice = AUTO,  # noqa: A002
        progress_bar: bool | None = None,
    ) -> tuple[FloatArray, npt.NDArray[np.intp]]:
        """What `encode` gives, by the bundle's own rule, and the layers that each text went
        through, [n].

        Arguments and errors are those of `encode`.
        """
        chosen, encodings = self._prepare(texts, artifact, pairs, prompt)
        plan = plan_exit(self.manifest, chosen, exit)
        if plan is None:
            raise InputError("encode_with_exits needs an exit; call encode for the whole model.")
        exited = self._runners.run_stages(chosen, plan, encodings, threads, progress_bar)
        layers = np.array([output.layers for output in exited], np.intp)
        return self._finish(chosen, [output.values for output in exited]), layers

    def score(
        self,
        query: str,
        passages: Sequence[str],
        artifact: str | None = None,
        *,
        threads: int = 1,
    ) -> FloatArray:
        """How well each passage fits the query, float32 [n].

        A model with one label reads query and passage as a pair: what its activation gives. A model
        of embeddings gives their cosine, with its prompts for queries and documents where it has
        them. Raises InputError as `encode`, and where the model has several labels.
        """
        encode = partial(self.encode, artifact=artifact, threads=threads, progress_bar=False)
        return score_passages(self.manifest.model, encode, query, passages)

    def encode_tokens(
        self,
        texts: Sequence[str],
        artifact: str | None = None,
        *,
        threads: int = 1,
        progress_bar: bool | None = None,
    ) -> list[FloatArray]:
        """What the model gives for each token of each text, float32 [tokens, channels].

        Vectors, or the probabilities of labels, of special tokens too. Arguments are those of
        `encode`. Raises InputError as it, and where the model gives one row for a text.
        """
        self._require_task(TOKEN_TASKS, "encode_tokens")
        encodings = self._tokenizer.encode_batch(_require_list(texts, "encode_tokens"))
        rows = self._run_tokens(artifact, encodings, threads, progress_bar)
        return [finish_outputs(tokens, self.manifest.model.head) for tokens in rows]

    def tag(
        self,
        texts: Sequence[str],
        artifact: str | None = None,
        *,
        threads: int = 1,
        progress_bar: bool | None = None,
    ) -> list[tuple[Entity, ...]]:
        """The entities of each text with their places in it, from a token classifier.

        A text of any length is read whole. Arguments are those of `encode`. Raises InputError as
        it, and where the model is no token classifier.
        """
        self._require_task((Task.TOKEN_CLASSIFICATION,), "tag")
        rows_of = partial(self._run_tokens, artifact, threads=threads, progress_bar=progress_bar)
        head = self.manifest.model.head
        return tag_texts(_require_list(texts, "tag"), self._tokenizer, head, rows_of)

    def answer(
        self,
        question: str,
        context: str,
        artifact: str | None = None,
        *,
        top_k: int = 1,
        max_answer_len: int = 15,
        doc_stride: int = 128,
        handle_impossible_answer: bool = False,
        threads: int = 1,
    ) -> tuple[Answer, ...]:
        """The best answers to a question in a context of any length, the surest first.

        `bundle/answer.py` says what the rules mean. Raises InputError as `encode`, and where the
        model does not answer questions.
        """
        self._require_task((Task.QUESTION_ANSWERING,), "answer")
        rules = AnswerRules(top_k, max_answer_len, doc_stride, handle_impossible_answer)
        rows_of = partial(self._run_tokens, artifact, threads=threads)
        return answer_questions([question], [context], self._tokenizer, rows_of, rules)[0]

    def _prepare(
        self,
        texts: Sequence[str],
        artifact: str | None,
        pairs: Sequence[str] | None,
        prompt: str | None,
    ) -> tuple[Artifact, list[Encoding]]:
        """The artifact that runs, and the tokens of every text."""
        _require_list(texts, "encode")
        self._require_task((Task.EMBEDDING, Task.CLASSIFICATION), "encode")
        chosen = self._find_artifact(artifact or self.manifest.default.artifact)
        tokenizer = self._tokenizer.with_prompt(self.manifest.model.prompts, prompt)
        return chosen, tokenizer.encode_batch(texts, pairs)

    def _finish(self, artifact: Artifact, outputs: Sequence[FloatArray]) -> FloatArray:
        width = next(iter(artifact.signatures.values())).outputs[0].shape[-1]
        rows = np.asarray(outputs, np.float32).reshape(len(outputs), width)
        return finish_outputs(rows, self.manifest.model.head)

    def _run_tokens(
        self,
        artifact: str | None,
        encodings: Sequence[Encoding],
        threads: int = 1,
        progress_bar: bool | None = None,
    ) -> list[FloatArray]:
        """The raw output of each encoding, [tokens, channels] without padding."""
        chosen = self._find_artifact(artifact or self.manifest.default.artifact)
        outputs = self._runners.run_whole(chosen, encodings, threads, progress_bar)
        return [rows[: len(encoding)] for rows, encoding in zip(outputs, encodings, strict=True)]

    def _require_task(self, tasks: Sequence[Task], method: str) -> None:
        task = self.manifest.model.head.task
        if task not in tasks:
            raise InputError(
                f"{method} is for {' and '.join(map(describe_task, tasks))}, and this model is for "
                f"{describe_task(task)}; call {' or '.join(METHODS[task])}."
            )

    def _check_precision(self, precision: str) -> None:
        check_precision(precision)
        if precision != "float32" and self.manifest.model.head.task is not Task.EMBEDDING:
            raise InputError(
                f"precision {precision!r} is for embeddings, and this model gives "
                f"{self.manifest.model.head.task.value}; leave it out."
            )

    def _find_artifact(self, name: str) -> Artifact:
        for artifact in self.manifest.artifacts:
            if artifact.name == name:
                return artifact
        names = ", ".join(artifact.name for artifact in self.manifest.artifacts)
        raise InputError(f"{self.folder} holds no artifact {name!r}; it holds {names}.")


def describe_task(task: Task) -> str:
    """A task in words."""
    return task.value.replace("_", " ")


def _require_list(texts: Sequence[str], method: str) -> Sequence[str]:
    if isinstance(texts, str):
        raise InputError(f"{method} takes a list of texts; put the text in a list.")
    return texts
