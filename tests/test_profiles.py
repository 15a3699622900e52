"""Device profiles: the ones that we ship are sound, and hostile ones are one line."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_bert import profiles, toml_text
from edge_bert.errors import ProfileError
from edge_bert.records.profile import DeviceProfile
from tests import one_line
from tests.one_line import refused

SHIPPED = profiles.profile_names(profiles.PROFILE_FOLDER)
REGENERATE = (
    'python -c "from edge_bert import profiles as p; '
    'p.SCHEMA_FILE.write_bytes(p.profile_schema_bytes())"'
)
PHONE = """
name = "phone"
title = "A phone"
soc = "A chip"
runtime = "ai-edge-litert 2.3.0"
default_recipes = ["wi8_afp32", "float32"]
default_reason = "it is small"

[[clusters]]
core = "cortex-a55"
cores = 4
max_mhz = 1800
source = "its manual"

[memory]
dram_gb_per_s = 12.8
source = "its manual"

[budget]
size_bytes = 24_500_000
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One sound profile, `phone`."""
    (tmp_path / "phone.toml").write_text(PHONE)
    return tmp_path


def _written(folder: Path, text: str, name: str = "phone") -> Path:
    (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.mark.parametrize("name", SHIPPED)
def test_every_profile_that_we_ship_is_sound(name: str) -> None:
    """Names, runtimes, recipes and sources are all there."""
    profile = profiles.load_profile(name)
    assert profile.parsed_runtime().version.count(".") == 2
    assert all(cluster.source for cluster in profile.clusters)
    assert profile.title
    assert profile.default_reason


@pytest.mark.parametrize("name", SHIPPED)
def test_every_profile_that_we_ship_is_whole(name: str) -> None:
    """Memory is known, all five limits are set, and a reason says that they are ours."""
    profile = profiles.load_profile(name)
    assert profile.memory is not None
    assert profile.memory.ram_bytes
    assert profile.memory.dram_gb_per_s
    budget = profile.budget
    limits = (budget.size_bytes, budget.latency_ms, budget.energy_mj, budget.peak_ram_bytes)
    assert None not in (*limits, budget.min_score)
    assert (budget.reason or "").startswith("ours, ")
    assert all(cluster.features for cluster in profile.clusters)


def test_the_devices_that_we_promise_are_there() -> None:
    """Eight Pixels, other flagships, low-end phones, a watch and two boards."""
    promised = {f"pixel-{number}" for number in ("3a", 4, 5, 6, 7, 8, 9, 10)}
    promised |= {"galaxy-s25", "xiaomi-15t-pro", "galaxy-a56"}  # of 2025
    promised |= {"galaxy-s21", "galaxy-s24", "oneplus-12", "redmi-note-11", "redmi-4x"}
    promised |= {"android-low-end", "wear-watch", "raspberry-pi-4", "raspberry-pi-5", "pixel"}
    assert promised <= set(SHIPPED)


def test_budgets_differ_where_devices_do() -> None:
    """A flagship, old phones, a cheap one, a watch and a board want other models."""
    names = ("pixel-9", "pixel-3a", "android-low-end", "redmi-4x", "wear-watch", "raspberry-pi-4")
    budgets = [profiles.load_profile(name).budget for name in names]
    assert len({(each.latency_ms, each.latency_length) for each in budgets}) == len(names)
    assert len({each.size_bytes for each in budgets}) >= 4
    watch = profiles.load_profile("wear-watch").budget
    assert watch.size_bytes is not None
    assert 6_000_000 <= watch.size_bytes <= 12_000_000


def test_pixel_stays_the_pixel_of_the_figures() -> None:
    """`pixel` is what examples and figures were made with: no newer phone changes its bundles."""
    assert profiles.load_profile("pixel").name == "pixel-9"
    assert profiles.load_profile("pixel-10").soc == "Google Tensor G5"


def test_a_profile_is_read_whole(folder: Path) -> None:
    """What is absent has its default, and an absent budget has no limit."""
    profile = profiles.load_profile("phone", folder)
    assert (profile.clusters[0].core, profile.clusters[0].features) == ("cortex-a55", ())
    assert (profile.budget.size_bytes, profile.budget.latency_ms) == (24_500_000, None)
    assert (profile.parsed_runtime().name, profile.abi) == ("ai-edge-litert", "arm64-v8a")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("pixl", "pixel"),
        ("Pixel", "pixel"),
        ("raspberry-pi", "raspberry-pi-4"),
        ("pixel3a", "pixel-3a"),
        ("android", "android-low-end"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(asked: str, hint: str) -> None:
    """A slip of the finger finds its profile."""
    with refused(ProfileError, rf"'{asked}'. Did you mean .*{hint}"):
        profiles.load_profile(asked)


@pytest.mark.parametrize(
    "asked",
    [
        *("", "qqqqqqqq", "../../etc/passwd", "/etc/passwd", "pixel.toml\n", "pixel\0", "*", "."),
        *("x" * 10_000, "\x1b[2J", "pixel/../pixel", "ü" * 300),
    ],
)
def test_a_name_that_is_none_is_refused(asked: str, folder: Path) -> None:
    """No name leads to a file outside the folder of profiles."""
    with refused(ProfileError, "No profile is called"):
        profiles.load_profile(asked, folder)


@pytest.mark.parametrize(
    ("line", "wrong", "hint"),
    [
        ('soc = "A chip"', 'sco = "A chip"', "did you mean `soc`"),
        ("size_bytes = 24_500_000", "size_byte = 24_500_000", "did you mean `size_bytes`"),
        ("max_mhz = 1800", "max_mgz = 1800", "did you mean `max_mhz`"),
        ("dram_gb_per_s = 12.8", "dram_gbps = 12.8", "did you mean `dram_gb_per_s`"),
        ('title = "A phone"', 'title = "A phone"\ncolour = "red"', "colour"),
    ],
)
def test_a_mistyped_key_is_answered_with_the_right_one(
    line: str, wrong: str, hint: str, folder: Path
) -> None:
    """At every depth of the file; the error names the file, the key and the nearest key."""
    with refused(ProfileError, rf"phone.toml: .*{hint}"):
        profiles.load_profile("phone", _written(folder, PHONE.replace(line, wrong)))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("cores = 4", 'cores = "4"'),
        ("cores = 4", "cores = 0"),
        ("cores = 4", "cores = -1"),
        ("cores = 4", "cores = 4.5"),
        ("max_mhz = 1800", "max_mhz = true"),
        ("size_bytes = 24_500_000", "size_bytes = nan"),
        ("size_bytes = 24_500_000", "latency_ms = -1.0"),
        ("size_bytes = 24_500_000", "min_score = 80"),
        ("dram_gb_per_s = 12.8", "dram_gb_per_s = []"),
        ('core = "cortex-a55"', 'core = "Cortex A55; rm -rf /"'),
        ('core = "cortex-a55"', 'core = "cortex-a55\\n"'),
        ("cores = 4", "cores = 65"),
        ("cores = 4", "cores = 1000000000"),
        ("max_mhz = 1800", "max_mhz = 18000"),
        ("max_mhz = 1800", 'max_mhz = 1800\nfeatures = ["dotprd"]'),
        ("dram_gb_per_s = 12.8", "ram_bytes = 99999999999999999999"),
        ('title = "A phone"', 'title = ""'),
        ('title = "A phone"', 'title = "A\\u001b[2Jphone"'),
        ('soc = "A chip"', 'soc = "A\\nchip"'),
        ('soc = "A chip"', 'soc = "A chip"\nabi = "armeabi-v7a"'),
        ('soc = "A chip"', 'soc = "A chip"\naccelerators = [{name = "an NPU"}]'),
        ('name = "phone"', "name = 3"),
        ('name = "phone"', 'name = "other"'),
        ('name = "phone"', ""),
        ('source = "its manual"\n\n[memory]', "\n[memory]"),
        ('runtime = "ai-edge-litert 2.3.0"', 'runtime = "ai-edge-litert"'),
        ('runtime = "ai-edge-litert 2.3.0"', 'runtime = "onnxruntime 1.2.3"'),
        ('runtime = "ai-edge-litert 2.3.0"', 'runtime = "tflite-runtime 2.14.0; ls"'),
        ('runtime = "ai-edge-litert 2.3.0"', 'runtime = "tflite-runtime 2.14.0\\n"'),
        ('["wi8_afp32", "float32"]', '["wi8"]'),
        ('["wi8_afp32", "float32"]', "[]"),
        ('["wi8_afp32", "float32"]', '"float32"'),
        ("[[clusters]]", "[clusters]"),
    ],
)
def test_a_value_that_is_none_is_refused(line: str, wrong: str, folder: Path) -> None:
    """Wrong types, impossible sizes, and words that are none of ours."""
    assert line in PHONE
    with refused(ProfileError, "phone.toml"):
        profiles.load_profile("phone", _written(folder, PHONE.replace(line, wrong, 1)))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("key", ["latency_ms", "energy_mj", "min_score"])
def test_a_budget_that_is_no_number_is_refused(key: str, value: str, folder: Path) -> None:
    """nan compares with nothing and inf is no limit: both would switch a budget off unseen."""
    with refused(ProfileError, "phone.toml"):
        profiles.load_profile("phone", _written(folder, f"{PHONE}{key} = {value}\n"))


def test_a_profile_without_cores_is_refused(folder: Path) -> None:
    """There is nothing to run on."""
    start, end = PHONE.index("[[clusters]]"), PHONE.index("[memory]")
    with refused(ProfileError, "phone.toml"):
        profiles.load_profile(
            "phone", _written(folder, "clusters = []\n" + PHONE[:start] + PHONE[end:])
        )


HOSTILE = {
    "nothing": b"",
    "no TOML": b"name: phone",
    "not UTF-8": b'name = "\xff"',
    "UTF-16": 'name = "phone"'.encode("utf-16"),
    "a NUL": b'name = "ph\0one"',
    "a key twice": b'name = "phone"\nname = "phone"',
    "deep": b"a = " + b"[" * 20_000,
    "deep tables": b"a = " + b"{b = " * 20_000,
    "a long key": b"k" * 100_000 + b" = 1",
    "a key of control characters": b'"\\u001b[2J\\n" = 1',
    "a date": b"name = 1979-05-27",
    "a huge number": b"name = " + b"9" * 10_000,
    "cut": PHONE.encode()[:150],
    "too large": b"#\n" * toml_text.MAX_BYTES,
    "a long line": b"#" * (toml_text.MAX_LINE_BYTES + 1),
    "a dotted key that would take minutes": b"a." * 15_000 + b"a = 1",
    "dotted keys of allowed lines": b"\n".join(b"a." * 1200 + b"b%d = 1" % n for n in range(13)),
    "brackets on lines": b"a = " + b"[\n" * 15_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused(content: bytes, folder: Path) -> None:
    """Whatever the file holds, the error is one line that names it."""
    (folder / "phone.toml").write_bytes(content)
    with refused(ProfileError, "phone.toml"):
        profiles.load_profile("phone", folder)


def test_an_alias_gives_the_profile_it_points_to(folder: Path) -> None:
    """Under the profile's own name."""
    _written(folder, 'alias_of = "phone"', "newest")
    assert profiles.load_profile("newest", folder) == profiles.load_profile("phone", folder)
    assert profiles.profile_names(folder) == ["newest", "phone"]


