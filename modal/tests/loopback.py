"""A scripted HTTP server on loopback, for what speaks to registries and hubs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """One answer. `cut` ends the connection before the whole body is out."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int = 0


@dataclass
class Request:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]


@contextlib.contextmanager
def loopback(answer: Callable[[Request], Reply]) -> Iterator[tuple[str, list[Request]]]:
    """Serves `answer`; yields HOST:PORT and the requests so far."""
    seen: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def handle_any(self) -> None:
            headers = {key.lower(): value for key, value in self.headers.items()}
            request = Request(self.command, self.path, headers)
            seen.append(request)
            reply = answer(request)
            self.send_response(reply.status)
            for key, value in reply.headers.items():
                self.send_header(key, value)
            if "Content-Length" not in reply.headers:
                self.send_header("Content-Length", str(len(reply.body) + reply.cut))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_HEAD = handle_any  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
