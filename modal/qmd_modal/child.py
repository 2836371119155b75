"""One llama-server process: its command line, its start, its end, its log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections import deque
from pathlib import Path

from .model import Model
from .role import Role
from .settings import LlamaSettings, ModelSettings

_TETHER = Path(__file__).with_name("tether.py")

# The image presets some of these (its host is 0.0.0.0), and the token is not the children's affair.
_WITHHELD = ("LLAMA_ARG_", "QMD_", "MODAL_TOKEN_")

_LAST_LINES = 20


class ChildProcess:
    """A running llama-server, in a process group of its own."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._process = process
        self._log = asyncio.ensure_future(self._copy_log())

    @classmethod
    async def start(cls, name: str, command: list[str]) -> ChildProcess:
        """Starts the program; it is killed when this process ends, however that ends."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-IS",
            str(_TETHER),
            str(os.getpid()),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={key: value for key, value in os.environ.items() if not key.startswith(_WITHHELD)},
            start_new_session=True,
        )
        return cls(name, process)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._process.pid

    async def ended(self) -> str:
        """Waits for its end and tells it: `exit 1`, `signal 9 (SIGKILL)`."""
        code = await self._process.wait()
        await self._log
        return _describe(code)

    async def stop(self, grace: float) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds; returns when it has ended."""
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), grace)
        except asyncio.TimeoutError:
            self.kill()
        await self.ended()

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the group, unless the process has been reaped."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def _copy_log(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        rest = b""
        while block := await stream.read(1 << 16):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                self._print(line)
        if rest:
            self._print(rest)

    def _print(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        self.last_lines.append(text)
        print(f"[{self.name}] {text}", file=sys.stderr, flush=True)


def command(llama: LlamaSettings, settings: ModelSettings, model: Model, port: int) -> list[str]:
    """The command line of a role's llama-server."""
    # Pooled inputs must fit one physical batch whole; a generator's prompt may take several. So
    # might a reranker's, at the price of its scores: what is left over of a prompt, when it is few
    # tokens, is computed with less precision.
    whole = model.pooling or model.role is Role.RERANK
    batch = model.window if whole else min(model.window, 512)
    arguments = [
        str(llama.binary),
        *("--model", str(model.path)),
        *("--host", "127.0.0.1", "--port", str(port)),
        # One pool of cells for all sequences, with room for each at its longest.
        *("--parallel", str(settings.parallel), "--kv-unified"),
        *("--ctx-size", str(model.window * settings.parallel)),
        *("--batch-size", str(model.window), "--ubatch-size", str(batch)),
        *("--n-gpu-layers", str(llama.gpu_layers)),
        # Three servers share a GPU: what they take must not depend on who came first.
        *("--fit", "off", "--cache-ram", "0"),
        "--offline",
        # Warnings and errors: the default tells of every request.
        *("--log-verbosity", "2"),
    ]
    if llama.threads:
        arguments += ("--threads", str(llama.threads))
    if model.pooling == "rank":
        arguments += ("--reranking", "--pooling", "rank")
        if not model.closes_pairs and not model.rerank_template:
            # llama-server would leave out the separator behind the document.
            arguments += (
                "--override-kv",
                "tokenizer.ggml.add_eos_token=bool:true,tokenizer.ggml.add_sep_token=bool:false",
            )
    elif model.pooling:
        arguments += ("--embedding", "--pooling", model.pooling)
    return arguments


async def build_of(binary: Path) -> str:
    """The build llama-server tells of itself: `0.6.0-dev (build 11434, commit 0123456)`."""
    process = await asyncio.create_subprocess_exec(
        str(binary),
        "--version",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    told = re.search(r"^version: (.+)$", output.decode(errors="replace"), re.MULTILINE)
    return told.group(1).strip() if told else "unknown"


def usable_port(wanted: int) -> int:
    """A loopback port that nothing listens on now: the wanted one, or any for 0. Another program's
    answers on a child's port would pass for the child's.

    Raises:
        OSError: the wanted one is taken.
    """
    try:
        with socket.create_server(("127.0.0.1", wanted)) as listener:
            return listener.getsockname()[1]
    except OSError as error:
        raise OSError(f"port {wanted} cannot be had: {error}") from None


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"
