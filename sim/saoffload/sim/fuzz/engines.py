"""The engines that are fuzzed: one for each way to walk, and both tables. Small, so that every bound is met often."""

from dataclasses import replace

from saoffload.hdl.config import EngineConfig, HashSizes

_ODD = EngineConfig(
    name="serial",
    bundles=12,
    keys=15,
    context_width=8,
    windows=3,
    command_depth=5,
    completion_depth=4,
    # Below what the packet path holds at most: requests have to wait.
    unretired_limit=12,
)
_HASHED = HashSizes(ways=4, way_depth=8, wildcards=15)

ENGINES: dict[str, EngineConfig] = {
    config.name: config
    for config in (
        _ODD,
        replace(_ODD, name="contexts", contexts=3, hashed=_HASHED),
        replace(_ODD, name="lines", contexts=3, line_buffers=1, lines=8, id_width=4, data_width=128, hashed=_HASHED),
    )
}
"""Nothing is a power of two that need not be, so that every bound is its own."""
