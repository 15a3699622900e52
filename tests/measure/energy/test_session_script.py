"""session.sh itself, in a phone's world of a few files whose clock moves with each `sleep`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_bert.errors import DeviceError
from edge_bert.measure.energy.energy_per_inference import compute_energy
from edge_bert.measure.energy.session_log import EnergySession, parse_session
from edge_bert.pipeline.bench.energy_session import SCRIPT, conclude_session, plan_session
from edge_bert.records.energy import EnergyUnavailable, MeasuredEnergy
from tests.measure.energy.virtual_session import HEADER

FOOTER = json.dumps(
    {
        "type": "footer",
        **dict.fromkeys(("init_us", "library_us", "load_us", "compile_us", "first_us"), 1),
        **dict.fromkeys(("peak_rss_bytes", "rss_bytes"), 1),
        **dict.fromkeys(("anonymous_rss_bytes", "file_rss_bytes"), 1),
        "cold": False,
        "profile": None,
        "start_s": "BEGIN",
        "end_s": "END",
    }
)
FOOTER = FOOTER.replace(" ", "").replace('"BEGIN"', "BEGIN").replace('"END"', "END") + "\n"
IDLE_MA, LOAD_MA, VOLTS = 150, 500, 4
# `up` has centiseconds and a rest, as /proc/uptime; `drawn` has the microampere-seconds drawn.
# Time stands in a load until its runner is there, which takes longer on a busy machine.
PROGRAMS = {
    "sleep": """\
if [ -n "$WAITS" ]; then
    case $(grep -e '^@window' -e '^@end' $LOG | tail -n 1) in
    '@window load'*) until [ -f $WORLD/busy ]; do /bin/sleep 0.01; done ;;
    esac
fi
read -r up _ <$WORLD/up; up=$((${up%.*} + $1)); echo "$up.00 1.00" >$WORLD/up.new
mv $WORLD/up.new $WORLD/up
read -r drawn <$WORLD/drawn; ma=$IDLE; [ -f $WORLD/busy ] && ma=$((IDLE + LOAD))
echo $((drawn + 1000 * ma * $1)) >$WORLD/drawn
""",
    "dumpsys": """\
[ "$1" = battery ] || exit 20
sleep 1
read -r drawn <$WORLD/drawn
echo 'Current Battery Service state:'
echo "  USB powered: false"
echo "  Charge counter: $(((3000000 - drawn / 3600) / 1000 * 1000))"
echo '  status: 3'; echo "  level: $((75 - drawn / 3600 / 40000))"; echo '  voltage: 4000'
""",
    "settings": """\
case $1 in
get) cat $WORLD/$2.$3 2>/dev/null || echo null ;;
put) echo "$4" >$WORLD/$2.$3 ;;
delete) rm -f $WORLD/$2.$3 ;;
esac
""",
    "input": "exit 0\n",
    "runner": """\
finish() {
    read -r end _ <$WORLD/up
    rm $WORLD/busy
    i=0
    while [ $i -lt $(((${end%.*} - ${begin%.*}) / 2)) ]; do
        i=$((i + 1)); echo '{"type":"run","us":2000000}'
    done
    sed "s/BEGIN/$begin/; s/END/$end/" $WORLD/footer
    exit 0
}
trap finish TERM
read -r begin _ <$WORLD/up
echo '@HEADER'
touch $WORLD/busy
while :; do /bin/sleep 0.02; done
""",
}


def run_session(folder: Path, *runner: str) -> EnergySession:
    """The script to its end, as a phone's shell runs it."""
    world, programs = folder / "world", folder / "bin"
    for path in (world, programs):
        path.mkdir()
    (world / "up").write_text("1000.00 1.00\n")
    (world / "drawn").write_text("0\n")
    (world / "footer").write_text(FOOTER)
    (world / "system.screen_brightness").write_text("90\n")
    for name, script in PROGRAMS.items():
        (programs / name).write_text("#!/bin/sh\n" + script.replace("@HEADER", HEADER))
        (programs / name).chmod(0o755)
    plan = plan_session(["battery"], seed=3)
    words = [str(folder), "20", str(plan.seconds), str(plan.most_s), str(plan.moves)]
    words += [" ".join(plan.order), "battery heat", *(runner or ("runner",))]
    shell = shutil.which("dash") or shutil.which("sh") or ""
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "WORLD": str(world),
        "UPTIME": str(world / "up"),
        "LOG": str(folder / "log"),
        "RESTORE": str(folder / "settings"),
        "WAITS": "" if runner else "1",
        "IDLE": str(IDLE_MA),
        "LOAD": str(LOAD_MA),
    }
    subprocess.run([shell, str(SCRIPT), *words], env=environment, check=True, timeout=300)
    return parse_session((folder / "log").read_text())


