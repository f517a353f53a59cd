"""Sizes of the designs that proofs are of: the smallest that have everything."""

from dataclasses import replace

from saoffload.hdl.config import EngineConfig

SERIAL = EngineConfig(
    name="formal", bundles=2, keys=2, address_width=32, id_width=1, command_depth=2, completion_depth=2
)
"""One list at a time."""

MANY = replace(SERIAL, contexts=2)
"""Two lists at the same time."""

LINES = replace(MANY, line_buffers=1, lines=8, id_width=4)
"""Two lists and a buffer of eight lines."""
