"""Runs the gateway inside a Modal container. Knows nothing of Modal, so that it runs anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

_STOP = 20
"""Seconds the gateway may take to drain and to stop its children."""


class GatewayProcess:
    """The gateway with its children, as one child process."""

    def __init__(self, port: int, timeout: float) -> None:
        self._port = port
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it on the public port; returns when every model has done a little work.

        Raises:
            RuntimeError: it ended, or was not ready in time.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qmd_modal", "--host", "0.0.0.0", "--port", str(self._port)]
        )
        self.exercise()

    def exercise(self) -> None:
        """Has every model do a little work, and waits until all can: children that a restore from
        a snapshot has left unusable are replaced.

        Raises:
            RuntimeError: the gateway ended, or was not ready in time.
        """
        deadline = time.monotonic() + self._timeout
        while True:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError("the gateway ended, its log tells why")
            ready, state = self._health()
            if ready:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"the gateway is not ready after {self._timeout:g} s: {state}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Ends it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _health(self) -> tuple[bool, object]:
        url = f"http://127.0.0.1:{self._port}/health?exercise=1"
        # Loopback: a proxy from the environment has no business here.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=60) as reply:
                return True, json.load(reply)
        except urllib.error.HTTPError as error:
            return False, error.read().decode(errors="replace")
        except (OSError, ValueError) as error:
            return False, error
