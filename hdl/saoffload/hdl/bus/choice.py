"""Which read master a configuration gets."""

from saoffload.hdl.config import EngineConfig

from .burst_master import BurstMaster
from .read_master import ReadMaster


def read_master(config: EngineConfig) -> ReadMaster | BurstMaster:
    """The small one for a serial walker, the other for many IDs and long bursts."""
    return ReadMaster(config) if config.is_serial else BurstMaster(config)
