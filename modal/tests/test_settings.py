"""Settings come from the environment, checked, with the variable named in each refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmd_modal import child, model
from qmd_modal.role import Role
from qmd_modal.settings import SettingsError, from_env

from .support import FAKE, tiny_model


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {
        "QMD_LLAMA_SERVER": str(FAKE),
        "QMD_EMBED_MODEL": str(tiny_model(tmp_path, Role.EMBED)),
    }


def test_defaults(env: dict[str, str]) -> None:
    settings = from_env(env)
    assert list(settings.models) == [Role.EMBED]
    assert (settings.models[Role.EMBED].port, settings.models[Role.EMBED].window) == (8081, 2048)
    assert (settings.gateway.token, settings.gateway.items) == (None, 512)
    assert settings.llama.binary == FAKE.resolve()


def test_everything_can_be_set(env: dict[str, str]) -> None:
    env |= {
        "QMD_EMBED_SHA256": "a" * 64,
        "QMD_EMBED_PORT": "0",
        "QMD_EMBED_WINDOW": "512",
        "QMD_EMBED_PARALLEL": "1",
        "QMD_EMBED_POOLING": "cls",
        "QMD_RERANK_MODEL": env["QMD_EMBED_MODEL"],
        "QMD_GENERATE_MODEL": env["QMD_EMBED_MODEL"],
        "QMD_GPU_LAYERS": "0",
        "QMD_THREADS": "2",
        "QMD_STARTUP_TIMEOUT": "1.5",
        "QMD_STOP_GRACE": "0",
        "QMD_GATEWAY_TOKEN": "s3cret",
        "QMD_GATEWAY_BODY_BYTES": "1",
        "QMD_GATEWAY_ITEMS": "2",
        "QMD_GATEWAY_IN_FLIGHT": "3",
        "QMD_UPSTREAM_TIMEOUT": "4",
    }
    settings = from_env(env)
    embed = settings.models[Role.EMBED]
    assert (embed.sha256, embed.port, embed.window) == ("a" * 64, 0, 512)
    assert (embed.parallel, embed.pooling) == (1, "cls")
    assert (settings.llama.gpu_layers, settings.llama.threads) == (0, 2)
    assert (settings.llama.startup_timeout, settings.llama.stop_grace) == (1.5, 0)
    limits = settings.gateway
    assert (limits.body_bytes, limits.items, limits.in_flight) == (1, 2, 3)
    assert (limits.upstream_timeout, limits.token) == (4, "s3cret")
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QMD_EMBED_MODEL", "/absent.gguf"),
        ("QMD_EMBED_SHA256", "abc"),
        ("QMD_EMBED_SHA256", "A" * 64),
        ("QMD_EMBED_PORT", "x"),
        ("QMD_EMBED_PORT", "-1"),
        ("QMD_EMBED_WINDOW", "0"),
        ("QMD_EMBED_POOLING", "rank"),
        ("QMD_GPU_LAYERS", "1.5"),
        ("QMD_STARTUP_TIMEOUT", "nan"),
        ("QMD_STARTUP_TIMEOUT", "inf"),
        ("QMD_LLAMA_SERVER", "/absent"),
        ("QMD_GATEWAY_IN_FLIGHT", "0"),
    ],
)
def test_refusals_name_the_variable(env: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        from_env({**env, name: value})


def test_a_model_is_needed(env: dict[str, str]) -> None:
    del env["QMD_EMBED_MODEL"]
    with pytest.raises(SettingsError, match="QMD_EMBED_MODEL"):
        from_env(env)


def flags(env: dict[str, str], role: Role) -> dict[str, str | None]:
    """The command line as a table; flags without a value map to nothing."""
    settings = from_env(env)
    about = model.load(settings.models[role])
    words = child.command(settings.llama, settings.models[role], about, 8081)[1:]
    pairs = zip(words, [*words[1:], "--"], strict=True)
    return {
        word: None if value.startswith("--") else value
        for word, value in pairs
        if word.startswith("--")
    }


def test_the_embedding_servers_command_line(env: dict[str, str]) -> None:
    assert flags(env, Role.EMBED) == {
        "--model": env["QMD_EMBED_MODEL"],
        "--host": "127.0.0.1",
        "--port": "8081",
        "--parallel": "4",
        "--kv-unified": None,
        "--ctx-size": "256",
        "--batch-size": "64",
        "--ubatch-size": "64",
        "--n-gpu-layers": "99",
        "--fit": "off",
        "--cache-ram": "0",
        "--offline": None,
        "--log-verbosity": "2",
        "--embedding": None,
        "--pooling": "mean",
    }


def test_the_rerankers_command_line(env: dict[str, str], tmp_path: Path) -> None:
    env["QMD_RERANK_MODEL"] = str(tiny_model(tmp_path, Role.RERANK))
    found = flags(env, Role.RERANK)
    assert (found["--reranking"], found["--pooling"]) == (None, "rank")
    assert found["--override-kv"] == (
        "tokenizer.ggml.add_eos_token=bool:true,tokenizer.ggml.add_sep_token=bool:false"
    )
    closing = {"tokenizer__ggml__add_eos_token": True}
    env["QMD_RERANK_MODEL"] = str(tiny_model(tmp_path, Role.RERANK, None, **closing))
    assert "--override-kv" not in flags(env, Role.RERANK)


def test_other_command_lines(env: dict[str, str], tmp_path: Path) -> None:
    env |= {"QMD_GENERATE_MODEL": str(tiny_model(tmp_path, Role.GENERATE)), "QMD_THREADS": "3"}
    found = flags(env, Role.GENERATE)
    assert not {"--embedding", "--reranking", "--pooling"} & found.keys()
    assert found["--threads"] == "3"
