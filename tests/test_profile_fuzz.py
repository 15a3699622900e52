"""A thousand damaged and hostile profile files: each is read or refused in one line, in seconds."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from edge_bert import profiles
from edge_bert.devices.emulator import cpu_files
from edge_bert.errors import ProfileError
from edge_bert.records.profile import DeviceProfile
from tests import one_line

FILES = 1000
SEED = 20261121
# Only against a hang; a thousand files take a second or two.
PATIENCE_S = 300
REAL = {path.stem: path.read_bytes() for path in sorted(profiles.PROFILE_FOLDER.glob("*.toml"))}
VALUES = (
    *(b"inf", b"-inf", b"nan", b"0", b"-1", b"true", b"1e309", b"9" * 400, b"0x" + b"f" * 400),
    *(b"[]", b"{}", b"[[]]", b"{a = {}}", b'""', b'"\\u0000"', b'"\\ud800"', b"'''x'''"),
    *(b"1979-05-27", b"07:32:00", b'"../../etc/passwd"', b'"\\u202e\\u2066"', b'"$(reboot)"'),
    *(b'["a", 1]', b"[1, 2", b'"open', b"\xff\xfe", b"\x00", '"ünïcödé 𝔘"'.encode()),
)
Damage = Callable[[bytes, random.Random], bytes]


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Some bits are wrong."""
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 20)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def truncated(data: bytes, chance: random.Random) -> bytes:
    """The end is missing."""
    return data[: chance.randrange(len(data))]


def another_value(data: bytes, chance: random.Random) -> bytes:
    """A line has a value of another kind."""
    lines = data.split(b"\n")
    chosen = chance.choice([n for n, line in enumerate(lines) if b" = " in line])
    lines[chosen] = lines[chosen].partition(b" = ")[0] + b" = " + chance.choice(VALUES)
    return b"\n".join(lines)


def repeated(data: bytes, chance: random.Random) -> bytes:
    """A line, which may be a key or a table, is there twice, or a hundred times."""
    lines = data.split(b"\n")
    chosen = chance.randrange(len(lines))
    return b"\n".join(lines[:chosen] + [lines[chosen]] * chance.choice((1, 100)) + lines[chosen:])


def shuffled(data: bytes, chance: random.Random) -> bytes:
    """Lines have changed their places."""
    lines = data.split(b"\n")
    chance.shuffle(lines)
    return b"\n".join(lines)


def inserted(data: bytes, chance: random.Random) -> bytes:
    """Something foreign stands in the middle."""
    foreign = chance.choice(
        (b"\x00", b"\xef\xbb\xbf", b"\r", b"\x1b[2J", b'"', b"[", b"]]", b"=", b"{", b"#", b"\\")
    )
    at = chance.randrange(len(data))
    return data[:at] + foreign * chance.choice((1, 1, 1000)) + data[at:]


def spliced(data: bytes, chance: random.Random) -> bytes:
    """The beginning of one profile and the end of another."""
    other = chance.choice(list(REAL.values()))
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]


def nested(data: bytes, chance: random.Random) -> bytes:
    """Tables or lists inside each other, on one line or on many, down to where parsers give up."""
    depth = chance.choice((10, 500, 2000, 10_000))
    opening = chance.choice((b"[", b"{a = ", b"[\n", b"a.", b"[{a = [\n"))
    return data + b"\nextra = " + opening * (depth // len(opening)) + b"1"


def long(_: bytes, chance: random.Random) -> bytes:
    """Much of one thing, up to 10 MB."""
    unit = chance.choice((b"#", b"a.", b"\n", b"[[a]]\n", b"a = 1\n", b"\xff", b'"""', b"[a.b]\n"))
    return unit * (chance.choice((1000, 30_000, 100_000, 10_000_000)) // len(unit))


def noise(_: bytes, chance: random.Random) -> bytes:
    """No profile at all."""
    return chance.randbytes(chance.randrange(2000))


DAMAGES: tuple[Damage, ...] = (
    *(flipped, truncated, another_value, repeated, shuffled),
    *(inserted, spliced, nested, long, noise),
)


@contextmanager
def no_hang() -> Iterator[None]:
    """Ends what takes for ever, so that the other tests can run."""

    def ring(_: int, __: FrameType | None) -> None:
        raise AssertionError("reading a profile hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(data: bytes, name: str, folder: Path) -> str:
    """`read` or `refused`; anything else fails the test."""
    (folder / f"{name}.toml").write_bytes(data)
    try:
        profile = profiles.load_profile(name, folder)
        usable(profile)
    except ProfileError as error:
        one_line.check(error, ProfileError)
        return "refused"
    return "read"


def usable(profile: DeviceProfile) -> None:
    """What is read can be described to an emulator, or is refused by it as a profile."""
    clusters = cpu_files.order_clusters(profile)
    cpu_files.choose_qemu_cpu(clusters)
    cpu_files.format_cpuinfo(profile, clusters)
    cpu_files.sysfs_files(clusters)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All real profiles, so that a damaged alias may point to any of them."""
    for name, data in REAL.items():
        (tmp_path / f"{name}.toml").write_bytes(data)
    return tmp_path


def test_a_thousand_damaged_profiles(folder: Path) -> None:
    """Every one ends in a profile or in one line; most are refused."""
    chance = random.Random(SEED)  # noqa: S311 - the same files on every run
    outcomes = []
    with no_hang():
        for number in range(FILES):
            name = chance.choice(list(REAL))
            damaged = DAMAGES[number % len(DAMAGES)](REAL[name], chance)
            outcomes.append(outcome(damaged, name, folder))
            (folder / f"{name}.toml").write_bytes(REAL[name])
    assert len(outcomes) == FILES
    assert outcomes.count("refused") > FILES / 2
    assert outcomes.count("read") > 0


@pytest.mark.parametrize("name", REAL)
def test_the_real_ones_pass_the_same_door(name: str, folder: Path) -> None:
    """The fuzz refuses nothing that is sound."""
    assert outcome(REAL[name], name, folder) == "read"
