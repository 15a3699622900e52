"""session.sh itself, in a phone's world of a few files whose clock moves with each `sleep`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_bert.errors import DeviceError
from edge_bert.measure.energy.energy_per_inference import compute_energy
from edge_bert.measure.energy.session_log import EnergySession, parse_session
from edge_bert.pipeline.bench.energy_session import SCRIPT, plan_session
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
    energy = compute_energy(session.windows)
    assert isinstance(energy, MeasuredEnergy), energy
    assert energy.mj == pytest.approx(2 * LOAD_MA * VOLTS, rel=0.05)
    assert energy.idle_mw == pytest.approx(IDLE_MA * VOLTS, rel=0.1)


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
