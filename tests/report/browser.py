"""Headless Chromium, for looking at pages as readers see them."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
WHY_NOT = "no Chromium on this machine; on Debian: apt-get install chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)
DUMP_WIDTH = 1400
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
PROBE = f"<script>{Path(__file__).with_name('probe.js').read_text(encoding='utf-8')}</script>"


def _run(home: Path, page: str, width: int, *options: str) -> subprocess.CompletedProcess[str]:
    assert BROWSER
    home.mkdir(parents=True, exist_ok=True)
    file = home / "page.html"
    file.write_text(page, encoding="utf-8")
    command = [BROWSER, *FLAGS, f"--user-data-dir={home / 'profile'}"]
    command += [f"--window-size={width},900", *options, file.as_uri()]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=True, encoding="utf-8"
    )


def _framed(page: str, width: int) -> str:
    """The page in a frame of that width: a window of Chromium is never under 500 pixels."""
    inner = html.escape(page, quote=True)
    return (
        f'<html><body><iframe width="{width}" height="900" srcdoc="{inner}"></iframe></body></html>'
    )


def console(home: Path, page: str, width: int) -> list[str]:
    """Every line that the page, unchanged, writes to the browser's console."""
    done = _run(home, _framed(page, width), DUMP_WIDTH, "--dump-dom")
    assert "<html" in done.stdout
    return [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def dump(home: Path, page: str) -> str:
    """The document as it stands after its own scripts have run."""
    return _run(home, page, DUMP_WIDTH, "--virtual-time-budget=10000", "--dump-dom").stdout


def probe(home: Path, page: str, width: int) -> dict[str, Any]:
    """What is seen of the page; its policy is lifted so that a script can measure."""
    lifted, count = POLICY.subn("", page)
    assert count == 1
    probed = lifted.replace("</body>", PROBE + "</body>")
    done = _run(home, _framed(probed, width), DUMP_WIDTH, "--dump-dom")
    found = re.search(r"PROBE([A-Za-z0-9+/=]+)EBORP", done.stdout)
    assert found
    measured: dict[str, Any] = json.loads(base64.b64decode(found[1]))
    return measured


def screenshot(home: Path, page: str, width: int) -> bytes:
    """The first 900 pixels of the page as PNG."""
    target = home / "shot.png"
    _run(home, page, width, f"--screenshot={target}")
    return target.read_bytes()