def test_a_session_ends_with_what_the_phone_drew(tmp_path: Path) -> None:
    """Windows, counts and a coarse counter come through the log; the screen is put back."""
    session = run_session(tmp_path)
    assert session.done
    assert session.conditions["screen_brightness"] == "90"
    assert (tmp_path / "world" / "system.screen_brightness").read_text() == "90\n"
    assert not (tmp_path / "world" / "system.screen_off_timeout").exists()
    assert not (tmp_path / "settings").exists()
    energy = compute_energy(session.windows)
    assert isinstance(energy, MeasuredEnergy), energy
    assert energy.mj == pytest.approx(2 * LOAD_MA * VOLTS, rel=0.05)
    assert energy.idle_mw == pytest.approx(IDLE_MA * VOLTS, rel=0.1)


def restore(folder: Path, owner: str) -> str:
    """What `session.sh restore` says, after a session of that process had been killed."""
    lines = [owner, "system screen_brightness 90", "global low_power null", "system odd a b"]
    (folder / "settings").write_text("\n".join(lines) + "\n")
    world, programs = folder / "world", folder / "bin"
    for path in (world, programs):
        path.mkdir(exist_ok=True)
    (world / "system.screen_brightness").write_text("1\n")
    (world / "global.low_power").write_text("0\n")
    (programs / "settings").write_text("#!/bin/sh\n" + PROGRAMS["settings"])
    (programs / "settings").chmod(0o755)
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "WORLD": str(world),
        "RESTORE": str(folder / "settings"),
    }
    command = ["sh", str(SCRIPT), "restore"]
    return subprocess.run(
        command, env=environment, check=True, timeout=60, capture_output=True, text=True
    ).stdout


def test_a_killed_sessions_settings_are_put_back_later(tmp_path: Path) -> None:
    """After SIGKILL or a restart of the phone, when another process may have its number."""
    assert restore(tmp_path, str(os.getpid())) == "restored\n"
    assert (tmp_path / "world" / "system.screen_brightness").read_text() == "90\n"
    assert not (tmp_path / "world" / "global.low_power").exists()
    assert (tmp_path / "world" / "system.odd").read_text() == "a b\n"
    assert not (tmp_path / "settings").exists()


def test_a_session_at_work_keeps_its_screen(tmp_path: Path) -> None:
    """A second connection while it runs changes nothing."""
    (tmp_path / "session.sh").write_text("sleep 60\n")
    with subprocess.Popen(["sh", str(tmp_path / "session.sh")]) as session:
        try:
            assert restore(tmp_path, str(session.pid)) == ""
        finally:
            session.kill()
    assert (tmp_path / "world" / "system.screen_brightness").read_text() == "1\n"
    assert (tmp_path / "settings").exists()


def test_a_cable_that_stays_in_ends_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After five minutes, not after an hour; the reason says what to do."""
    charging = PROGRAMS["dumpsys"].replace("status: 3", "status: 2")
    monkeypatch.setitem(PROGRAMS, "dumpsys", charging)
    session = run_session(tmp_path)
    assert session.done
    assert session.charging
    assert session.windows == ()
    energy = conclude_session(session)
    assert isinstance(energy, EnergyUnavailable)
    assert "draw its cable" in energy.reason
    assert float((tmp_path / "world" / "up").read_text().split()[0]) < 1000 + 400
    assert (tmp_path / "world" / "system.screen_brightness").read_text() == "90\n"


def test_a_locked_phone_ends_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock screen cannot be left by a command and turns itself off: told at once."""
    lock = (
        "[ $1 = window ] && { printf '  KeyguardServiceDelegate\\n    showing=true\\n'; exit; }\n"
    )
    monkeypatch.setitem(PROGRAMS, "dumpsys", lock + PROGRAMS["dumpsys"])
    session = run_session(tmp_path)
    assert session.done
    assert (session.locked, session.windows) == (True, ())
    energy = conclude_session(session)
    assert isinstance(energy, EnergyUnavailable)
    assert "unlock it" in energy.reason
    assert float((tmp_path / "world" / "up").read_text().split()[0]) < 1000 + 60
    assert (tmp_path / "world" / "system.screen_brightness").read_text() == "90\n"


def test_a_runner_that_fails_ends_its_window_at_once(tmp_path: Path) -> None:
    """The runner's last words come through, and the session does not wait for windows."""
    with pytest.raises(DeviceError, match="no such model"):
        run_session(tmp_path, "sh", "-c", "echo no such model >&2; exit 3")
    seconds = float((tmp_path / "world" / "up").read_text().split()[0])
    assert seconds < 1000 + 8 * 130


@pytest.mark.parametrize("text", ["", "@session 2\n", "@session 1\n@window load 1 x\n"])
def test_a_damaged_log_is_refused(text: str) -> None:
    """Another version's log, or one without times, gives no windows."""
    with pytest.raises(DeviceError):
        parse_session(text)


def test_a_log_that_stops_is_not_done() -> None:
    """A phone that died in the session leaves windows, and no energy of five loads."""
    log = (
        "@session 1\n@window idle 1 10.00\n@read 10.00\n@end idle 1 130.00\n@window load 2 130.00\n"
    )
    session = parse_session(log)
    assert not session.done
    assert [window.seconds for window in session.windows] == [120.0]
    assert isinstance(compute_energy(session.windows), EnergyUnavailable)
