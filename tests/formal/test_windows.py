"""The windows: what is allowed lies in one of them, and nothing else is refused."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from tests.formal.prover import Proof, Run, Spec, broken, mutant
from tests.formal.sizes import MANY, SERIAL

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import Abi
from saoffload.hdl.walk.windows import WindowTable

ONE_LIST = replace(SERIAL, windows=2)
MANY_LISTS = replace(MANY, windows=2)
"""With contexts a check is noted in parts."""
WIDE = 64
"""Bits of a bus as wide as memory; with contexts the long sums are cut in two there."""
LIST_END = 1 << 64
PAGE_BITS = 12

ALLOWS = "a node is allowed if and only if one window holds all its bytes"
TRANSLATES = "the lowest window that holds it gives its number and its bus address"
JUDGES = "a write is refused if and only if the contract says so, or it was locked in any clock of it"
ANSWERS_ONCE = "a write is taken two clocks, or with contexts three, after it is looked at, and answered once"


class Account:
    """The windows as the host wrote them, and what they mean, in numbers that never wrap."""

    def __init__(self, spec: Spec, m: Module, *, is_locked: Value, config: EngineConfig):
        self._spec = spec
        self._config = config
        bus_end = 1 << config.address_width
        writes, answers = spec.dut.writes, spec.dut.write_answers
        write = writes.payload
        spec.assume_stream(m, writes)
        count = config.windows
        self.base = [Signal(64, name=f"base_{number}") for number in range(count)]
        self.size = [Signal(64, name=f"size_{number}") for number in range(count)]
        self.bus = [Signal(64, name=f"bus_{number}") for number in range(count)]
        # What follows from them: where a window ends, and how far memory and bus are apart, modulo 2**64.
        self.end = [Signal(65, name=f"end_{number}") for number in range(count)]
        self.offset = [Signal(64, name=f"offset_{number}") for number in range(count)]
        self.takes = Signal()
        self.was_locked = Signal()
        is_looked_at = writes.valid & ~answers.valid
        m.d.comb += self.takes.eq(writes.valid & writes.ready)
        with m.If(self.takes):
            m.d.sync += self.was_locked.eq(0)
        with m.Elif(is_looked_at):
            m.d.sync += self.was_locked.eq(self.was_locked | is_locked)
        is_crooked = (
            (write.base[:3] != 0)
            | (write.size[:3] != 0)
            | (write.bus_base[:3] != 0)
            | (write.base[:PAGE_BITS] != write.bus_base[:PAGE_BITS])
            | (write.index >= count)
        )
        is_past = (write.base + write.size > LIST_END) | (write.bus_base + write.size > bus_end)
        self.is_flawed, self.is_refused_so_far, self.is_refused = Signal(), Signal(), Signal()
        m.d.comb += [
            self.is_flawed.eq(is_crooked | self.was_locked),
            self.is_refused_so_far.eq(self.is_flawed | is_past),
            self.is_refused.eq(self.is_refused_so_far | is_locked),
        ]
        self.commits = Signal()
        m.d.comb += self.commits.eq(self.takes & ~self.is_refused)
        for number in range(count):
            with m.If(self.commits & (write.index == number)):
                m.d.sync += [
                    self.base[number].eq(write.base),
                    self.size[number].eq(write.size),
                    self.bus[number].eq(write.bus_base),
                    self.end[number].eq(write.base + write.size),
                    self.offset[number].eq(write.bus_base - write.base),
                ]

    def holds(self, number: int, address: Value, abi: Value) -> Value:
        """Whether a window holds all bytes of a node."""
        is_x86 = Value.cast(abi) == Abi.X86
        end = address + Mux(is_x86, 12, 24)
        return (address >= self.base[number]) & (end <= self.end[number]) & (~is_x86 | (end <= 1 << 32))

    def bus_address(self, number: int, address: Value) -> Value:
        """Where an address in a window lies on the bus."""
        return Value.cast((address + self.offset[number])[: self._config.address_width])

    def lemmas(self, m: Module, windows: Value) -> None:
        """What the registers hold of what was written."""
        spec, address_width = self._spec, self._config.address_width
        low_bits = address_width - 3
        fields = (
            ("is_on", 1),
            ("first", 61),
            ("last", low_bits),
            ("crosses", 1),
            ("page", address_width - PAGE_BITS),
        )
        width = sum(bits for _, bits in fields)
        for number in range(self._config.windows):
            window = windows.word_select(number, width)
            held, start = {}, 0
            for name, bits in fields:
                held[name] = window[start : start + bits]
                start += bits
            base, size, bus = self.base[number][3:], self.size[number][3:], self.bus[number]
            shorter = (size - 2)[:low_bits]
            last = base[:low_bits] + shorter
            is_on = size >= 2
            spec.lemma(m, "a window without room is off", held["is_on"] == is_on)
            spec.lemma(m, "its first word is kept", held["first"] == ~base, given=is_on)
            spec.lemma(m, "its last word is kept", held["last"] == ~last[:low_bits], given=is_on)
            spec.lemma(m, "its carry is kept", held["crosses"] == last[low_bits], given=is_on)
            spec.lemma(m, "its end is that", self.end[number] == self.base[number] + self.size[number])
            spec.lemma(
                m, "its last word ends there", held["last"] == ~(self.end[number][3:] - 2)[:low_bits], given=is_on
            )
            offset = self.offset[number]
            spec.lemma(m, "its place on the bus is kept", held["page"] == offset[PAGE_BITS:address_width], given=is_on)
            spec.lemma(m, "it is whole pages away", offset[:PAGE_BITS] == 0)
            spec.lemma(m, "it is on the bus", bus + self.size[number] <= 1 << address_width)
            spec.lemma(m, "it is in memory", self.base[number] + self.size[number] <= LIST_END)
            spec.lemma(m, "it is aligned", Cat(self.base[number][:3], self.size[number][:3], bus[:3]) == 0)
            spec.lemma(m, "pages agree", self.base[number][:PAGE_BITS] == bus[:PAGE_BITS])


class Contract(Spec):
    """Any address in any clock, while the host writes what it likes.

    With contexts a bus address is added up in two clocks, so it means something only if no write is committed in the
    first of them. None is while anything walks: the windows are locked.
    """

    def __init__(self, dut: WindowTable, config: EngineConfig):
        super().__init__(dut)
        self._config = config

    def describe(self, m: Module) -> None:
        dut, check, config = self.dut, self.dut.check, self._config
        account = Account(self, m, is_locked=dut.is_locked, config=config)
        is_x64 = Value.cast(check.abi) == Abi.X64
        self.assume(m, (check.address[:2] == 0) & ~(is_x64 & check.address[2]))
        holds = Signal(config.windows)
        m.d.comb += holds.eq(Cat(account.holds(number, check.address, check.abi) for number in range(config.windows)))
        held = self.before(m, holds)
        bus = [self.before(m, account.bus_address(n, check.address)) for n in range(config.windows)]
        self.promise(m, ALLOWS, check.is_allowed == held.any(), given=self.before(m, self.is_running))
        stays = Value.cast(config.is_serial | ~self.before(m, account.commits))
        for number, decides in enumerate((held[0], held == 0b10)):
            self.promise(m, TRANSLATES, check.window == number, given=decides)
            self.promise(m, TRANSLATES, check.bus_address == bus[number], given=decides & stays)

        was_taken = self.before(m, account.takes)
        answers = dut.write_answers
        self.promise(m, JUDGES, answers.payload.refused == self.before(m, account.is_refused), given=was_taken)
        self.promise(m, ANSWERS_ONCE, answers.valid, given=was_taken)
        self.promise(
            m, ANSWERS_ONCE, ~answers.valid, given=~was_taken & ~self.before(m, answers.valid & ~answers.ready)
        )
        self.promise(m, ANSWERS_ONCE, self.keeps(m, answers))
        waited = Signal(2)
        with m.If(dut.writes.valid & ~answers.valid & ~account.takes):
            m.d.sync += waited.eq(waited + 1)
        with m.Else():
            m.d.sync += waited.eq(0)
        states = ("ALIGN", "JUDGE", "COMMIT") if config.is_serial else ("ALIGN", "JUDGE", "WEIGH", "COMMIT")
        last = len(states) - 1
        self.promise(m, ANSWERS_ONCE, account.takes == (waited == last))
        self.lemma(m, "a new look begins afresh", ~account.was_locked, given=waited == 0)
        self.lemma(m, "nothing waits for long", waited <= last)
        for clocks, state in enumerate(states):
            self.lemma(m, "each look has its state", (waited == clocks) == self.state("fsm", state))
        self.lemma(m, "who is looked at is there", dut.writes.valid & ~answers.valid, given=waited != 0)
        self._tie_write(
            m, account, waited=waited, is_weighed=Value.cast(~Value.cast(config.is_serial) & (waited == last))
        )
        account.lemmas(m, self.inside("windows_q"))
        self.reach(m, "a node of the second window", check.is_allowed & (check.window == 1) & (bus[1] != 0))
        self.reach(m, "a window that ends with memory", (account.base[0] + account.size[0] == LIST_END) & held[0])

    def _tie_write(self, m: Module, account: Account, *, waited: Value, is_weighed: Value) -> None:
        """What is known of a write on its way."""
        is_looked_at, is_judged = waited != 0, waited > 1
        write = self.dut.writes.payload
        size, bus_base = write.size[3:], write.bus_base[3:]
        low_bits = self._config.address_width - 3
        is_empty, is_refused, shorter = (self.inside(name) for name in ("is_empty_q", "is_refused_q", "shorter_q"))
        is_far = (size >= (1 << low_bits) + 2) | (bus_base >= 2 << low_bits)
        self.lemma(m, "two words are taken off", shorter == (size - 2)[:low_bits], given=is_looked_at)
        self.lemma(m, "no room is known", is_empty == (size < 2), given=is_looked_at & ~is_refused)
        is_crooked = account.is_flawed | is_far
        self.lemma(m, "what is crooked is known", is_refused == is_crooked, given=is_looked_at & ~is_weighed)
        self.lemma(m, "what is refused is known", is_refused == account.is_refused_so_far, given=is_weighed)
        if not self._config.is_serial:
            for number in range(self._config.windows):
                is_meant = is_weighed & ~account.is_refused_so_far & (write.index == number)
                self.lemma(m, "whom it is meant for is known", self.inside("meant_q")[number] == is_meant)
        for name, start in (("carries_q", write.base), ("bus_carries_q", write.bus_base)):
            carry = (start[3 : 3 + low_bits] + shorter + 1)[low_bits]
            self.lemma(m, "what lies beyond is, too", self.inside(name) == carry, given=is_judged)
        if not self._config.is_serial:
            last = (write.base[3 : 3 + low_bits] + shorter)[: low_bits + 1]
            self.lemma(m, "its last word is known", self.inside("last_x86") == last, given=is_judged)
            offset = write.bus_base[PAGE_BITS:] - write.base[PAGE_BITS:]
            known = self.inside("offset")
            self.lemma(m, "its place on the bus is known", known == offset[: len(known)], given=is_judged)


def table(config: EngineConfig, old: str = "", new: str = "") -> Contract:
    """The contract around the window table, or around one of which a piece is replaced."""
    return Contract((mutant(WindowTable, old, new) if old else WindowTable)(config), config)


def proof(name: str, config: EngineConfig, *changes: tuple[str, str, str, str]) -> Proof:
    """Of a table, and that it is rejected with each of the changes: a name, what it breaks, a piece, and another."""
    spec = partial(table, config)
    return Proof(
        name=name,
        spec=spec,
        depth=2,
        reach_depth=12,
        broken=tuple(broken(spec, *change) for change in changes),
        broken_depth=14,
        is_nightly=True,
    )


PROOFS = [
    proof(
        "windows",
        ONE_LIST,
        (
            "one-word-too-long",
            ALLOWS,
            "Cat(~is_x86, window.not_last_x86_low)",
            "Cat(Const(0, 1), window.not_last_x86_low)",
        ),
        ("forgets-the-carry", ALLOWS, "window.crosses.eq(last_x86[self._low_bits])", "window.crosses.eq(0)"),
        ("the-highest-window", TRANSLATES, "mark=bus_page)", "mark=bus_pages[-1])"),
        (
            "looks-at-the-lock-once",
            JUDGES,
            "is_refused_q.eq(is_refused_q | self.is_locked)",
            "is_refused_q.eq(is_refused_q)",
        ),
        ("past-the-bus", JUDGES, "~is_empty_q) | is_bus_far", "~is_empty_q)"),
        ("takes-at-once", ANSWERS_ONCE, 'm.next = "JUDGE"', 'm.next = "COMMIT"'),
    ),
    proof(
        "windows-on-a-wide-bus",
        replace(ONE_LIST, address_width=WIDE),
        ("past-memory", JUDGES, "(carries_q & is_base_last & ~is_empty_q) | is_bus_far", "is_bus_far"),
    ),
    proof(
        "windows-with-contexts",
        MANY_LISTS,
        (
            "forgets-that-it-crosses",
            ALLOWS,
            "Mux(is_in_first_part, crosses | is_below_end, crosses & is_below_end)",
            "Mux(is_in_first_part, is_below_end, crosses & is_below_end)",
        ),
        (
            "adds-the-page-of-now",
            TRANSLATES,
            "m.d.sync += low_q.eq(page[:low] + offset[:low])",
            "m.d.comb += low_q.eq(page[:low] + offset[:low])",
        ),
    ),
    proof(
        "windows-with-contexts-on-a-wide-bus",
        replace(MANY_LISTS, address_width=WIDE),
        (
            "forgets-the-lower-part",
            ALLOWS,
            'noted("carry", Const(0, 1)) | (carry & noted("more", Const(1, 1)))',
            'noted("carry", Const(0, 1))',
        ),
        (
            "looks-at-no-abi",
            ALLOWS,
            "check.is_allowed.eq(found.is_any & is_in_abi)",
            "check.is_allowed.eq(found.is_any)",
        ),
        (
            "forgets-the-carry-of-a-page",
            TRANSLATES,
            "Cat(carry, offset[low:])",
            "Cat(Const(0, 1), offset[low:])",
        ),
        ("past-memory", JUDGES, "(carries_q & is_base_last & ~is_empty_q) | is_bus_far", "is_bus_far"),
        ("takes-at-once", ANSWERS_ONCE, 'm.next = "JUDGE"', 'm.next = "COMMIT"'),
    ),
]


def test_windows(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
