"""The Hugging Face hub's wire, on loopback: it serves model folders, or faults."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """What the hub has, how it fails, and what it was asked for.

    `fault` is an HTTP status to answer everything with, or "garbage" for JSON of another kind;
    `silent_s` how long it waits before it answers.
    `extra` are file names that the hub lists although the folder has no such file.
    """

    models: dict[str, Path] = field(default_factory=dict)
    fault: int | str | None = None
    silent_s: float = 0.0
    extra: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a request."""
        self.asked.append(path)
        time.sleep(self.silent_s)
        if isinstance(self.fault, int):
            return self.fault, {}, b"no"
        if self.fault == "garbage":
            return 200, {}, b'[{"sha": 3}]'
        for name, folder in self.models.items():
            if path.startswith(f"/api/models/{name}/tree/"):
                return self._json([self._listed(folder, each) for each in self._files(folder)])
            if path.startswith(f"/api/models/{name}"):
                files = [{"rfilename": each} for each in self._files(folder)]
                return self._json({"id": name, "sha": COMMIT, "siblings": files, "private": False})
            prefix = f"/{name}/resolve/{COMMIT}/"
            if path.startswith(prefix):
                return self._file(folder / path.removeprefix(prefix))
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def _files(self, folder: Path) -> list[str]:
        found = (path for path in folder.rglob("*") if path.is_file())
        return [*(path.relative_to(folder).as_posix() for path in found), *self.extra]

    def _listed(self, folder: Path, name: str) -> dict[str, object]:
        path = folder / name
        data = path.read_bytes() if path.is_file() else b""
        return {"type": "file", "path": name, "size": len(data), "oid": _digest(data)}

    def _json(self, content: object) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()

    def _file(self, path: Path) -> tuple[int, dict[str, str], bytes]:
        if not path.is_file():
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        data = path.read_bytes()
        return 200, {"ETag": f'"{_digest(data)}"', "X-Repo-Commit": COMMIT}, data


def _digest(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@contextmanager
def serving() -> Iterator[FakeHub]:
    """A hub on a free port of loopback."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = hub.answer(unquote(urlsplit(self.path).path))
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            with contextlib.suppress(ConnectionError):  # the client may have given up
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
