"""What a change of code makes anew: what the code runs, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_bert.pipeline.build.artifacts import CALIBRATION_CODE
from edge_bert.quantize import apply_recipe
from edge_bert.store import code_digest
from edge_bert.store.cached import cache_key, cached
from edge_bert.store.code_digest import CodeTree

FOUR_BITS = apply_recipe.apply_weight_recipe.__module__
CALIBRATED = [function.__module__ for function in CALIBRATION_CODE]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's sources in a folder of their own, to be changed."""
    folder = tmp_path_factory.mktemp("tree")
    source = code_digest.PACKAGES_FOLDER / code_digest.PACKAGE
    shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def change(copy: Path) -> Callable[[list[str], str, str, str], bool]:
    """Whether the digest of modules changes where text in a file becomes other text."""
    facts = CodeTree().facts

    def changes(modules: list[str], file: str, old: str, new: str) -> bool:
        path = copy / code_digest.PACKAGE / file
        before, text = CodeTree(copy, facts).digest(modules), path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")
        try:
            return CodeTree(copy, facts).digest(modules) != before
        finally:
            path.write_text(text, "utf-8")

    return changes


def test_a_constant_of_the_bits_makes_4_bit_files_anew(change: Callable[..., bool]) -> None:
    """Blocks decide bytes, several imports away from the recipe."""
    assert change([FOUR_BITS], "records/weight_bits.py", "BLOCKS = (", "BLOCKS = (16, ")


def test_tokenizing_makes_calibrated_files_anew(change: Callable[..., bool]) -> None:
    """What sentences become decides every range."""
    assert change(CALIBRATED, "data/tokenizing.py", "no_truncation()", "enable_truncation(9)")
    assert not change([FOUR_BITS], "data/tokenizing.py", "no_truncation()", "enable_truncation(9)")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("quantize/blockwise.py", '"""', '"""Another sentence. '),
        (
            "quantize/blockwise.py",
            "import numpy as np\n",
            "import numpy as np  # the usual name\n\n",
        ),
        ("report/html.py", "import", "import this\nimport"),
        ("doctor.py", "import", "import this\nimport"),
    ],
)
def test_what_does_not_run_changes_nothing(
    change: Callable[..., bool], file: str, old: str, new: str
) -> None:
    """A docstring, a comment, an empty line, a module that is not imported."""
    assert not change([FOUR_BITS, *CALIBRATED], file, old, new)


def written(folder: Path, **sources: str) -> CodeTree:
    """A package of these modules; a double underline in a name is a dot."""
    for name, text in sources.items():
        path = folder / code_digest.PACKAGE / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return CodeTree(folder)


@pytest.mark.parametrize(
    ("statement", "counts"),
    [
        ("from edge_bert.b import thing", True),
        ("from edge_bert import b", True),
        ("import edge_bert.b", True),
        ("def later():\n    from edge_bert.b import thing", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import edge_bert.b", False),
        ("'import edge_bert.b'", False),
        ("SCRIPT = 'b.py'", True),
    ],
)
def test_every_way_to_import(tmp_path: Path, statement: str, counts: bool) -> None:
    """Anywhere in a module; a script that it names runs in another process."""
    tree = written(tmp_path, a=statement, b="X = 1")
    assert ("edge_bert/b.py" in tree.modules(["edge_bert.a"])) is counts


def test_modules_that_import_each_other(tmp_path: Path) -> None:
    """Each has the other in its digest, once."""
    tree = written(tmp_path, a="import edge_bert.b", b="def f():\n    import edge_bert.a")
    assert tree.modules(["edge_bert.a"]) == {"edge_bert/a.py", "edge_bert/b.py"}


def test_a_table_beside_a_module_counts(tmp_path: Path) -> None:
    """In its folder or in `data` there, where the module names it."""
    source = "TABLE = FOLDER / 'data' / 'cores.toml'"
    (tmp_path / "edge_bert" / "data").mkdir(parents=True)
    digests = set()
    for content in ("a = 1", "a = 2"):
        (tmp_path / "edge_bert" / "data" / "cores.toml").write_text(content)
        digests.add(written(tmp_path, a=source).digest(["edge_bert.a"]))
    assert len(digests) == 2


def test_versions_of_what_is_imported_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of packages that the code imports somewhere, and of no others."""
    modules = ["edge_bert.a"]
    tree = written(tmp_path, a="import edge_bert.b", b="def f():\n    import numpy.linalg, json")
    before = tree.digest(modules)
    monkeypatch.setattr(code_digest, "_version", {"numpy": "0.1"}.__getitem__)
    assert tree.digest(modules) != before


def test_sources_are_remembered_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process parses nothing that has not changed; a damaged memory is made again."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path))
    digest = code_digest.code_digest(cached)
    (remembered,) = (tmp_path / "code").iterdir()
    for parses in (False, True):
        code_digest._digest_modules.cache_clear()
        code_digest._open_tree.cache_clear()
        with monkeypatch.context() as patched:
            if not parses:
                patched.setattr(code_digest, "read_facts", None)
            assert code_digest.code_digest(cached) == digest
        remembered.write_bytes(b"{")


def test_a_version_outlives_changes_of_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What took long to make is made anew for other inputs and for another method only."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path))
    monkeypatch.setattr("edge_bert.store.cached.code_digest", lambda *_: str(len(calls)))
    calls: list[int] = []

    def make() -> bytes:
        calls.append(1)
        return b"weights"

    for inputs, version in (("a", 1), ("a", 1), ("b", 1), ("a", 2)):
        assert cached("trained", [inputs], make, version=version) == b"weights"
    assert len(calls) == 3
    assert cached("trained", ["a"], make, code=make) == b"weights"
    assert len(calls) == 4
    with pytest.raises(ValueError, match="either"):
        cache_key("trained", ["a"])