@pytest.mark.parametrize(
    ("alias", "match"),
    [
        ('alias_of = "phone"\ntitle = "x"', "nothing else"),
        ("alias_of = 3", "nothing else"),
        ('alias_of = ["phone"]', "nothing else"),
        ('alias_of = "phon"', "Did you mean phone"),
        ('alias_of = "../phone"', "No profile is called"),
        ('alias_of = "newest"', "not to an alias"),
        ('alias_of = "other"', "not to an alias"),
    ],
)
def test_an_alias_that_leads_nowhere_is_refused(alias: str, match: str, folder: Path) -> None:
    """One step, to a profile; never in a circle."""
    _written(folder, 'alias_of = "newest"', "other")
    _written(folder, alias, "newest")
    with refused(ProfileError, match):
        profiles.load_profile("newest", folder)


def test_a_folder_or_pipe_named_as_a_profile_is_refused(folder: Path) -> None:
    """Only files are profiles."""
    (folder / "odd.toml").mkdir()
    with refused(ProfileError, "odd"):
        profiles.load_profile("odd", folder)


def test_an_empty_folder_of_profiles_is_one_line(tmp_path: Path) -> None:
    """Also one that does not exist."""
    for folder in (tmp_path, tmp_path / "none"):
        assert profiles.profile_names(folder) == []
        with refused(ProfileError, "No profile is called 'pixel'"):
            profiles.load_profile("pixel", folder)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_profile_follows_the_schema(name: str) -> None:
    """Aliases too; and each file says where its schema is, for editors."""
    path = profiles.PROFILE_FOLDER / f"{name}.toml"
    schema = json.loads(profiles.SCHEMA_FILE.read_bytes())
    text = path.read_text(encoding="utf-8")
    jsonschema.Draft202012Validator(schema).validate(tomllib.loads(text))
    assert text.startswith(f"#:schema ./{profiles.SCHEMA_FILE.name}\n")


