"""The AXI4-Lite slave: one answer per access, in constant time, whatever the manager does."""

from pathlib import Path

from amaranth.hdl import Cat, Module, Mux, Signal
from tests.formal.prover import Broken, Proof, Run, Spec, mutant
from tests.unit.streams import Channel

from saoffload.hdl.bus.axi4 import Response
from saoffload.hdl.bus.lite_slave import FULL_STROBE, LiteSlave

CLOCKS_TO_ANSWER = 4
"""From the later handshake of a write, or that of a read that no write meets, to VALID."""

B_STANDS = "a write's answer stands until it is taken"
R_STANDS = "a read's answer stands until it is taken"
ONE_B = "a write is answered once, 4 clocks after it was there, whoever is ready"
ONE_R = "a read is answered once, 4 clocks after it was there or 5, whoever is ready"
B_IS_TRUE = "a write's answer is what the bank said, or SLVERR for less than four bytes"
R_IS_TRUE = "a read's answer is what the bank said, or SLVERR and 0"
WRITES_ONCE = "the bank is written once per whole write, with its address and data"
READS_ONCE = "the bank is read once per read, with its address"
ONE_ACCESS = "the bank has one access per clock"
TAKES = "addresses and data are taken whenever none is open"


class Contract(Spec):
    """Both kinds of access beside plain accounts of them: what is open, and for how many clocks it has been."""

    def describe(self, m: Module) -> None:
        axi, bank = self.dut.axi, self.dut.registers
        aw = Channel(payload=axi.awaddr, valid=axi.awvalid, ready=axi.awready)
        w = Channel(payload=Cat(axi.wdata, axi.wstrb), valid=axi.wvalid, ready=axi.wready)
        b = Channel(payload=axi.bresp, valid=axi.bvalid, ready=axi.bready)
        ar = Channel(payload=axi.araddr, valid=axi.arvalid, ready=axi.arready)
        r = Channel(payload=Cat(axi.rdata, axi.rresp), valid=axi.rvalid, ready=axi.rready)
        for channel in (aw, w, ar):
            self.assume_stream(m, channel)
        self.promise(m, B_STANDS, self.keeps(m, b))
        self.promise(m, R_STANDS, self.keeps(m, r))
        self.promise(m, ONE_ACCESS, ~(bank.do_read & bank.do_write))
        asks = self._writes(m, aw, w, b)
        self._reads(m, ar, r, asks)

    def _writes(self, m: Module, aw: Channel, w: Channel, b: Channel) -> Signal:
        axi, bank = self.dut.axi, self.dut.registers
        has_address = Signal()
        has_data = Signal()
        address = Signal.like(axi.awaddr)
        data = Signal.like(axi.wdata)
        strobe = Signal.like(axi.wstrb)
        with m.If(aw.valid & aw.ready):
            m.d.sync += [has_address.eq(1), address.eq(axi.awaddr)]
        with m.If(w.valid & w.ready):
            m.d.sync += [has_data.eq(1), data.eq(axi.wdata), strobe.eq(axi.wstrb)]
        with m.If(b.valid & b.ready):
            m.d.sync += [has_address.eq(0), has_data.eq(0)]

        # Clocks since both were there; the clock behind the later handshake is the first.
        is_open = has_address & has_data
        age = Signal(range(1, CLOCKS_TO_ANSWER + 1), init=1)
        with m.If(~is_open | (b.valid & b.ready)):
            m.d.sync += age.eq(1)
        with m.Elif(age != CLOCKS_TO_ANSWER):
            m.d.sync += age.eq(age + 1)
        is_whole = strobe == FULL_STROBE
        asks = Signal()
        m.d.comb += asks.eq(is_open & (age == 1))
        self.promise(m, TAKES, (aw.ready == ~has_address) & (w.ready == ~has_data))
        self.promise(m, ONE_B, b.valid == (is_open & (age == CLOCKS_TO_ANSWER)))
        self.promise(m, WRITES_ONCE, bank.do_write == (asks & is_whole))
        self.promise(
            m,
            WRITES_ONCE,
            (bank.write_address == (address & ~3)) & (bank.write_data == data),
            given=bank.do_write,
        )
        was_mapped = Signal()
        with m.If(is_open & (age == 3)):
            m.d.sync += was_mapped.eq(bank.is_mapped)
        due = Mux(is_whole & was_mapped, Response.OKAY, Response.SLVERR)
        self.promise(m, B_IS_TRUE, axi.bresp == due, given=b.valid)

        self.lemma(m, "the write waits", self.state("write", "COLLECT") == ~is_open)
        self.lemma(m, "the write asks", self.state("write", "ASK") == asks)
        self.lemma(m, "its turn is known", self.inside("does_write_ask") == asks)
        self.lemma(m, "the write is decoded", self.state("write", "WAIT") == (is_open & (age == 2)))
        self.lemma(m, "the write hears", self.state("write", "CAPTURE") == (is_open & (age == 3)))
        self.lemma(m, "the write is answered", self.state("write", "RESPOND") == (is_open & (age == 4)))
        self.lemma(m, "the address is kept", self.inside("write_address_q") == address, given=has_address)
        self.lemma(m, "the data is kept", bank.write_data == data, given=has_data)
        self.lemma(m, "the kind is kept", self.inside("is_whole_q") == is_whole, given=has_data)
        self.lemma(m, "the address is there", self.inside("has_address_q") == has_address, given=~is_open | asks)
        self.lemma(m, "the data is there", self.inside("has_data_q") == has_data, given=~is_open | asks)
        self.lemma(m, "a new write finds none", ~self.inside("has_address_q"), given=is_open & ~asks)
        self.lemma(m, "a new write finds no data", ~self.inside("has_data_q"), given=is_open & ~asks)
        self.reach(m, "a write of less than four bytes", b.valid & ~is_whole & (strobe != 0))
        self.reach(m, "a write into the bank", b.valid & (axi.bresp == Response.OKAY) & ~b.ready)
        return asks

    def _reads(self, m: Module, ar: Channel, r: Channel, write_asks: Signal) -> None:
        axi, bank = self.dut.axi, self.dut.registers
        is_open = Signal()
        has_asked = Signal()
        is_decoded = Signal()
        has_answer = Signal()
        address = Signal.like(axi.araddr)
        data = Signal.like(axi.rdata)
        was_mapped = Signal()
        asks = is_open & ~has_asked & ~write_asks
        with m.If(ar.valid & ar.ready):
            m.d.sync += [is_open.eq(1), address.eq(axi.araddr)]
        with m.If(asks):
            m.d.sync += has_asked.eq(1)
        with m.If(has_asked):
            m.d.sync += is_decoded.eq(1)
        with m.If(is_decoded & ~has_answer):
            m.d.sync += [has_answer.eq(1), was_mapped.eq(bank.is_mapped), data.eq(bank.read_data)]
        with m.If(r.valid & r.ready):
            m.d.sync += [is_open.eq(0), has_asked.eq(0), is_decoded.eq(0), has_answer.eq(0)]

        age = Signal(range(CLOCKS_TO_ANSWER + 3))
        with m.If(~is_open | (r.valid & r.ready)):
            m.d.sync += age.eq(1)
        with m.Elif(age != CLOCKS_TO_ANSWER + 2):
            m.d.sync += age.eq(age + 1)
        self.promise(m, TAKES, ar.ready == ~is_open)
        self.promise(m, READS_ONCE, bank.do_read == asks)
        self.promise(m, READS_ONCE, bank.read_address == (address & ~3), given=bank.do_read)
        self.promise(m, ONE_R, r.valid == has_answer)
        self.promise(m, ONE_R, r.valid, given=is_open & (age > CLOCKS_TO_ANSWER))
        self.promise(m, ONE_R, age >= CLOCKS_TO_ANSWER, given=r.valid)
        self.promise(m, R_IS_TRUE, axi.rdata == Mux(was_mapped, data, 0), given=r.valid)
        self.promise(m, R_IS_TRUE, axi.rresp == Mux(was_mapped, Response.OKAY, Response.SLVERR), given=r.valid)

        self.lemma(m, "the read waits", self.state("read", "COLLECT") == ~is_open)
        self.lemma(m, "the read asks", self.state("read", "ASK") == (is_open & ~has_asked))
        self.lemma(m, "the read is decoded", self.state("read", "WAIT") == (has_asked & ~is_decoded))
        self.lemma(m, "the read hears", self.state("read", "CAPTURE") == (is_decoded & ~has_answer))
        self.lemma(m, "the read is answered", self.state("read", "RESPOND") == has_answer)
        self.lemma(m, "nothing was asked for nobody", (~has_asked | is_open) & (~is_decoded | has_asked))
        self.lemma(m, "nobody was heard before", ~has_answer | is_decoded)
        self.lemma(m, "the read's address is kept", self.inside("read_address_q") == address, given=is_open)
        self.reach(m, "a read that a write delays", r.valid & (age == CLOCKS_TO_ANSWER + 1) & ~self.before(m, r.valid))


