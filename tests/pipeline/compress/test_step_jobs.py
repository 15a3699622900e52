"""What a step leaves must be what the next one takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bert.cli.plan_steps import parse_steps
from edge_bert.compress.plan_file import parse_plan
from edge_bert.errors import DataError, InputError
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.compress.step_jobs import PlannedStep, check_head, check_layers
from edge_bert.pipeline.train.options import ClusterOptions
from edge_bert.records.checkpoint import Head, Task
from tests.one_line import refused

SOURCE = Head(Task.EMBEDDING)
TRAIN = "[[steps]]\nkind = 'train'\n"
PRUNE = "[[steps]]\nkind = 'prune'\nlayers = 3\n"
DISTILL = "[[steps]]\nkind = 'distill'\nlayers = 1\n"


def steps_of(text: str, rows: str, folder: Path) -> tuple[PlannedStep, ...]:
    """The steps of a plan on a table with these rows."""
    (folder / "data.csv").write_text(rows, "utf-8")
    data = (str(folder / "data.csv"),)
    options = CompressOptions(plan="p", profile="pixel-9", name="n", data=data)
    return parse_steps(options, parse_plan("p.toml", text.encode()), "p")


@pytest.mark.parametrize(
    ("rows", "kind"),
    [("text,score\na b,0.5\nc d,1.5\n", "number"), ("text,label\na b,x|y\nc d,x\n", "labels")],
)
def test_a_head_that_no_later_step_takes_is_refused(rows: str, kind: str, tmp_path: Path) -> None:
    """Before the first step trains it."""
    options = f"head = '{kind}'\n"
    steps = steps_of(TRAIN + options + DISTILL, rows, tmp_path)
    with refused(DataError, f"a head of the kind {kind}, and distill takes"):
        check_head(steps, SOURCE)
    check_head(steps_of(TRAIN + options, rows, tmp_path), SOURCE)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (DISTILL.replace("1", "7"), r"step 1 \(distill\): --layers 7: the teacher has 6 layers"),
        (DISTILL.replace("1", "3") + DISTILL.replace("1", "4"), r"step 2 .* has 3 layers"),
        (DISTILL.replace("1", "[0, 5]") + PRUNE, r"step 2 \(prune\): --layers 3: .* has 2"),
        (PRUNE + PRUNE.replace("3", "4"), r"step 2 \(prune\): --layers 4: the model has 3"),
    ],
)
def test_layers_that_an_earlier_step_has_taken_are_refused(
    text: str, match: str, tmp_path: Path
) -> None:
    """Before the first step trains."""
    steps = steps_of(text, "text,label\na b,x\nc d,y\n", tmp_path)
    with refused(InputError, match):
        check_layers(steps, 6)


def test_fewer_layers_step_by_step_are_taken(tmp_path: Path) -> None:
    """Each step may keep what the one before it left."""
    text = DISTILL.replace("1", "4") + DISTILL.replace("1", "[0, 1, 3]") + PRUNE
    check_layers(steps_of(text, "text,label\na b,x\nc d,y\n", tmp_path), 6)


def test_classes_go_on_to_a_student(tmp_path: Path) -> None:
    """As do embeddings that no step trains on labels."""
    check_head(steps_of(TRAIN + DISTILL, "text,label\na b,x\nc d,y\n", tmp_path), SOURCE)
    check_head(steps_of(DISTILL, "text,score\na b,0.5\nc d,1.5\n", tmp_path), SOURCE)


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ("centroids = 1", r"step 1 \(cluster\): --centroids 1"),
        ("freeze = 'nothing'", r"step 1 \(cluster\): --freeze nothing"),
    ],
)
def test_a_clustering_that_cannot_be_is_refused(option: str, match: str, tmp_path: Path) -> None:
    """Before the first step trains."""
    with refused(InputError, match):
        steps_of(f"[[steps]]\nkind = 'cluster'\n{option}\n", "text,label\na b,x\n", tmp_path)


def test_a_cluster_step_has_the_options_of_its_command(tmp_path: Path) -> None:
    """And the texts of the plan, on which its centroids are fine-tuned."""
    text = "[[steps]]\nkind = 'cluster'\ncentroids = 16\nentropy = 0.003\n"
    (step,) = steps_of(text, "text,label\na b,x\nc d,y\n", tmp_path)
    assert isinstance(step.options, ClusterOptions)
    assert (step.options.centroids, step.options.entropy) == (16, 0.003)
    assert step.options.data == (str(tmp_path / "data.csv"),)


@pytest.mark.parametrize(
    ("step", "match"),
    [
        ("recipe = 'float16'", r"step 1 \(qat\): --recipe 'float16'"),
        ("recipe = 'wi4c_afp32'\nwidth = 8", r"step 1 \(qat\): --width 8"),
        ("recipe = 'wi4c_afp32'\ncosine = -1", r"step 1 \(qat\): --cosine"),
        ("recipe = 'wi8_ai8'\nepochs = 1", r"step 1 \(qat\): --epochs 1"),
        ("recipe = 'wi8_ai8'\ntable_bits = 4", r"step 1 \(qat\): --table-bits is for"),
    ],
)
def test_a_step_of_integers_that_cannot_be_is_refused(
    step: str, match: str, tmp_path: Path
) -> None:
    """Before the first step trains."""
    with refused(InputError, match):
        steps_of(f"[[steps]]\nkind = 'qat'\n{step}\n", "text,label\na b,x\nc d,y\n", tmp_path)
