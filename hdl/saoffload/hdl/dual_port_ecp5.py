"""Dual port memories of ECP5: DP16KD blocks in their native shapes, with the registers at their outputs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from amaranth.hdl import Array, Cat, ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import wiring

if TYPE_CHECKING:
    from saoffload.hdl.dual_port import DualPortSignature

BLOCK_WORDS = 16384
"""Words of one block where it is deepest."""


@dataclass(frozen=True)
class Shape:
    """One way to use a DP16KD. 512 x 36 is none: in that, one port can only write and the other only read."""

    width: int
    #: Where the word's address begins in the 14 bits of the block's; below, nothing is looked at but ``ones``.
    low_bit: int
    #: Address bits that enable the bytes of a write in this shape.
    ones: int = 0

    @property
    def depth(self) -> int:
        return BLOCK_WORDS >> self.low_bit


# The vendor's own netlists tie the lowest address bit of the 9-bit shape to 1 as if it, too, enabled a byte; so do we.
SHAPES = (Shape(18, 4, ones=0b11), Shape(9, 3, ones=0b1), Shape(4, 2), Shape(2, 1), Shape(1, 0))
"""From the widest to the deepest."""


@dataclass(frozen=True)
class Bank:
    """``depth`` words of all bits, made of blocks side by side, all in one shape."""

    depth: int
    shape: Shape

    def blocks(self, width: int) -> int:
        return -(-width // self.shape.width)


def banks_of(depth: int) -> list[Bank]:
    """How the words are divided. Each bank has the widest shape that holds all its words: that needs the fewest blocks,
    and no gate behind them. Only what is deeper than a block in its deepest shape has more banks than one.
    """
    full_count, rest = divmod(depth, BLOCK_WORDS)
    banks = [Bank(BLOCK_WORDS, SHAPES[-1])] * full_count
    if rest:
        banks.append(Bank(rest, next(shape for shape in SHAPES if shape.depth >= rest)))
    return banks


def is_ecp5(platform: object) -> bool:
    """Whether a design for this platform may have DP16KD in it."""
    return str(getattr(platform, "device", "")).startswith("LFE5U")


class Ecp5DualPort(wiring.Component):
    """The promise of ``DualPortMemory``, kept by DP16KD. Behind more than one bank stands a multiplexer."""

    def __init__(self, signature: "DualPortSignature"):
        self._width = signature.width
        self._banks = banks_of(signature.depth)
        super().__init__(signature)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        number_bits = range((BLOCK_WORDS - 1).bit_length(), len(self.a_address))
        a_words = []
        b_words = []
        for number, bank in enumerate(self._banks):
            a_word = Signal(self._width, name=f"a_word_{number}")
            b_word = Signal(self._width, name=f"b_word_{number}")
            is_written = self.b_do_write
            if len(self._banks) > 1:
                is_written = self.b_do_write & (self.b_address[number_bits.start :] == number)
            for column in range(bank.blocks(self._width)):
                bits = slice(column * bank.shape.width, min((column + 1) * bank.shape.width, self._width))
                m.submodules[f"block_{number}_{column}"] = self._block(
                    bank.shape, a_word[bits], b_word[bits], self.b_write_data[bits], is_written
                )
            a_words.append(a_word)
            b_words.append(b_word)
        for address, words, output in (
            (self.a_address, a_words, self.a_data),
            (self.b_address, b_words, self.b_data),
        ):
            m.d.comb += output.eq(self._chosen(m, address[number_bits.start :], words))
        return m

    @staticmethod
    def _chosen(m: Module, number: Value, words: list[Signal]) -> Value:
        """The word of the bank that was addressed two clocks ago."""
        if len(words) == 1:
            return words[0]
        number_1 = Signal(len(number), reset_less=True)
        number_2 = Signal(len(number), reset_less=True)
        m.d.sync += [number_1.eq(number), number_2.eq(number_1)]
        return Value.cast(Array(words)[number_2])

    def _block(
        self, shape: Shape, a_word: Value, b_word: Value, b_write_data: Value, is_written: Value | Signal
    ) -> Instance:
        """One DP16KD. Every input is tied, so that nothing depends on what a tool does with an open one."""
        word_bits = (shape.depth - 1).bit_length()
        pins: dict[str, object] = {}
        for port, address, word, data, do_write in (
            ("A", self.a_address, a_word, Const(0, 0), Const(0, 1)),
            ("B", self.b_address, b_word, b_write_data, is_written),
        ):
            wide_address = Cat(Const(shape.ones, shape.low_bit), _padded(address[:word_bits], word_bits))
            pins |= {f"i_AD{port}{bit}": wide_address[bit] for bit in range(14)}
            wide_data = _padded(Value.cast(data), 18)
            pins |= {f"i_DI{port}{bit}": wide_data[bit] for bit in range(18)}
            pins |= {f"o_DO{port}{bit}": word[bit] for bit in range(len(word))}
            pins |= {f"i_CS{port}{bit}": Const(0, 1) for bit in range(3)}
            pins |= {
                f"p_DATA_WIDTH_{port}": shape.width,
                f"p_REGMODE_{port}": "OUTREG",
                # A write leaves the output alone.
                f"p_WRITEMODE_{port}": "NORMAL",
                f"p_CSDECODE_{port}": "0b000",
                f"i_CLK{port}": ClockSignal(),
                f"i_CE{port}": Const(1, 1),
                f"i_OCE{port}": Const(1, 1),
                f"i_WE{port}": do_write,
                f"i_RST{port}": Const(0, 1),
            }
        return Instance("DP16KD", p_RESETMODE="SYNC", p_ASYNC_RESET_RELEASE="SYNC", p_GSR="DISABLED", **pins)


def _padded(value: Value, width: int) -> Value:
    """The value with zeros above it."""
    return Value.cast(Cat(value, Const(0, max(0, width - len(value)))))