def slave(old: str = "", new: str = "") -> Contract:
    """The contract around the slave, or around one of which a piece is replaced."""
    return Contract((mutant(LiteSlave, old, new) if old else LiteSlave)(address_width=4))


def broken(name: str, breaks: str, old: str, new: str) -> Broken:
    return Broken(name=name, spec=lambda: slave(old, new), breaks=breaks)


PROOFS = [
    Proof(
        name="lite-slave",
        spec=slave,
        depth=6,
        rejects_nightly=True,
        reach_depth=12,
        broken=(
            broken("waits-for-bready", ONE_B, "axi.bvalid.eq(1)", "axi.bvalid.eq(axi.bready)"),
            broken("waits-for-rready", ONE_R, "axi.rvalid.eq(1)", "axi.rvalid.eq(axi.rready)"),
            broken("answers-for-one-clock", B_STANDS, "with m.If(axi.bready):", "with m.If(1):"),
            broken("forgets-its-answer", R_STANDS, "axi.rvalid.eq(1)", "axi.rvalid.eq(1); m.d.sync += axi.rresp.eq(0)"),
            broken("answers-half-a-write", ONE_B, ") & (axi.wvalid", ") | (axi.wvalid"),
            broken(
                "writes-in-part",
                WRITES_ONCE,
                "registers.do_write.eq(does_ask & is_whole_q)",
                "registers.do_write.eq(does_ask)",
            ),
            broken("denies-a-fault", B_IS_TRUE, "is_whole_q & registers.is_mapped", "registers.is_mapped"),
            broken(
                "shows-what-is-not",
                R_IS_TRUE,
                "Mux(registers.is_mapped, registers.read_data, 0)",
                "registers.read_data",
            ),
            broken("reads-beside-a-write", ONE_ACCESS, "with m.If(~is_blocked):", "with m.If(1):"),
            broken("reads-where-it-writes", READS_ONCE, "_of_word(read_address_q)", "_of_word(write_address_q)"),
            broken("takes-while-open", TAKES, "axi.arready.eq(1)", "axi.arready.eq(axi.arvalid)"),
        ),
    )
]


def test_lite_slave(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
