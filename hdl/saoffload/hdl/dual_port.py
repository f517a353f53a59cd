"""A block RAM with two ports of two clocks, fast enough to stand at both ends of a pipeline."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from saoffload.hdl.dual_port_ecp5 import Ecp5DualPort, banks_of, is_ecp5
from saoffload.hdl.memory import UNINITIALISED


class DualPortSignature(wiring.Signature):
    """Ports of a dual port memory, seen from it. Raises ``ValueError`` for a size that cannot be built."""

    def __init__(self, *, width: int, depth: int):
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        if depth < 2:
            raise ValueError(f"depth must be at least 2, got {depth}")
        self.width = width
        self.depth = depth
        super().__init__(
            {
                "a_address": In(range(depth)),
                "a_data": Out(width),
                "b_address": In(range(depth)),
                "b_do_write": In(1),
                "b_write_data": In(width),
                "b_data": Out(width),
            }
        )


class DualPortMemory(wiring.Component):
    """Reads a word on port A and reads or writes one on port B, in every clock; what is read comes two clocks later.

    A word written in clock n is what reads of clock n + 1 and after give. Three things are unknown, and must not
    matter: the word that port A reads in the clock in which port B writes it (see ``WriteCollision``), ``b_data`` two
    clocks after a write, and what an address beyond ``depth`` reads or destroys. Nothing is ever reset: contents and
    outputs are unknown after one.

    On ECP5 (``platform.device`` begins with ``LFE5U``) it consists of DP16KD with their output registers, which
    synthesis never uses by itself: 1 ns from the clock to the data instead of 6. Everywhere else it is described so
    that synthesis finds a block RAM with a register behind it. A port that is not used costs nothing, unconnected.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Words, at least 2.

    Members
    -------
    a_address : In
    a_data : ``Out(width)``
    b_address, b_do_write, b_write_data : In
    b_data : ``Out(width)``

    Latency 2 clocks on both ports; one access per port and clock.
    """

    def __init__(self, *, width: int, depth: int):
        self._ports = DualPortSignature(width=width, depth=depth)
        super().__init__(self._ports)

    @staticmethod
    def blocks(width: int, depth: int) -> int:
        """The DP16KD that a memory takes on ECP5."""
        return sum(bank.blocks(width) for bank in banks_of(depth))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        realisation = Ecp5DualPort if is_ecp5(platform) else GenericDualPort
        m.submodules.memory = memory = realisation(self._ports)
        wiring.connect(m, wiring.flipped(self), memory)
        return m


class GenericDualPort(wiring.Component):
    """The promise of ``DualPortMemory``, for any synthesis and for simulation.

    Both read ports are combinational ones behind registers, with ``no_rw_check``: a synchronous port would promise the
    word of before, and synthesis would build a bypass for it. The write port and the read port of B have one
    address, so that yosys makes them one port of the block RAM.
    """

    def __init__(self, signature: DualPortSignature):
        self._width = signature.width
        self._depth = signature.depth
        super().__init__(signature)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=self._width, depth=self._depth, init=[], attrs={"no_rw_check": 1, "ram_style": "block"}
        )
        write_port = memory.write_port()
        m.d.comb += [
            write_port.addr.eq(self.b_address),
            write_port.data.eq(self.b_write_data),
            write_port.en.eq(self.b_do_write),
        ]
        for name, address, output in (("a", self.a_address, self.a_data), ("b", self.b_address, self.b_data)):
            read_port = memory.read_port(domain="comb")
            words = [
                Signal(self._width, name=f"{name}_word_{clock}", reset_less=True, attrs=UNINITIALISED)
                for clock in (1, 2)
            ]
            m.d.comb += [read_port.addr.eq(address), output.eq(words[1])]
            m.d.sync += Cat(words).eq(Cat(read_port.data, words[0]))
        return m


class WriteCollision(wiring.Component):
    """Tells, when a word that port A has read comes out, whether it is unknown because port B was writing it.

    Parameters: ``depth`` of the memory.

    Members: ``read_address``, ``write_address``, ``do_write``: what the memory's ports have. ``collided``: two clocks
    later.

    Latency 2 clocks, as the memory; two levels of logic at most between registers, up to 2**32 words.
    """

    def __init__(self, *, depth: int):
        super().__init__(
            {
                "read_address": In(range(depth)),
                "write_address": In(range(depth)),
                "do_write": In(1),
                "collided": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        pairs = range(0, len(self.read_address), 2)
        equal = Signal(len(pairs) + 1, reset_less=True)
        collided = Signal(reset_less=True)
        m.d.sync += [
            equal.eq(
                Cat(
                    *(self.read_address[low : low + 2] == self.write_address[low : low + 2] for low in pairs),
                    self.do_write,
                )
            ),
            collided.eq(equal.all()),
        ]
        m.d.comb += self.collided.eq(collided)
        return m