def test_the_schema_file_is_the_records() -> None:
    """It is generated; a change of the records without a new file fails here."""
    assert profiles.SCHEMA_FILE.read_bytes() == profiles.profile_schema_bytes(), REGENERATE
    jsonschema.Draft202012Validator.check_schema(profiles.profile_schema())


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("cores = 4", "cores = 0"),
        ("max_mhz = 1800", "max_mgz = 1800"),
        ("size_bytes = 24_500_000", "min_score = 80"),
        ('name = "phone"', 'name = "A Phone"'),
        ('["wi8_afp32", "float32"]', "[]"),
        ('runtime = "ai-edge-litert 2.3.0"', 'runtime = "onnxruntime 1.2.3"'),
        ('name = "phone"', 'alias_of = "phone"'),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(line: str, wrong: str) -> None:
    """An editor marks the mistake before edge-bert does."""
    validator = jsonschema.Draft202012Validator(profiles.profile_schema())
    assert validator.is_valid(tomllib.loads(PHONE))
    assert not validator.is_valid(tomllib.loads(PHONE.replace(line, wrong, 1)))


def test_a_folder_of_ones_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EDGE_BERT_PROFILES adds profiles; a name that is there twice is refused, not chosen."""
    with refused(ProfileError, "No profile is called 'phone'"):
        profiles.load_profile("phone")
    monkeypatch.setenv(profiles.OWN_FOLDER, str(folder))
    assert {"phone", "pixel-9"} <= set(profiles.profile_names())
    assert profiles.load_profile("phone").title == "A phone"
    _written(folder, 'alias_of = "pixel-9"', "mine")
    assert profiles.load_profile("mine").name == "pixel-9"
    _written(folder, PHONE.replace('"phone"', '"pixel-9"'), "pixel-9")
    with refused(ProfileError, "pixel-9 is in device_profiles and in EDGE_BERT_PROFILES"):
        profiles.load_profile("pixel-9")


@pytest.mark.parametrize("own", ["/nowhere/at/all", "a\x1b[2J\nb"])
def test_a_folder_of_ones_own_that_is_none(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip in the variable is said, not ignored."""
    monkeypatch.setenv(profiles.OWN_FOLDER, own)
    with refused(ProfileError, "which is no folder"):
        profiles.load_profile("pixel-9")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file; run as another user")
