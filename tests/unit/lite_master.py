"""The master's side of AXI4-Lite in Amaranth's simulator: one access at a time, and the host driver's way in."""

from typing import Any

from saoffload.host.transport import AxiResponse, Transport, TransportError

CLOCK_HZ = 100e6


async def write(ctx: Any, axi: Any, address: int, value: int, *, strobe: int = 0b1111) -> tuple[int, int]:
    """Writes; returns the response, and the clocks from address and data to it."""
    ctx.set(axi.awaddr, int(address))
    ctx.set(axi.wdata, value)
    ctx.set(axi.wstrb, strobe)
    ctx.set(axi.awvalid, 1)
    ctx.set(axi.wvalid, 1)
    await ctx.tick().until(axi.awready & axi.wready)
    ctx.set(axi.awvalid, 0)
    ctx.set(axi.wvalid, 0)
    ctx.set(axi.bready, 1)
    clock_count = 0
    while True:
        _, _, is_valid, response = await ctx.tick().sample(axi.bvalid, axi.bresp)
        clock_count += 1
        if is_valid:
            break
    ctx.set(axi.bready, 0)
    return response, clock_count


async def read(ctx: Any, axi: Any, address: int) -> tuple[int, int, int]:
    """Reads; returns the response, the word, and the clocks from the address to them."""
    ctx.set(axi.araddr, int(address))
    ctx.set(axi.arvalid, 1)
    await ctx.tick().until(axi.arready)
    ctx.set(axi.arvalid, 0)
    ctx.set(axi.rready, 1)
    clock_count = 0
    while True:
        _, _, is_valid, response, word = await ctx.tick().sample(axi.rvalid, axi.rresp, axi.rdata)
        clock_count += 1
        if is_valid:
            break
    ctx.set(axi.rready, 0)
    return response, word, clock_count


class SimulatedTransport(Transport):
    """Registers behind ``axi`` for one bench of a simulation, which lends its ``ctx``. Time is counted in clocks from
    the first access on; only what this transport waits for counts, which is enough for the driver's deadlines.
    """

    def __init__(self, ctx: Any, axi: Any) -> None:
        self._ctx = ctx
        self._axi = axi
        self._clock = 0
        self.poll_interval = 16 / CLOCK_HZ

    async def read32(self, address: int) -> int:
        response, word, clock_count = await read(self._ctx, self._axi, address)
        self._count("read", address, response, clock_count)
        return word

    async def write32(self, address: int, data: int) -> None:
        response, clock_count = await write(self._ctx, self._axi, address, data)
        self._count("write", address, response, clock_count)

    def now(self) -> float:
        return self._clock / CLOCK_HZ

    async def pause(self, seconds: float) -> None:
        clock_count = max(1, round(seconds * CLOCK_HZ))
        await self._ctx.tick().repeat(clock_count)
        self._clock += clock_count

    def _count(self, operation: str, address: int, response: int, clock_count: int) -> None:
        self._clock += clock_count + 1
        if response != AxiResponse.OKAY:
            raise TransportError(operation, address, AxiResponse(response))
