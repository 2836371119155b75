"""The Modal app: `modal deploy serve.py`. A shim: what it serves is in `qmd_modal`, what is
deployed is in the environment (`qmd_modal.deployment`)."""

import json
import os
import shlex
from pathlib import Path

import modal

from qmd_modal.container import GatewayProcess
from qmd_modal.deployment import PORT, from_env

HERE = Path(__file__).parent
plan = from_env()
app = modal.App(plan.app)


def image_of() -> modal.Image:
    """llama-server's image with the models, Python and the gateway, most lasting layers first."""
    image = (
        modal.Image.from_registry(plan.image, add_python="3.12")
        # Its entry point is llama-server, which would take the place of Modal's own program.
        .entrypoint([])
        .env({"LD_LIBRARY_PATH": "/app"})
        .add_local_file(HERE / "qmd_modal" / "bake.py", "/opt/qmd/bake.py", copy=True)
    )
    for model in plan.models:
        if model.path:
            image = image.add_local_file(model.path, model.place, copy=True)
    access = hub_access()
    pins = [json.dumps({**model.pin(), "place": model.place}) for model in plan.models]
    return (
        image.run_commands(
            shlex.join(["python", "/opt/qmd/bake.py", *pins]),
            secrets=[modal.Secret.from_dict(access)] if access else [],
        )
        .pip_install_from_requirements(str(HERE / "requirements.txt"))
        .add_local_python_source("qmd_modal")
    )


def hub_access() -> dict[str, str | None]:
    """The deployer's access to the hub, for the build alone."""
    return {key: os.environ[key] for key in ("HF_TOKEN", "HF_ENDPOINT") if key in os.environ}


@app.server(
    name="inference", image=image_of(), env=dict(plan.container_env()), **plan.server_options()
)
class Inference:
    """The gateway and its children. Modal's proxy in front of it asks for a proxy token."""

    @modal.enter(snap=plan.snapshot)
    def start(self) -> None:
        """Loads and warms the models; with snapshots, before the snapshot is taken."""
        self.gateway = GatewayProcess(PORT, plan.startup_timeout)
        self.gateway.start()

    @modal.enter(snap=False)
    def check(self) -> None:
        """After a restore as after a start."""
        self.gateway.exercise()

    @modal.exit()
    def stop(self) -> None:
        """Drains."""
        self.gateway.stop()
