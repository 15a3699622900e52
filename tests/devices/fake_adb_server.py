"""An adb server that answers the real adb program with what it is told to: the wire, faked."""

from __future__ import annotations

import re
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge_bert.devices.adb.adb_command import find_adb


def client_version() -> int:
    """adb replaces a server whose version is not its own, so ours must say the same."""
    process = subprocess.run([find_adb(), "version"], capture_output=True, text=True, check=True)
    match = re.search(r"version 1\.0\.(\d+)", process.stdout)
    assert match
    return int(match[1])


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        length = self.rfile.read(4)
        request = self.rfile.read(int(length, 16)).decode() if length else ""
        self.server.asked.append(request)
        if request == "host:version":
            self._say(b"OKAY", f"{self.server.version:04x}")
        elif request.startswith("host:devices"):
            self._say(b"OKAY", self.server.devices)
        elif request.startswith("host:connect:"):
            self._say(b"OKAY", self.server.connects)
        elif self.server.silent:
            threading.Event().wait(self.server.silent)
        else:
            self._say(b"FAIL", self.server.fault)

    def _say(self, status: bytes, text: str) -> None:
        data = text.encode()
        self.wfile.write(status + f"{len(data):04x}".encode() + data)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    devices = ""
    connects = ""
    fault = "unknown host service"
    silent = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.version = client_version()
        self.asked: list[str] = []


@contextmanager
def fake_adb_server() -> Iterator[_Server]:
    """Make every adb program that is started meanwhile talk to the server that this gives."""
    with _Server() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(server.server_address[1]))
        patch.delenv("ANDROID_SERIAL", raising=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
