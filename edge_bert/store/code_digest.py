"""The digest of the code that makes a value: a module's own and that of all it imports.

Imports are found in the syntax tree, so that nothing is listed by hand. Comments, docstrings,
formatting and imports for type checkers change nothing; a file beside a module that the module
names, such as a table or a worker's script, counts as a part of it.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.base import Record
from edge_bert.store.cache import cache_folder
from edge_bert.store.content_store import read_entry, write_entry
from edge_bert.store.digest import sha256_hex

PACKAGE = "edge_bert"
PACKAGES_FOLDER = Path(__file__).resolve().parents[2]
FILE_NAME = re.compile(r"[A-Za-z0-9_-]+\.[a-z0-9]{1,6}")
DATA_FOLDERS = (".", "data")  # where a module's own files lie, from its folder
MOST_REMEMBERED = 4000  # sources; the package has a tenth of that


class SourceFacts(Record, frozen=True):
    """What a source file says: its normalized digest, the names it imports, the files it names."""

    digest: str
    imports: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True)
class CodeTree:
    """The modules of the package in a folder, and the facts of their sources by content."""

    folder: Path = PACKAGES_FOLDER
    facts: dict[str, SourceFacts] = field(default_factory=dict)

    def digest(self, modules: Iterable[str]) -> str:
        """SHA-256 over these modules and everything that they import, with packages' versions."""
        paths = self._closure(modules)
        packages = {name for path in paths for name in self._external_imports(path)}
        lines = [f"{path.relative_to(self.folder)} {self._digest(path)}" for path in sorted(paths)]
        lines += [f"{name} {_version(name)}" for name in sorted(packages)]
        return sha256_hex("\n".join(lines).encode())

    def modules(self, modules: Iterable[str]) -> set[str]:
        """The files, from the folder, that the digest of these modules is taken over."""
        return {path.relative_to(self.folder).as_posix() for path in self._closure(modules)}

    def _closure(self, modules: Iterable[str]) -> set[Path]:
        waiting = [path for module in modules for path in self._files_of(module)]
        closure: set[Path] = set()
        while waiting:
            path = waiting.pop()
            if path not in closure:
                closure.add(path)
                waiting += self._next_files(path)
        return closure

    @functools.cached_property
    def _imports(self) -> dict[Path, tuple[Path, ...]]:
        return {}

    def _next_files(self, path: Path) -> tuple[Path, ...]:
        if path not in self._imports:
            self._imports[path] = tuple(self._imported_files(path))
        return self._imports[path]

    def _imported_files(self, path: Path) -> Iterator[Path]:
        if path.suffix != ".py":
            return
        facts = self._facts(path)
        for name in facts.imports:
            yield from self._files_of(name)
        for name in facts.files:
            candidates = (path.parent / folder / name for folder in DATA_FOLDERS)
            yield from (path.resolve() for path in candidates if path.is_file())

    def _files_of(self, name: str) -> Iterator[Path]:
        """The file of the module `name`, or of the module that it is a member of, with those of
        the packages around it; the outermost one only where a name is imported from it."""
        names = name.split(".")
        if names[0] != PACKAGE:
            return
        path = self.folder.joinpath(*names)
        if path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")
        elif (path / "__init__.py").is_file():
            yield path / "__init__.py"
        elif len(names) > 1:
            yield from self._files_of(".".join(names[:-1]))
            return
        packages = (self.folder.joinpath(*names[:depth]) for depth in range(2, len(names)))
        files = (package / "__init__.py" for package in packages)
        yield from (file for file in files if file.is_file())

    def _external_imports(self, path: Path) -> set[str]:
        if path.suffix != ".py":
            return set()
        names = {name.split(".")[0] for name in self._facts(path).imports}
        return names - {PACKAGE} - sys.stdlib_module_names

    def _digest(self, path: Path) -> str:
        data = self._read(path)
        return self._facts(path).digest if path.suffix == ".py" else sha256_hex(data)

    def _facts(self, path: Path) -> SourceFacts:
        data = self._read(path)
        key = sha256_hex(data)
        if key not in self.facts:
            self.facts[key] = read_facts(data)
        return self.facts[key]

    @functools.cached_property
    def _sources(self) -> dict[Path, bytes]:
        return {}

    def _read(self, path: Path) -> bytes:
        if path not in self._sources:
            self._sources[path] = path.read_bytes()
        return self._sources[path]


@functools.lru_cache(maxsize=MOST_REMEMBERED)
def read_facts(source: bytes) -> SourceFacts:
    """The facts of a source file, which a process reads once, in whatever cache it keeps them."""
    tree = _Normalizer().visit(ast.parse(source))
    nodes = list(ast.walk(tree))
    texts = {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return SourceFacts(
        digest=sha256_hex(ast.dump(tree).encode()),
        imports=tuple(sorted({name for node in nodes for name in _imported_names(node)})),
        files=tuple(sorted(text for text in texts if FILE_NAME.fullmatch(text))),
    )


def _imported_names(node: ast.AST) -> Iterator[str]:
    """Dotted names; whether the last part is a module or a member of one is not known here."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


class _Normalizer(ast.NodeTransformer):
    """Takes out what does not run: docstrings, and what only type checkers import."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> Any:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return [self.visit(statement) for statement in node.orelse]
        return self.generic_visit(node)


@functools.cache
def _version(package: str) -> str:
    """The version of the package that is imported as `package`, whose name is alike."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def code_digest(*functions: Callable[..., Any]) -> str:
    """The digest of the modules of these functions and of all that they import.

    The facts of sources are remembered in the cache folder, by what reads them and by content.
    """
    reader = sha256_hex(Path(__file__).read_bytes() + sys.version.encode())
    modules = tuple(function.__module__ for function in functions)
    return _digest_modules(cache_folder("code") / reader[:32], modules)


@functools.cache
def _digest_modules(remembered: Path, modules: tuple[str, ...]) -> str:
    tree = _open_tree(remembered)
    count = len(tree.facts)
    digest = tree.digest(modules)
    if len(tree.facts) > count:
        with contextlib.suppress(OSError):  # it is read again the next time
            write_entry(remembered, msgspec.json.encode(tree.facts))
    return digest


@functools.cache
def _open_tree(remembered: Path) -> CodeTree:
    try:
        stored = read_entry(remembered) or b"{}"
        facts = msgspec.json.decode(stored, type=dict[str, SourceFacts])
    except (InputError, msgspec.MsgspecError):
        return CodeTree()
    return CodeTree(facts=facts if len(facts) < MOST_REMEMBERED else {})
