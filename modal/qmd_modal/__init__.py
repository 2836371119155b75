"""The remote end of qmdd's `modal` backend: llama-servers, supervisor, gateway."""

__version__ = "0.1.0"
