"""The options of a plan's steps: those of the commands, and refused before anything trains."""

from __future__ import annotations

import pytest

from edge_bert.cli.plan_steps import parse_steps
from edge_bert.compress.plan import PASSES
from edge_bert.compress.plan_file import load_plan, parse_plan, plan_names
from edge_bert.errors import InputError
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.compress.step_jobs import GIVEN, JOBS, PlannedStep
from edge_bert.pipeline.train.options import FineTuneOptions, PruneOptions
from tests.one_line import refused

OPTIONS = CompressOptions(
    plan="p",
    profile="pixel-9",
    name="small",
    data=("a.csv", "b.csv"),
    text=("c.txt",),
    threads=1,
    out="models",
)


def parse(text: str, options: CompressOptions = OPTIONS) -> tuple[PlannedStep, ...]:
    """The steps of a plan of this text."""
    return parse_steps(options, parse_plan("p.toml", text.encode()), "p")


def test_every_step_that_is_known_has_a_job() -> None:
    """The order's table and the jobs' have the same kinds."""
    assert set(JOBS) == set(PASSES)


@pytest.mark.parametrize("name", plan_names())
def test_the_options_of_a_plan_that_we_ship_are_in_range(name: str) -> None:
    """Each is read as its command would read it."""
    plan = load_plan(name)
    steps = parse_steps(OPTIONS, plan, name)
    assert [step.kind for step in steps] == [step.kind for step in plan.steps]


def test_a_value_is_read_as_the_command_reads_it() -> None:
    """Units, numbers and lists; and what the plan gives to all steps alike."""
    text = """
    held_out = 0.2
    split_seed = 7
    [[steps]]
    kind = "train"
    epochs = 2
    learning_rate = 1e-4
    [[steps]]
    kind = "prune"
    max_latency = "5ms"
    """
    train, prune = (step.options for step in parse(text))
    assert isinstance(train, FineTuneOptions)
    assert (train.data, train.epochs, train.learning_rate) == ("a.csv", 2, 1e-4)
    assert isinstance(prune, PruneOptions)
    assert (prune.data, prune.text) == (("a.csv", "b.csv"), ("c.txt",))
    assert (prune.max_latency, prune.profile) == (5.0, "pixel-9")
    for number, options in enumerate((train, prune), start=1):
        assert options.name.startswith(f"small-{number}-")
        assert (options.held_out, options.split_seed, options.threads) == (0.2, 7, 1)
        assert options.out == "models"


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ("epoch = 3", "no option is called 'epoch'; did you mean epochs"),
        ("learning-rate = 0.1", ".*did you mean learning_rate"),
        ("zzz = 3", "no option is called 'zzz'; there are epochs"),
        ("epochs = 0", "--epochs 0"),
        ('epochs = "many"', "--epochs many: give a whole number"),
        ("epochs = 2.5", "--epochs 2.5: give a whole number"),
        ("epochs = true", "epochs = True: give a text"),
        ('epochs = ""', "epochs = '': give a text"),
        ("epochs = {a = 1}", ".*give a text"),
        ("epochs = 2020-01-01", ".*give a text"),
        ("seeds = [0, 1]", "seeds trains several models"),
        ('model = "other"', "model is an option of compress"),
        ("held_out = 0.5", "held_out stands above the steps"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_its_step(option: str, match: str) -> None:
    """Before anything trains, and by the number of the step."""
    with refused(InputError, rf"^p: step 2 \(train\): {match}"):
        parse(f"[[steps]]\nkind = 'train'\n[[steps]]\nkind = 'train'\n{option}")


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ("", "Nothing says what to keep"),
        ("neurons = 0.5", "such as 50%"),
        ('neurons = "50%"\nmax_latency = "5ms"', "two goals"),
        ('neurons = "50%"\nimportance = "magic"', "--importance 'magic'"),
    ],
)
def test_pruning_without_one_goal_is_refused(option: str, match: str) -> None:
    """As its command refuses it."""
    with refused(InputError, rf"step 1 \(prune\): .*{match}"):
        parse(f"[[steps]]\nkind = 'prune'\n{option}")


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ("", "either --layers or --structure"),
        ("layers = 3\nhidden = -1", "--hidden -1.0: give a number from 0"),
        ("layers = 3\nteacher = 'other'", "teacher is the model that the step before left"),
    ],
)
def test_distillation_that_cannot_be_is_refused(option: str, match: str) -> None:
    """As its command refuses it, and before a step ahead of it trains."""
    with refused(InputError, rf"step 2 \(distill\): .*{match}"):
        parse(f"[[steps]]\nkind = 'train'\n[[steps]]\nkind = 'distill'\n{option}")


@pytest.mark.parametrize(
    ("kind", "data", "match"),
    [
        ("train", (), "learns from labels; give --data"),
        ("distill", (), "learns from texts; give --text"),
        ("prune", (), "learns from texts; give --text"),
    ],
)
def test_a_step_without_its_data_is_refused(kind: str, data: tuple[str, ...], match: str) -> None:
    """Labels for one, any texts for the others."""
    options = CompressOptions(plan="p", profile="pixel-9", name="small", data=data)
    with refused(InputError, match):
        parse(f"[[steps]]\nkind = '{kind}'", options)


def test_what_the_plan_gives_is_an_option_of_some_step() -> None:
    """A name that no command has would be given in vain."""
    fields = {name for job in JOBS.values() for name in job.options.__struct_fields__}
    assert fields >= set(GIVEN)
