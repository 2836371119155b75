"""The real llama-server and models, where they are, and a loud word where they are not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EMBEDDER = "all-minilm-l6-v2-q8_0.gguf"
GENERATOR = "smollm2-135m-instruct-q4_1.gguf"

_missing: str | None = None


def pytest_configure() -> None:
    """Looks for what the `real` tests need. QMD_REQUIRE_REAL=1 makes their absence a failure."""
    global _missing
    found = subprocess.run(
        [ROOT / "build_llama_server.sh", "--path"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        _missing = "llama-server is not built: run modal/build_llama_server.sh"
    else:
        os.environ["QMD_TEST_LLAMA_SERVER"] = found.stdout.strip()
        absent = [name for name in (EMBEDDER, GENERATOR) if not (models() / name).is_file()]
        if absent:
            _missing = f"{', '.join(absent)} not in {models()}: run `qmdctl models pull starter`"
    if _missing and os.environ.get("QMD_REQUIRE_REAL") == "1":
        raise pytest.UsageError(_missing)


def models() -> Path:
    """Where the starter models lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("QMD_TEST_MODELS") or Path(cache) / "qmdd" / "models")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips the `real` tests where they cannot run."""
    for item in items:
        if _missing and item.get_closest_marker("real"):
            item.add_marker(pytest.mark.skip(reason=_missing))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skipped parity test is no passed one."""
    if _missing:
        terminalreporter.write_sep("!", "THE REAL LLAMA-SERVER WAS NOT TESTED", red=True)
        terminalreporter.write_line(_missing)
