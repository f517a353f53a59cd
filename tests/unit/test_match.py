"""The match arrays: each kind of comparators against a list of keys, a search in every clock."""

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from tests.unit.streams import seeds, simulate

from saoffload.hdl.config import EngineConfig, preset
from saoffload.hdl.table.parallel.block_match import SLICE_BITS, BlockMatchArray
from saoffload.hdl.table.parallel.match import MatchArray, stored_key

KEYS = 5
IPV6 = EngineConfig(name="match", bundles=4, keys=KEYS)
IPV4 = replace(preset("tiny"), keys=KEYS)
ARRAYS = {
    "registers, IPv6": (MatchArray, IPV6),
    "registers, IPv4": (MatchArray, IPV4),
    "memories written by words": (BlockMatchArray, IPV6),
    "memories written by bits": (BlockMatchArray, IPV4),
}


@dataclass
class Entry:
    """What an entry must do: match its key, or, in the clocks of its write, that or nothing."""

    key: dict[str, int] | None = None
    is_certain: bool = True

    def matches(self, search: dict[str, int], *, wildcard: bool) -> bool:
        if self.key is None or (self.key["destination"] == 0) != wildcard:
            return False
        return all(self.key[name] == search[name] for name in search if not (wildcard and name == "destination"))


class Keys:
    """Random keys, few of a kind, so that searches meet stored keys and keys that differ in one bit from them."""

    def __init__(self, random: Random, config: EngineConfig):
        self._random = random
        self._widths = {name: len(config_field) for name, config_field in _fields(config).items()}
        self._known = [self._draw() for _ in range(12)]
        self._known += [{**key, "destination": 0} for key in self._known[:4]]

    def _draw(self) -> dict[str, int]:
        return {name: self._random.getrandbits(width) for name, width in self._widths.items()}

    def stored(self) -> dict[str, int]:
        """A key to be written."""
        return self._random.choice(self._known)

    def searched(self) -> dict[str, int]:
        """A key to be searched: known, or one bit beside."""
        key = dict(self._random.choice(self._known))
        if self._random.random() < 0.3:
            name = self._random.choice(list(key))
            key[name] ^= 1 << self._random.randrange(self._widths[name])
        return key


def _fields(config: EngineConfig) -> dict[str, range]:
    layout = stored_key(config)
    return {name: range(layout[name].width) for name in layout.members}


def check(entries: list[Entry], search: dict[str, int], found: int, number: int, *, wildcard: bool) -> None:
    """One kind of result against the list. A key is stored once, so two entries never match."""
    must = [
        entry
        for entry in range(KEYS)
        if entries[entry].is_certain and entries[entry].matches(search, wildcard=wildcard)
    ]
    may = [entry for entry in range(KEYS) if entries[entry].matches(search, wildcard=wildcard)]
    if found:
        assert number in may, f"{search} found {number}, not one of {may}"
    else:
        assert not must, f"{search} found nothing, not {must}"


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("name", ARRAYS)
def test_every_search_finds_what_is_stored(name: str, seed: int) -> None:
    """Also in the clock in which the very word that it reads is written for another entry."""
    kind, config = ARRAYS[name]
    random = Random(f"{name} {seed}")
    keys = Keys(random, config)
    dut = kind(config)
    entries = [Entry() for _ in range(KEYS)]
    in_flight: list[tuple[dict[str, int], list[Entry]]] = []

    async def clock(ctx: Any) -> None:
        """Search, and judge the search of two clocks ago by what was stored then."""
        search = keys.searched()
        for field, value in search.items():
            ctx.set(dut.search[field], value)
        in_flight.append((search, [replace(entry) for entry in entries]))
        await ctx.tick()
        if len(in_flight) == 2:
            before, stored = in_flight.pop(0)
            check(stored, before, ctx.get(dut.exact_found), ctx.get(dut.exact_entry), wildcard=False)
            check(stored, before, ctx.get(dut.wildcard_found), ctx.get(dut.wildcard_entry), wildcard=True)

    async def write(ctx: Any, number: int, key: dict[str, int] | None) -> None:
        ctx.set(dut.do_write, 1)
        ctx.set(dut.entry, number)
        ctx.set(dut.is_used, key is not None)
        for field, value in (key or keys.stored()).items():
            ctx.set(dut.key[field], value)
        entries[number].is_certain = False
        for _ in range((1 << SLICE_BITS) + 1):
            is_done = ctx.get(dut.write_is_done)
            await clock(ctx)
            if is_done:
                break
        else:
            raise AssertionError(f"entry {number} was not written in time")
        ctx.set(dut.do_write, 0)
        entries[number] = Entry(key)

    async def main(ctx: Any) -> None:
        for _ in range(8):
            number = random.randrange(KEYS)
            key = keys.stored()
            is_free = all(entry.key != key for entry in entries)
            await write(ctx, number, key if is_free and random.random() < 0.8 else None)
            for _ in range(random.randrange(12)):
                await clock(ctx)

    simulate(dut, main, deadline=12_000)
