"""The model card of a trained model: README.md as the Hugging Face hub reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from edge_bert.pipeline.train.folder.card_subject import CardField, CardSubject
from edge_bert.records.checkpoint import Task
from edge_bert.records.exit_training import EarlyExits
from edge_bert.records.supernet_training import SupernetTraining
from edge_bert.records.training import (
    Ancestor,
    Clustering,
    TrainingCurve,
    TrainingRun,
)
from edge_bert.report import exit_training_words as exit_words
from edge_bert.report.clustering_words import list_sizes, name_file, tell_clustering
from edge_bert.report.qat_words import tell_quantization
from edge_bert.report.supernet_words import list_rungs, tell_supernet
from edge_bert.report.token_words import tell_tokens
from edge_bert.report.training_words import list_losses, tell_ancestry
from edge_bert.text import list_some, make_printable

PIPELINE_TAGS = {
    Task.EMBEDDING: "sentence-similarity",
    Task.CLASSIFICATION: "text-classification",
    Task.TOKEN_CLASSIFICATION: "token-classification",
    Task.QUESTION_ANSWERING: "question-answering",
}
NOUNS = {
    Task.EMBEDDING: "A model that gives an embedding for a text",
    Task.CLASSIFICATION: "A classifier of texts",
    Task.TOKEN_CLASSIFICATION: "A model that gives a class for each token of a text",
    Task.QUESTION_ANSWERING: "A model that finds the answer to a question in a text",
}
METRICS = ("accuracy",)  # those that the hub has a name for
HUB = "hub: "


def write_card(run: TrainingRun, subject: CardSubject) -> str:
    """The card of a run, in Markdown below its fields in YAML. It holds no path of a machine."""
    parts = [
        f"---\n{_write_fields(run, subject)}\n---",
        f"# {_escape(run.name)}",
        _introduce(run, subject),
        f"## Use\n\n{_describe_use(run, subject)}",
        *_describe_run(run),
        f"## Licence\n\n{_describe_licence(run, subject)}",
    ]
    return "\n\n".join(parts) + "\n"


def _write_fields(run: TrainingRun, subject: CardSubject) -> str:
    from huggingface_hub import ModelCardData

    opens = subject.alike and subject.task in (Task.EMBEDDING, Task.CLASSIFICATION)
    inherited: dict[str, Any] = {
        name: _make_plain(value) for name, value in subject.inherited.items()
    }
    base_models = [name for ancestor in run.ancestors for name in _list_hub_models(ancestor)]
    if base_models:
        inherited["base_model"] = _make_plain(list(dict.fromkeys(base_models)))
    library = "sentence-transformers" if opens else "edge-bert"
    if subject.opened_by is not None:
        library = "transformers"
    data = ModelCardData(
        library_name=library,
        pipeline_tag=PIPELINE_TAGS.get(subject.task),
        tags=list(dict.fromkeys(["edge-bert", library, make_printable(run.kind)])),
        datasets=[make_printable(used.source) for used in run.data],
        metrics=[run.curve.metric] if run.curve and run.curve.metric in METRICS else None,
        **inherited,
    )
    return str(data.to_yaml()).strip()


def _make_plain(value: CardField) -> CardField:
    return make_printable(value) if isinstance(value, str) else [*map(make_printable, value)]


def _list_hub_models(ancestor: Ancestor) -> Iterator[str]:
    """The models on the hub at the roots of an ancestry."""
    if ancestor.origin.startswith(HUB):
        yield ancestor.origin.removeprefix(HUB)
    for earlier in ancestor.ancestors:
        yield from _list_hub_models(earlier)


def _introduce(run: TrainingRun, subject: CardSubject) -> str:
    noun = NOUNS.get(subject.task, "An encoder")
    labels = f" Its classes are {_escape(list_some(subject.labels, 20))}." if subject.labels else ""
    ancestry = " ".join(map(_escape, tell_ancestry(run)))
    return f"{noun}, made by edge-bert ({_escape(run.kind)}).{labels} {ancestry}".strip()


def _describe_use(run: TrainingRun, subject: CardSubject) -> str:
    folder = _quote(run.name)
    parts = [
        "A folder for phones, with TFLite files, tokenizer and report:",
        _fence("bash", f"edge-bert build --profile pixel --model {folder} --out build"),
        _fence(
            "python",
            "from edge_bert import Bundle\n\n"
            'bundle = Bundle.open("build/pixel")\n'
            f'outputs = bundle.encode(["a text"])  # {_name_output(subject)}',
        ),
    ]
    return "\n\n".join([*parts, *_describe_libraries(subject, folder)])


def _name_output(subject: CardSubject) -> str:
    if subject.task is Task.CLASSIFICATION:
        return "a score for each class, in the order of config.json"
    return (
        "an embedding for each text" if subject.task is Task.EMBEDDING else "see edge-bert's docs"
    )


def _describe_libraries(subject: CardSubject, folder: str) -> list[str]:
    if not subject.alike:
        return [
            f"{subject.peculiarity}; transformers and sentence-transformers have no class for that "
            "and refuse the folder."
        ]
    if subject.opened_by is not None:
        return [
            "With transformers:",
            _fence(
                "python",
                f"from transformers import {subject.opened_by}\n\n"
                f"model = {subject.opened_by}.from_pretrained({folder})",
            ),
        ]
    if subject.task not in (Task.EMBEDDING, Task.CLASSIFICATION):
        return []
    gives = "logits" if subject.task is Task.CLASSIFICATION else "embeddings"
    return [
        "With sentence-transformers:",
        _fence(
            "python",
            "from sentence_transformers import SentenceTransformer\n\n"
            f'{gives} = SentenceTransformer({folder}).encode(["a text"])',
        ),
        "transformers' `AutoModel` opens the encoder alone, without pooling and head.",
    ]


def _describe_run(run: TrainingRun) -> Iterator[str]:
    """The sections on what was done, each where it was."""
    if run.curve is not None:
        yield f"## Data and score\n\n{_describe_data(run, run.curve)}"
        yield f"## Training\n\n{_describe_training(run, run.curve)}"
    if run.quantization is not None:
        sentences = " ".join(map(_escape, tell_quantization(run.quantization)))
        yield f"## Integers\n\n{sentences}"
    if run.tokens is not None:
        sentences = " ".join(map(_escape, tell_tokens(run.tokens)))
        yield f"## Fewer tokens\n\n{sentences}"
    if run.exits is not None:
        yield f"## Exits\n\n{_describe_exits(run.exits)}"
    if run.clustering is not None:
        yield f"## Clustering\n\n{_describe_clustering(run.clustering)}"
    if run.supernet is not None:
        yield f"## Sub-networks\n\n{_describe_supernet(run.supernet)}"


def _describe_supernet(supernet: SupernetTraining) -> str:
    rows = "\n".join(f"| {row.name} | {row.work} | {row.score} |" for row in list_rungs(supernet))
    return (
        f"{_escape(tell_supernet(supernet))} `supernet.json` lists all of them; `edge-bert build` "
        "with a budget chooses among them, and `--structure FILE` cuts one. Multiply-adds are "
        f"those of {supernet.length} tokens.\n\n"
        f"| sub-network | multiply-adds | held-out score |\n|---|---|---|\n{rows}"
    )


def _describe_clustering(clustering: Clustering) -> str:
    sentence = _escape(tell_clustering(clustering))
    rows = list_sizes(clustering)
    if not rows:
        return sentence
    table = "\n".join(f"| {' | '.join(row.cells)} |" for row in rows)
    head = "| packed | unclustered | this model | change |\n|---|---|---|---|"
    return f"{sentence}\n\nThe file {_escape(name_file(clustering))}.\n\n{head}\n{table}"


def _describe_exits(exits: EarlyExits) -> str:
    rows = "\n".join(f"| {' | '.join(row)} |" for row in exit_words.list_trials(exits))
    head = f"| {' | '.join(exit_words.TRIAL_HEAD)} |\n{'|---' * len(exit_words.TRIAL_HEAD)}|"
    sentences = " ".join(exit_words.tell_exits(exits))
    return (
        f"{sentences}\n\n{head}\n{rows}\n\n`exits.json` has the rule, `exits.safetensors` the "
        "heads; other libraries pass them by and run all layers."
    )


def _describe_data(run: TrainingRun, curve: TrainingCurve) -> str:
    data = "\n".join(
        f"- {_escape(used.source)}: {used.count} texts, {used.held_out} of them held out"
        for used in run.data
    )
    settings = run.settings
    return (
        f"{data}\n\n"
        f"The held-out {_escape(curve.metric)} of these weights is **{curve.best_score:.4f}** "
        f"(step {curve.best_step}). The held-out texts are never trained on: a share of "
        f"{settings.held_out:g}, drawn by a hash of each text with seed {settings.split_seed}. "
        "The best step is chosen on them, so the score on texts that nobody has seen may be lower."
    )


def _describe_training(run: TrainingRun, curve: TrainingCurve) -> str:
    metric = _escape(curve.metric)
    rows = "\n".join(
        f"| {point.step} | {point.loss:.4f} | {_format_score(point.score)} | {point.seconds:.0f} |"
        for point in curve.points
    )
    losses = ", ".join(f"{weight:g} × {words}" for _, weight, words in list_losses(run.losses))
    machine = run.machine
    return (
        f"| step | loss | held-out {metric} | seconds |\n|---|---|---|---|\n{rows}\n\n"
        f"Loss: {losses or 'none'}.\n\n"
        f"{_escape(machine.processor)}, {machine.cores} cores, Keras on {machine.backend}"
        f"{f', {_escape(machine.device)}' if machine.device else ''}, "
        f"{run.seconds / 60:.1f} minutes. Seed {run.settings.seed}. "
        "`training.json` has everything, `report.html` shows it."
    )


def _describe_licence(run: TrainingRun, subject: CardSubject) -> str:
    licence = subject.inherited.get("license")
    sources: Sequence[str] = [_escape(ancestor.name) for ancestor in run.ancestors]
    source = " and ".join(sources) or "its source"
    if not licence:
        return (
            f"The weights come from {source}, whose files name no licence: look there before you "
            "pass them on. The data may have terms of their own."
        )
    named = licence if isinstance(licence, str) else ", ".join(licence)
    return (
        f"The weights come from {source}; the card there says {_escape(named)}, which holds for "
        "what is made of them. The data may have terms of their own."
    )


def _format_score(score: float | None) -> str:
    return "–" if score is None else f"{score:.4f}"


def _escape(text: str) -> str:
    """Foreign words as Markdown that shows them and does nothing."""
    return "".join(
        f"\\{char}" if char in "\\`*_[]<>|#!$&~" else char for char in make_printable(text)
    )


def _quote(name: str) -> str:
    """A folder's name in quotes that shells and Python read alike; a word for it if it has none."""
    return f'"{name}"' if re.fullmatch(r"[\w][\w. -]*", name) else '"THIS-FOLDER"'


def _fence(language: str, code: str) -> str:
    return f"```{language}\n{code}\n```"
