"""`python -m qmd_modal`: gateway and children in one process, until a signal ends it.

The local stand-in and the Modal container run this same program. One JSON line on standard output
tells where it listens, another that every model answers:

    {"event": "listening", "url": "http://127.0.0.1:41234", "pid": 4711}
    {"event": "ready", "seconds": 1.8}
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator

import uvicorn

from .gateway import Gateway
from .gguf import GgufError
from .settings import Settings, SettingsError, from_env
from .supervisor import StartFailed, Supervisor
from .tether import die_with_parent

_DRAIN = 10
"""Seconds that calls under way may take when the gateway ends."""


class _Server(uvicorn.Server):
    """Leaves signals alone: uvicorn raises them anew at its end, before the children stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(settings: Settings, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        StartFailed: a child never came up.
        OSError: the address cannot be bound.
        GgufError: a model file is unusable.
    """
    started = time.monotonic()
    with _listen(host, port) as listener:
        async with Supervisor(settings) as supervisor:
            config = uvicorn.Config(
                Gateway(supervisor, settings.gateway),
                http="httptools",
                ws="none",
                lifespan="off",
                log_level="warning",
                access_log=False,
                server_header=False,
                date_header=False,
                # Longer than a client's own idle limit: the client closes, so that no request
                # meets a connection that is being closed.
                timeout_keep_alive=120,
                timeout_graceful_shutdown=_DRAIN,
            )
            server = _Server(config)

            def end() -> None:
                supervisor.stopping = True
                server.force_exit = server.should_exit
                server.should_exit = True

            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, end)
            address, bound = listener.getsockname()[:2]
            url = f"http://[{address}]:{bound}" if ":" in address else f"http://{address}:{bound}"
            _tell(event="listening", url=url, pid=os.getpid())
            serving = asyncio.ensure_future(server.serve(sockets=[listener]))
            ready = asyncio.ensure_future(supervisor.ready())
            await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done() and ready.exception() is None:
                _tell(event="ready", seconds=round(time.monotonic() - started, 3))
            elif ready.done():
                server.should_exit = True
            await serving
            ready.cancel()
            if ready.done() and not ready.cancelled():
                ready.result()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Its protocol is named, which `socket.create_server` does not do: only
    then does asyncio switch Nagle's algorithm off for its connections (40 ms a call)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _tell(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def main() -> int:
    """The command line. Exit codes: 0 ended by a signal, 1 failed, 2 wrong usage or settings."""
    parser = argparse.ArgumentParser(prog="python -m qmd_modal", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument(
        "--parent", type=int, metavar="PID", help="end when the starter, this process, ends (Linux)"
    )
    options = parser.parse_args()
    try:
        if options.parent:
            die_with_parent(options.parent, signal.SIGTERM)
        settings = from_env()
        asyncio.run(run(settings, options.host, options.port))
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (StartFailed, GgufError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
