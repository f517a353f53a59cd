"""What stands around a fuzzed engine: memory, packet path, clock, reset, log. See ``bench_hdl.fuzz_top``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer

from saoffload.sim.bench_hdl.responder import FAULTY_WORD
from saoffload.sim.fuzz.image import RUBBISH, Piece, asked_keys
from saoffload.sim.fuzz.records import MEMORY_BYTES
from saoffload.sim.fuzz.scenario import Fault, Scenario
from saoffload.sim.model import Key

from .strobes import CLOCK_PS, clock_number, number

RESET_CLOCKS = 8
DRAIN_CLOCKS = 4000
WORD_BYTES = 8
_MEMORY_SETTINGS = ("latency", "spread", "late_clocks", "address_stall", "beat_stall", "does_mix")
_KINDS = ("key", "handle")
_RESPONSE, _LAST, _TIMING = (FAULTY_WORD[name].offset for name in ("response", "last", "timing"))


class Surroundings:
    """Sets the ports of ``dut``, writes the files that it reads, and reads the one that it writes."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        self._image = bytearray(RUBBISH)
        self._written: set[int] = set()
        self._faults: dict[int, int] = {}
        #: What to add to the design's clock to get the bench's.
        self._clock_offset = 0

    async def begin(self) -> None:
        """Starts the clock and fills the memory, once."""
        dut = self._dut
        for name in ("aclk", "aresetn", "do_restart", "do_open", "do_flush", "is_logged", "seed", "do_release"):
            getattr(dut, name).value = 0
        for name in ("memory", "keys", "handles"):
            getattr(dut, f"do_load_{name}").value = 0
        await Timer(CLOCK_PS, "ps")
        Clock(dut.aclk, CLOCK_PS, "ps").start()
        await self._load("memory", self._words(range(MEMORY_BYTES // WORD_BYTES)))

    async def prepare(self, scenario: Scenario) -> None:
        """Resets everything. The packet path is silent, and the log begins anew."""
        dut, around = self._dut, scenario.surroundings
        for name, value in (("aresetn", 0), ("is_logged", 0), ("do_release", 0), ("do_restart", 1), ("do_flush", 0)):
            getattr(dut, name).value = value
        dut.seed.value = around.seed
        for name in _MEMORY_SETTINGS:
            getattr(dut, name).value = getattr(around, name)
        for kind in _KINDS:
            for name, value in (("rate", 0), ("hold", around.hold), ("is_frozen", 0), ("is_draining", 0)):
                getattr(dut, f"{kind}_{name}").value = value
        for place in self._written:
            at = place * WORD_BYTES
            self._image[at : at + WORD_BYTES] = RUBBISH[at : at + WORD_BYTES]
        stale = self._written | set(self._faults)
        self._written.clear()
        self._faults = {fault.address // WORD_BYTES: _fault_bits(fault) for fault in scenario.faults}
        await self._load("memory", self._words(stale | set(self._faults)))
        await self._load("keys", ((place, _key_bits(key)) for place, key in enumerate(asked_keys(scenario))))
        await self._strobe("do_open")
        await ClockCycles(dut.aclk, RESET_CLOCKS)
        self._clock_offset = clock_number() - number(dut.clock)
        dut.do_restart.value = 0
        await ClockCycles(dut.aclk, RESET_CLOCKS)
        dut.aresetn.value = 1
        dut.is_logged.value = 1
        await ClockCycles(dut.aclk, RESET_CLOCKS)

    def start_packets(self, scenario: Scenario) -> None:
        """From now on packets ask."""
        self._dut.key_rate.value = scenario.surroundings.key_rate
        self._dut.handle_rate.value = scenario.surroundings.handle_rate

    async def write(self, pieces: Iterable[Piece]) -> None:
        """Puts these into memory."""
        places: set[int] = set()
        for address, data in pieces:
            self._image[address : address + len(data)] = data
            places.update(range(address // WORD_BYTES, (address + len(data) + WORD_BYTES - 1) // WORD_BYTES))
        self._written |= places
        await self._load("memory", self._words(places))

    async def ask_handles(self, handles: Iterable[int]) -> None:
        """From now on packets ask for these."""
        await self._load("handles", enumerate(handles))

    def freeze(self, *, is_frozen: bool) -> None:
        """Whether answers are kept and not retired."""
        for kind in _KINDS:
            getattr(self._dut, f"{kind}_is_frozen").value = int(is_frozen)

    def release(self) -> None:
        """Memory answers what it withheld."""
        self._dut.do_release.value = 1

    async def drain(self) -> bool:
        """Lets all answers come and be retired. False when some do not."""
        dut = self._dut
        self.freeze(is_frozen=False)
        for kind in _KINDS:
            getattr(dut, f"{kind}_is_draining").value = 1
        for _ in range(DRAIN_CLOCKS // 32):
            await ClockCycles(dut.aclk, 32)
            if not any(number(getattr(dut, f"{kind}_used_count")) for kind in _KINDS):
                return True
        return False

    async def read_log(self) -> str:
        """Everything that was logged since ``prepare``, and nothing more is."""
        await RisingEdge(self._dut.aclk)
        self._dut.is_logged.value = 0
        await self._strobe("do_flush")
        return _logged()

    def now(self) -> int:
        """The clock, as records count them."""
        return clock_number() - self._clock_offset

    def of_bench(self, clock: int) -> int:
        """A clock of the bench, as records count them."""
        return clock - self._clock_offset

    def _words(self, places: Iterable[int]) -> Iterable[tuple[int, int]]:
        image, faults = self._image, self._faults
        for place in sorted(places):
            word = int.from_bytes(image[place * WORD_BYTES : (place + 1) * WORD_BYTES], "little")
            yield place, word | faults.get(place, 0)

    async def _load(self, name: str, words: Iterable[tuple[int, int]]) -> None:
        text = "\n".join(f"@{place:x} {word:x}" for place, word in words)
        if text:
            _put(f"{name}.hex", text + "\n")
            await self._strobe(f"do_load_{name}")

    async def _strobe(self, name: str) -> None:
        port = getattr(self._dut, name)
        port.value = 1
        await Timer(1, "ps")
        port.value = 0
        await Timer(1, "ps")


def _logged() -> str:
    return Path("events.log").read_text()


def _put(name: str, text: str) -> None:
    Path(name).write_text(text)


def _fault_bits(fault: Fault) -> int:
    return fault.response << _RESPONSE | fault.last << _LAST | fault.timing << _TIMING


def _key_bits(key: Key) -> int:
    return key.spi | key.destination << 32 | key.family << 160 | key.protocol << 161
