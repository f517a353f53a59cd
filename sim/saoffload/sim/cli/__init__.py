"""The command line `saoffload`: one file per command."""

from .app import main

__all__ = ["main"]
