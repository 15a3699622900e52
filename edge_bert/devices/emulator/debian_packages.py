"""Debian packages of another release or architecture, through this machine's own apt.

apt runs with a private state folder and a private list of sources. The mirror is the one that the
system's own sources name; only the release and the architecture are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.devices.emulator.host_tools import require_program
from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.processes import run_tool

# The first release that packages adbd. Its C library runs under QEMU 7.2 too.
RELEASE = "trixie"
ARCHITECTURE = "arm64"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
OS_RELEASE = Path("/etc/os-release")
UPDATE_TIMEOUT_S = 300
DOWNLOAD_TIMEOUT_S = 600
UNPACK_TIMEOUT_S = 120
DEPENDS_OPTIONS = (
    "--recurse",
    "--no-recommends",
    "--no-suggests",
    "--no-conflicts",
    "--no-breaks",
    "--no-replaces",
    "--no-enhances",
)


@dataclass(frozen=True)
class Origin:
    """A release of Debian and an architecture."""

    release: str = RELEASE
    architecture: str = ARCHITECTURE


def unpack_packages(
    packages: Sequence[str], folder: Path, work: Path, origin: Origin = Origin()
) -> tuple[str, ...]:
    """Unpack `packages` and all that they depend on into `folder`; `work` is for apt's state.

    Gives the unpacked packages as name and version, sorted. Raises MissingToolError where the
    machine has no apt with Debian sources, DeviceError where apt fails.
    """
    options = _configure_apt(work, origin)
    _run(["apt-get", *options, "update"], UPDATE_TIMEOUT_S)
    names = _resolve_dependencies(packages, options)
    archives = work / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", *options, "download", *names], DOWNLOAD_TIMEOUT_S, archives)
    _merge_usr(folder)
    debs = sorted(archives.glob("*.deb"))
    for deb in debs:
        _run(["dpkg-deb", "-x", str(deb), str(folder)], UNPACK_TIMEOUT_S)
    return tuple(deb.stem.replace("%3a", ":") for deb in debs)


def find_mirrors(listing: str, codename: str) -> tuple[str, ...]:
    """The repositories of release `codename` in the output of `apt-get indextargets`."""
    rows = [line.split("|") for line in listing.splitlines()]
    uris = [row[2] for row in rows if row[:2] == [codename, "main"] and len(row) == 3]
    return tuple(dict.fromkeys(uris))


def find_host_origin() -> Origin:
    """The release and architecture of this machine."""
    architecture = _run(["dpkg", "--print-architecture"], UNPACK_TIMEOUT_S).strip()
    return Origin(release_codename(OS_RELEASE.read_text()), architecture)


def release_codename(os_release: str) -> str:
    """VERSION_CODENAME of `/etc/os-release`; empty when it has none."""
    for line in os_release.splitlines():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            return value.strip().strip('"')
    return ""


def _run(argv: Sequence[str], timeout_s: float, cwd: Path | None = None) -> str:
    return run_tool(argv, timeout_s=timeout_s, failure=DeviceError, cwd=cwd)


def _configure_apt(work: Path, origin: Origin) -> tuple[str, ...]:
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        require_program(tool)
    state = work / "apt"
    for folder in (state / "lists" / "partial", state / "cache" / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    (state / "status").write_text("")
    sources = state / "private.list"
    sources.write_text(_format_sources(origin.release))
    settings = {
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/nonexistent",
        "APT::Architecture": origin.architecture,
        "APT::Architectures": origin.architecture,
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 3,
    }
    return tuple(option for key, value in settings.items() for option in ("-o", f"{key}={value}"))


def _format_sources(release: str) -> str:
    """One line per mirror of this machine's own Debian release, for `release` instead."""
    if not KEYRING.exists():
        raise MissingToolError(
            f"{KEYRING} is missing, so packages cannot be verified; get it with "
            "`apt-get install debian-archive-keyring`."
        )
    row_format = "$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
    listing = _run(["apt-get", "indextargets", "--format", row_format], UPDATE_TIMEOUT_S)
    mirrors = find_mirrors(listing, release_codename(OS_RELEASE.read_text()))
    if not mirrors:
        raise MissingToolError(
            "apt's sources name no Debian mirror; the emulated phone needs Debian 12 or later."
        )
    return "".join(f"deb [signed-by={KEYRING}] {uri} {release} main\n" for uri in mirrors)


def _resolve_dependencies(packages: Sequence[str], options: Sequence[str]) -> tuple[str, ...]:
    argv = ["apt-cache", *options, "depends", *DEPENDS_OPTIONS, *packages]
    try:
        lines = _run(argv, UPDATE_TIMEOUT_S).splitlines()
    except DeviceError as error:
        raise DeviceError(f"apt does not offer all of {', '.join(packages)}: {error}") from error
    names = {line for line in lines if line and not line.startswith((" ", "|", "<"))}
    unavailable = sorted(set(packages) - names)
    if unavailable:
        raise DeviceError(f"apt does not offer {', '.join(unavailable)} there.")
    return tuple(sorted(names))


def _merge_usr(folder: Path) -> None:
    """Debian has `/lib`, `/bin` and `/sbin` as links into `/usr`; packages expect them."""
    for name in ("bin", "lib", "sbin"):
        (folder / "usr" / name).mkdir(parents=True, exist_ok=True)
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"usr/{name}")
