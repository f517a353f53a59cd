"""Which of the two tables an engine gets."""

from saoffload.hdl.config import EngineConfig

from .hashed.table import HashedTable
from .head import SaTable
from .parallel.table import ParallelTable


def sa_table(config: EngineConfig) -> SaTable:
    """The table that the configuration asks for: a hash table in block RAM, or a parallel CAM."""
    return ParallelTable(config) if config.hashed is None else HashedTable(config)
