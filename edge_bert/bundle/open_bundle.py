"""A bundle held open: its manifest and files are those of one build, checked before they are used.

The one way to a bundle's members, for programs that use, verify, push or measure them. A build
that takes the folder's place leaves whoever holds it with the files that it opened.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge_bert.bundle import atomic_folder
from edge_bert.bundle import manifest as manifests
from edge_bert.bundle.check_artifact import check_artifact
from edge_bert.errors import InputError
from edge_bert.formats.tflite.inspect import inspect_file
from edge_bert.records.bundle import Artifact, Manifest, PackagedFile
from edge_bert.store import open_file
from edge_bert.store.open_file import NotRegularError, OpenFile, OpenFolder
from edge_bert.store.scratch import scratch_folder

Member = Artifact | PackagedFile
TRIES = 200
PAUSE_S = 0.002  # an exchange by two renames leaves the name free for about as long
LOOKS = 3
BUILD_AGAIN = "build the bundle again"


class ReplacedError(InputError):
    """Another build took the bundle's place, and its files are gone."""


@dataclass(frozen=True)
class OpenBundle:
    """A bundle's folder with its manifest; its files are opened with it, where the system can.

    A file that is missing or no regular file is a fault of its own, told when it is asked for.
    """

    folder: Path
    manifest: Manifest
    _opened: OpenFolder
    _files: Mapping[str, OpenFile] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: str | Path) -> OpenBundle:
        """Open the bundle in `folder`.

        Raises InputError where there is none, where its manifest is damaged, or where builds take
        its place faster than it can be opened.
        """
        path = Path(folder)
        for _ in range(TRIES):
            opened = _open_folder(path)
            if opened is None:
                continue
            try:
                bundle = cls._read(path, opened)
            except InputError:
                if opened.is_current():
                    raise
                continue
            if bundle.is_whole or opened.is_current():
                return bundle
        if not path.exists():
            raise manifests.describe_absence(path)
        raise ReplacedError(f"{path} is replaced again and again; open it when builds are done.")

    @classmethod
    def _read(cls, path: Path, opened: OpenFolder) -> OpenBundle:
        manifest = manifests.read_manifest(path, opened)
        files = {}
        if open_file.HOLDS_FILES:
            for name in _members(manifest):
                try:
                    files[name] = opened.open_file(name)
                except OSError:  # told to whoever asks for it
                    continue
        return cls(path, manifest, opened, files)

    @property
    def names(self) -> tuple[str, ...]:
        """The files of the manifest."""
        return tuple(_members(self.manifest))

    @property
    def is_whole(self) -> bool:
        """Whether every file of the manifest is held open."""
        return len(self._files) == len(_members(self.manifest))

    @property
    def is_current(self) -> bool:
        """Whether no other build has taken the folder's place."""
        return self._opened.is_current()

    def holds(self, name: str) -> bool:
        """Whether the manifest has a file of this name."""
        return name in _members(self.manifest)

    def open_member(self, name: str) -> OpenFile:
        """The file `name` of the manifest, held open and found to be the one that was proven.

        Raises InputError where it is not, ReplacedError where it went with its folder.
        """
        file = self._find(name)
        with self._named(name):
            digest = file.digest()
        self._require(name, digest)
        return file

    def read_member(self, name: str) -> bytes:
        """The bytes of the file `name`, which are what was checked. Raises as `open_member`."""
        file = self._find(name)
        with self._named(name):
            data = file.read(self._member(name).size_bytes)
        self._require(name, hashlib.sha256(data).hexdigest())
        return data

    @contextmanager
    def copy_members(self, names: Iterable[str]) -> Iterator[Path]:
        """A private folder with copies of these files, for programs that open files by name.

        The copies are what was checked, and artifacts are what the manifest says of them. Raises
        as `open_member` and `check_artifact`, and InputError where the folder for temporary files
        has no room.
        """
        with scratch_folder("bundle") as scratch:
            for name in dict.fromkeys(names):
                self._require(name, self._find(name).copy_to(scratch / name))
                self._check_claims(name, scratch / name)
            yield scratch

    def _member(self, name: str) -> Member:
        if not self.holds(name):
            raise InputError(f"{self.folder / name} is not in the manifest; {BUILD_AGAIN}.")
        return _members(self.manifest)[name]

    def _find(self, name: str) -> OpenFile:
        """The regular file of this name and of the size that the manifest says."""
        with self._named(name):
            file = self._files[name] if name in self._files else self._opened.open_file(name)
            if file.status.st_size == self._member(name).size_bytes:
                return file
        raise self._blame(f"{self.folder / name} is not the file that was proven")

    def _require(self, name: str, digest: str) -> None:
        if digest != self._member(name).sha256:
            raise self._blame(f"{self.folder / name} is not the file that was proven")

    def _check_claims(self, name: str, path: Path) -> None:
        """What the manifest says of an artifact, held against the file."""
        for artifact in self.manifest.artifacts:
            if artifact.file == name:
                own = inspect_file(path)
                check_artifact(artifact, self.manifest.model, {**own.signatures, **own.stages})

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Turns what the system says of the file `name` into one line."""
        path = self.folder / name
        try:
            yield
        except FileNotFoundError as error:
            raise self._blame(f"{path} is missing") from error
        except NotRegularError as error:
            raise self._blame(f"{path} is a link or no regular file") from error
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}).") from error

    def _blame(self, fault: str) -> InputError:
        if self.is_current:
            return InputError(f"{fault}; {BUILD_AGAIN}.")
        return ReplacedError(
            f"{fault}: another build has taken the place of {self.folder}; open the bundle again."
        )


def _members(manifest: Manifest) -> dict[str, Member]:
    members: tuple[Member, ...] = (*manifest.artifacts, *manifest.files)
    return {member.file: member for member in members}


def _open_folder(path: Path) -> OpenFolder | None:
    """The folder, held open; None while an exchange leaves its name free."""
    try:
        return OpenFolder(path)
    except FileNotFoundError as error:
        if any(_may_come_back(path) for _ in range(LOOKS)):
            time.sleep(PAUSE_S)
            return None
        raise manifests.describe_absence(path) from error
    except NotADirectoryError as error:
        raise manifests.describe_absence(path) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({os.strerror(error.errno or 0)}).") from error


def _may_come_back(path: Path) -> bool:
    """Whether a folder that was not there is on its way, or there already.

    The exchange may end between two questions, and the next one begin: so it is asked again.
    """
    return atomic_folder.is_being_replaced(path) or path.is_dir()