def test_a_file_that_may_not_be_read(folder: Path) -> None:
    """The error is one line that names it."""
    (folder / "phone.toml").chmod(0)
    with refused(ProfileError, "phone.toml cannot be read"):
        profiles.load_profile("phone", folder)


LINES = PHONE.strip().splitlines()
TOML_VALUES = st.sampled_from(
    [
        *("1", "-1", "0", "1.5", "nan", "inf", "true", '""', '"x"', "[]", "[1]", "{}", "{a = 1}"),
        *("1979-05-27", '"\\u0000"', "'''\n'''", "9999999999999999999999"),
    ]
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=st.integers(0, len(LINES) - 1), value=TOML_VALUES, drop=st.booleans())
def test_any_value_in_a_sound_profile_is_read_or_refused(
    folder: Path, line: int, value: str, drop: bool
) -> None:
    """Each line in turn is lost or gets another value."""
    lines = LINES.copy()
    lines[line] = "" if drop else f"{lines[line].partition(' = ')[0]} = {value}"
    _read_or_refused(_written(folder, "\n".join(lines)))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
def test_noise_is_refused(folder: Path, content: bytes) -> None:
    """No bytes make it fail in another way."""
    (folder / "phone.toml").write_bytes(content)
    _read_or_refused(folder)


@given(name=st.text(max_size=50))
def test_any_name_is_found_or_refused(name: str) -> None:
    """A user may type anything."""
    if name in profiles.profile_names():
        assert isinstance(profiles.load_profile(name), DeviceProfile)
    else:
        path = profiles.is_profile_path(name)
        with refused(ProfileError, "is no file" if path else "No profile is called"):
            profiles.load_profile(name)


def _read_or_refused(folder: Path) -> None:
    try:
        profile = profiles.load_profile("phone", folder)
    except ProfileError as error:
        one_line.check(error, ProfileError)
    else:
        assert profile.name == "phone"
        assert profile.clusters
