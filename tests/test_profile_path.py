"""Profiles given as the path of their file: checked like all others, filed under their name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_bert import profiles
from edge_bert.cli.options import bundle_folder
from edge_bert.errors import ProfileError
from tests.one_line import refused
from tests.test_profiles import HOSTILE, PHONE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A sound profile called `phone`, in a file of another name."""
    path = tmp_path / "mine.toml"
    path.write_text(PHONE, "utf-8")
    return path


def test_a_path_gives_the_profile_in_the_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, relative, or a bare file name; with any ending where there is a separator."""
    (tmp_path / "plain").write_text(PHONE, "utf-8")
    monkeypatch.chdir(tmp_path)
    profile = profiles.load_profile(str(file))
    assert (profile.name, profile.title) == ("phone", "A phone")
    for path in ("mine.toml", "./mine.toml", "./plain", f"../{tmp_path.name}/plain"):
        assert profiles.load_profile(path) == profile
    with refused(ProfileError, "No profile is called"):
        profiles.load_profile("plain")


def test_bundles_are_filed_under_the_name_in_the_file(file: Path) -> None:
    """A name, an alias too, stays as it was given."""
    assert profiles.bundle_name(str(file)) == "phone"
    assert profiles.bundle_name("pixel") == "pixel"
    assert bundle_folder("out", str(file)) == Path("out") / "phone"


def test_a_copy_with_the_name_of_ours_is_refused(tmp_path: Path) -> None:
    """Its bundles would take the place of those of the other; the very same content may."""
    ours = profiles.PROFILE_FOLDER / "pixel-9.toml"
    assert profiles.load_profile(str(ours)) == profiles.load_profile("pixel-9")
    copy = tmp_path / "tight.toml"
    copy.write_bytes(ours.read_bytes())
    assert profiles.load_profile(str(copy)) == profiles.load_profile("pixel-9")
    copy.write_text(ours.read_text("utf-8").replace("latency_ms = 16", "latency_ms = 8"), "utf-8")
    with refused(ProfileError, "tight.toml' has the name of another profile, pixel-9"):
        profiles.load_profile(str(copy))


@pytest.mark.parametrize(
    ("alias", "match"),
    [
        ('alias_of = "../phone"', "No profile is called"),
        ('alias_of = "./mine.toml"', "No profile is called"),
        ('alias_of = "pixel"', "not to an alias"),
        ("alias_of = 3", "nothing else"),
    ],
)
def test_an_alias_in_a_file_leads_to_no_other_file(alias: str, match: str, file: Path) -> None:
    """It points to a profile by its name, as every alias does."""
    file.write_text('alias_of = "pixel-9"', "utf-8")
    assert profiles.load_profile(str(file)) == profiles.load_profile("pixel-9")
    file.write_text(alias, "utf-8")
    with refused(ProfileError, match):
        profiles.load_profile(str(file))


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused(content: bytes, file: Path) -> None:
    """One line that names it."""
    file.write_bytes(content)
    with refused(ProfileError, "mine.toml"):
        profiles.load_profile(str(file))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('name = "phone"', 'name = "../../phone"'),
        ('name = "phone"', 'name = "a/b"'),
        ('name = "phone"', 'name = ".."'),
        ('runtime = "ai-edge-litert 2.3.0"', 'runtime = "onnxruntime 1.2.3"'),
        ('["wi8_afp32", "float32"]', '["wi8"]'),
        ("cores = 4", "cores = 65"),
    ],
)
def test_no_value_is_taken_that_would_be_refused_elsewhere(
    line: str, wrong: str, file: Path
) -> None:
    """No name leads out of the folder of bundles."""
    file.write_text(PHONE.replace(line, wrong, 1), "utf-8")
    with refused(ProfileError, "mine.toml"):
        profiles.load_profile(str(file))


@pytest.mark.parametrize(
    "path",
    [
        *("none.toml", "./none", "/", "..", "/dev/zero", "/dev/stdin", "a\0/b", "\x1b[2J/x.toml"),
        *("x" * 300 + ".toml", "./" + "y" * 10_000, "/proc/self/mem", "pixel-9.toml", "pixel-9/"),
    ],
)
def test_what_is_no_file_is_refused(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders, devices, and names that no file can have."""
    monkeypatch.chdir(tmp_path)
    with refused(ProfileError, r"is no file|cannot be read|No profile is called '\.\.'"):
        profiles.load_profile(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """No one writes into it."""
    os.mkfifo(tmp_path / "pipe.toml")
    with refused(ProfileError, "is no file"):
        profiles.load_profile(str(tmp_path / "pipe.toml"))
