"""Bundles for a profile given as the path of its file, or with limits of the user's own."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_bert import profiles
from edge_bert.bundle import manifest as manifests
from edge_bert.devices.adb import list_devices
from edge_bert.devices.emulator import emulated_phone
from edge_bert.devices.emulator.emulated_phone import EmulatedPhone
from edge_bert.errors import InputError, ProfileError
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.build import bundle_files
from edge_bert.pipeline.build.build import BuiltBundle
from edge_bert.pipeline.build.findings import measurements
from edge_bert.pipeline.devices import emulator
from edge_bert.pipeline.matrix import matrix
from edge_bert.pipeline.sizing.fit_to_budget import fit_to_budget
from edge_bert.pipeline.verify import VerifyOptions, verify_bundle
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny
from tests.test_profiles import PHONE


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile called `phone` in a file of another name."""
    path = tmp_path_factory.mktemp("profiles") / "mine.toml"
    path.write_text(PHONE, "utf-8")
    return path


@pytest.fixture(scope="module")
def built(file: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    """Its bundle."""
    with tiny.own_cache("profile-file"):
        out = tmp_path_factory.mktemp("out")
        recipes = ("float32", "wi8_afp32")
        return fit_to_budget(tiny.sizing_options(str(file), recipes=recipes, out=out))


def test_the_bundle_has_the_profiles_name_and_the_profile(file: Path, built: BuiltBundle) -> None:
    """Its report is the same when it is written anew, though no name leads to the profile."""
    manifest = manifests.read_manifest(built.folder)
    assert built.folder.name == manifest.profile == "phone"
    assert bundle_files.PROFILE_FILE in {each.file for each in manifest.files}
    again = measurements.report_of(built.folder)
    assert again.profile == built.report.profile == profiles.load_profile(str(file))
    page = (built.folder / "report.html").read_bytes()
    measurements.rerender_report(built.folder)
    assert b"at most 24.50 MB" in page
    assert b"at most 24.50 MB" in (built.folder / "report.html").read_bytes()


def test_the_other_tasks_find_the_bundle(file: Path, built: BuiltBundle) -> None:
    """It is verified on the runtime that its profile names, and measured."""
    assert verify_bundle(VerifyOptions(profile=built.folder.name, out=built.folder.parent)).passed
    options = BenchOptions(
        profile=str(file),
        target="host",
        out=built.folder.parent,
        artifacts=("wi8_afp32",),
        repetitions=2,
    )
    assert options.folder == built.folder
    (result,) = run_bench(options)
    assert result.measurement.subject.artifact == "wi8_afp32"


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, None])
def test_a_changed_profile_is_refused(
    content: bytes | None, built: BuiltBundle, tmp_path: Path
) -> None:
    """One line, as for any file of a bundle that is not the one that was built."""
    bundle = tiny.copy_of(built, tmp_path)
    if content is None:
        (bundle / bundle_files.PROFILE_FILE).unlink()
    else:
        (bundle / bundle_files.PROFILE_FILE).write_bytes(content)
    with refused(InputError, r"profile.json is (missing|not the file that was proven)"):
        measurements.report_of(bundle)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b"[" * 200_000, b"[" * 9000, b'{"name": "../x"}', b"null"]
)
def test_a_hostile_profile_of_a_bundle_is_refused(content: bytes) -> None:
    """Also where whoever wrote it wrote the manifest too."""
    with refused(ProfileError, "profile.json"):
        profiles.parse_profile_json("profile.json", content)


def test_limits_of_the_users_own_are_the_reports(tmp_path: Path) -> None:
    """A whole model that meets them is held against them, not against the profile's."""
    options = tiny.sizing_options("wear-watch", max_size=200_000, min_score=0.5, out=tmp_path)
    with tiny.own_cache("profile-file"):
        built = fit_to_budget(options)
    wanted = profiles.load_profile("wear-watch").budget
    wanted = msgspec.structs.replace(wanted, size_bytes=200_000, min_score=0.5)
    assert built.report.profile.budget == wanted
    assert measurements.report_of(built.folder).profile.budget == wanted


def test_a_named_profile_is_not_written_down(tmp_path: Path) -> None:
    """Its name leads to it, and to what is corrected in it later."""
    built = tiny.build_in(tmp_path, recipes=["float32"], lengths=[16])
    assert not (built.folder / bundle_files.PROFILE_FILE).exists()


def test_a_matrix_takes_paths(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside names, each device once; a cell is filed under the name in the file."""
    monkeypatch.chdir(file.parent)
    names = matrix.find_profiles([file.name, str(file), "pixel", "./mine.toml"])
    assert names == (str(file), "pixel-9")
    with tiny.own_cache("profile-file"):
        options = tiny.sizing_options(recipes=("wi8_afp32",), out=tmp_path)
        (cell,) = matrix.build_matrix(
            matrix.request_matrix(options, names[:1], [options.model])
        ).cells
    assert (cell.profile, cell.status) == ("phone", "built")
    assert cell.built is not None
    assert cell.built.folder.endswith("/phone")
    assert matrix.cell_is_current(tmp_path, cell)
    other = tmp_path / "other.toml"
    other.write_text(PHONE.replace("1800", "1900"), "utf-8")
    with refused(InputError, "Two of --profiles are called phone"):
        matrix.find_profiles([str(file), str(other)])


def test_an_emulated_phone_is_stopped_by_either_name(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's path, and the name in it, which `invoke emulator start` told."""
    stopped: list[str] = []
    monkeypatch.setattr(
        emulated_phone, "list_phones", lambda: (EmulatedPhone("phone", 5555, 1, 1),)
    )
    monkeypatch.setattr(emulated_phone, "stop_phone", lambda name: stopped.append(name) or True)
    monkeypatch.setattr(list_devices, "disconnect_device", lambda _: None)
    for name in (str(file), "phone"):
        assert emulator.stop_emulators(name) == ("phone",)
    assert stopped == ["phone", "phone"]
    with refused(ProfileError, "No profile is called"):
        emulator.stop_emulators("phony-one")
