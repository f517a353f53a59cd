"""What a fill adds: which bundle comes when, and which keys are its own."""

from saoffload.hdl.config import EngineConfig

MOST_OUTBOUND = 16


class FillPlan:
    """Fills a table in bundles and in keys at once: some outbound bundles, as many bundles of two keys as it takes, and
    then bundles of one key. One more is there to be refused.

    Add ``a`` is outbound below ``outbound``, has keys ``2 (a - outbound)`` and the next below ``outbound + pairs``, and
    key ``a + pairs - outbound`` from there on.

    Parameters: ``config``. Raises ``ValueError`` for one whose keys are too many for its bundles.
    """

    def __init__(self, config: EngineConfig):
        self.outbound = max(config.bundles - config.keys, min(MOST_OUTBOUND, config.bundles // 16), 1)
        self.pairs = self.outbound + config.keys - config.bundles
        self.adds = config.bundles + 1
        self.keys = config.keys + 1
        if self.outbound + self.pairs > config.bundles:
            raise ValueError(f"{config.bundles} bundles have no room for {config.keys} keys and outbound bundles")

    def keys_before(self, add: int) -> int:
        """How many keys the adds before this one have."""
        pairs = min(max(add - self.outbound, 0), self.pairs)
        return 2 * pairs + max(add - self.outbound - self.pairs, 0)
