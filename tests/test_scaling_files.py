"""Factors of measured phones beside the user's profiles: found, kept, and refused when damaged."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_bert import profiles
from edge_bert.errors import InputError, ProfileError
from edge_bert.records.profile import DeviceProfile
from edge_bert.scaling_files import scaling_folder, write_scaling
from tests.estimate.test_fit_scaling import scaling


def scaled(name: str = "pixel-9") -> DeviceProfile:
    profile = profiles.load_unscaled_profile(name)
    first = profile.clusters[0]
    with_factors = msgspec.structs.replace(first, scaling=scaling(first, 1.25, 0.8, None))
    return msgspec.structs.replace(profile, clusters=(with_factors, *profile.clusters[1:]))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_BERT_PROFILES", str(tmp_path))
    return tmp_path


def test_a_profile_of_ours_has_the_users_factors(own: Path) -> None:
    """Also by its alias; the list of profiles does not take their file for one."""
    path = write_scaling(scaled(), own)
    assert path == own / "pixel-9.scaling.toml"
    assert profiles.load_profile("pixel-9") == profiles.load_profile("pixel") == scaled()
    assert profiles.load_unscaled_profile("pixel-9").clusters[0].scaling is None
    assert "pixel-9.scaling" not in profiles.profile_names()


def test_without_a_folder_of_ones_own_they_are_user_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They took a phone and minutes to make, so no cache has them."""
    monkeypatch.delenv("EDGE_BERT_PROFILES", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    write_scaling(scaled(), scaling_folder())
    assert tmp_path in scaling_folder().parents
    assert profiles.load_profile("pixel-9") == scaled()


def test_a_profile_by_its_path_has_those_beside_it(tmp_path: Path) -> None:
    """And a copy of ours is still ours."""
    file = tmp_path / "copy.toml"
    file.write_bytes((profiles.PROFILE_FOLDER / "pixel-9.toml").read_bytes())
    assert profiles.load_profile(str(file)) == profiles.load_unscaled_profile("pixel-9")
    write_scaling(scaled(), tmp_path)
    assert profiles.load_profile(str(file)) == scaled()


def test_published_devices_have_none(own: Path) -> None:
    """What `invoke validate` holds against published times stays the model alone."""
    write_scaling(scaled(), own)
    folder = profiles.PROFILE_FOLDER
    assert profiles.load_profile("pixel-9", folder).clusters[0].scaling is None


DAMAGE = {
    "not TOML": ("scaling_of", "scaling_of[", "not valid TOML"),
    "another profile": ('"pixel-9"', '"pixel-8"', "is of the profile pixel-8"),
    "another core": ("cortex-x4", "cortex-x3", "has factors of cortex-x3 at 3105 MHz"),
    "another clock": ("3105", "3106", "cortex-x4 at 3106 MHz"),
    "huge factor": ("compute = 1.25", "compute = 1e9", "is damaged"),
    "no number": ("compute = 1.25", "compute = nan", "is damaged"),
    "unknown key": ("compute =", "computes =", "is damaged"),
    "serial": ("phone-1234abcd", "0A171JECB", "is damaged"),
    "escape": ('"Android 15"', '"\\u001b[31m"', "is damaged"),
    "few files": ("files = 8", "files = 2", "is damaged"),
    "long": ("# Written", "#" + "x" * 2600 + "\n# Written", "more than 2500 bytes"),
    "large": ("# Written", "# x\n" * 9000 + "# Written", "larger than"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_factors_are_refused_in_one_line(own: Path, damage: str) -> None:
    """A file of factors is hostile until checked; nothing is scaled by half of one."""
    path = write_scaling(scaled(), own)
    before, after, said = DAMAGE[damage]
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(ProfileError) as caught:
        profiles.load_profile("pixel-9")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Without a trace of the attempt."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_scaling(scaled(), tmp_path / "file")
