"""The docs tell the truth where a test can hold them to it: paths, links, commands, modules."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke.collection import Collection
from invoke.loader import FilesystemLoader

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[A-Za-z_][\w.-]*(?:/[\w.-]+)+/?|[\w-]+\.py")
COMMAND = re.compile(r"(?:`|^ {4}|^|\.venv/bin/)(?:invoke|edge-bert) ([a-z]+)([^\n`]*)", re.M)
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]+)")
BENCHMARK = re.compile(r"python -m ((?:benchmarks|tests)[\w.]*)")
# Rooms that docs name paths from, besides the repository itself.
BASES = (ROOT, ROOT / "edge_bert", ROOT / "edge_bert" / "quantize" / "integer", ROOT / "docs")
OF_INVOKE = {"list", "help", "print-completion-script"}

# What a reader makes by the command that stands beside it.
MADE = {"device_profiles/my-phone.toml"}
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]

every_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the repository has the file, and its heading where it names one."""
    for link in LINK.findall(page.read_text("utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def named_paths(text: str) -> Iterator[str]:
    """What stands in code marks and looks like a path into our sources."""
    for code in CODE.findall(text):
        if (
            PATH.fullmatch(code)
            and not code.startswith("build/")
            and "NAME" not in code
            and code not in MADE
        ):
            yield code


@every_page
def test_paths_are_there(page: Path) -> None:
    """A module or folder that a page names is where the page says."""
    if page.name == "CHANGELOG.md":
        return
    modules = {path.name for path in (ROOT / "edge_bert").rglob("*.py")}
    for path in named_paths(page.read_text("utf-8")):
        known_root = path.split("/")[0] in {
            entry.name for base in BASES for entry in base.iterdir()
        }
        if path.endswith(".py") and "/" not in path:
            assert path in modules | {"tasks.py"}, path
        elif known_root:
            assert any((base / path).exists() for base in BASES), path


@pytest.fixture(scope="module")
def tasks() -> Collection:
    """The tasks of the clone."""
    module, _ = FilesystemLoader(start=str(ROOT)).load("tasks")
    return Collection.from_module(module)


@every_page
def test_commands_exist(page: Path, tasks: Collection) -> None:
    """Every task that a page shows is there, and has the options that stand beside it."""
    flags = {
        context.name: {*context.flags, *context.inverse_flags} for context in tasks.to_contexts()
    }
    for name, rest in COMMAND.findall(page.read_text("utf-8")):
        assert name in flags, name
        for option in set(OPTION.findall(rest)) - OF_INVOKE:
            assert f"--{option}" in flags[name], f"invoke {name} --{option}"


@every_page
def test_modules_that_are_run_exist(page: Path) -> None:
    """`python -m benchmarks.NAME` names a module."""
    for module in BENCHMARK.findall(page.read_text("utf-8")):
        assert importlib.util.find_spec(module.rstrip(".")), module
