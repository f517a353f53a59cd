"""The serial walker: it asks only for what the windows allow, visits no more than its budget, and ends."""

from dataclasses import replace
from pathlib import Path

from amaranth.asserts import AnyConst
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from tests.formal.prover import Proof, Run, Spec, broken, mutant
from tests.formal.sizes import SERIAL

from saoffload.hdl.layouts import Abi, FetchOutcome, Opcode
from saoffload.hdl.walk.fetch import SerialFetch
from saoffload.hdl.walk.walker import Walker

CONFIG = replace(SERIAL, windows=1)
PATIENCE = 4

INSIDE = "a node is asked for only where the check of the clock before allowed it, aligned and not NULL"
BUDGET = "no more nodes are visited than the budget has"
ONE_RESULT = "each command gets one result, with its tag"
DRAINED = "a result comes when every delete is answered, and its counts add up"
STANDS = "what is offered stands until it is taken"
GOES_ON = f"unless somebody else is waited for, something happens within {PATIENCE} clocks"


class WalkerContract(Spec):
    """Windows that hold still, a fetch that answers each node once, a table that answers each delete once."""

    def describe(self, m: Module) -> None:
        dut, check, command = self.dut, self.dut.check, self.dut.commands.payload
        requests, nodes, deletes, results = dut.node_requests, dut.nodes, dut.deletes, dut.results
        takes = Signal()
        m.d.comb += takes.eq(dut.commands.valid & dut.commands.ready)
        self.assume_stream(m, dut.commands)
        self.assume(m, Value.cast(command.opcode) <= Opcode.DELETE.value)
        for stream in (requests, deletes, results):
            self.promise(m, STANDS, self.keeps(m, stream))

        # The same question has the same answer: windows are locked meanwhile.
        question = Cat(check.address, Value.cast(check.abi))
        asked = self.before(m, question)
        answer = Cat(check.is_allowed, check.bus_address)
        self.assume(m, answer == self.before(m, answer), given=(asked == self.before(m, asked)) & self._ran_twice(m))
        is_x64 = asked[64] == Abi.X64.value
        aligned = (asked[:64] != 0) & (asked[:2] == 0) & ~(is_x64 & asked[2])
        self.promise(m, INSIDE, check.is_allowed & aligned, given=requests.valid)
        self.promise(
            m,
            INSIDE,
            (requests.payload.address == check.bus_address) & (Value.cast(requests.payload.abi) == asked[64]),
            given=requests.valid,
        )

        # A node is open from the clock after its request; it comes a clock later at the earliest.
        is_open = Signal()
        age = Signal()
        with m.If(requests.valid & requests.ready):
            m.d.sync += [is_open.eq(1), age.eq(0)]
        with m.Elif(nodes.valid & nodes.ready):
            m.d.sync += is_open.eq(0)
        with m.Else():
            m.d.sync += age.eq(1)
        self.assume_stream(m, nodes)
        self.assume(m, is_open & age, given=nodes.valid)
        self.lemma(m, "a node is waited for", is_open == self.state("fsm", "WAIT"))
        self.lemma(m, "it is known that one is", is_open == self.inside("is_waiting_q"))

        # Deletes.
        owed = Signal(6)
        hands_over = deletes.valid & deletes.ready
        m.d.sync += owed.eq(owed + hands_over - dut.delete_answers.valid)
        self.assume(m, owed != 0, given=dut.delete_answers.valid)
        unanswered = self.inside("unanswered_count")
        self.lemma(m, "deletes are counted", (unanswered == owed) & (owed <= 15))
        self.lemma(m, "there is room for the next", owed + deletes.valid <= 15)

        # The command.
        is_active = Signal()
        tag, budget, visited = Signal.like(command.tag), Signal(32), Signal(32)
        ends = results.valid & results.ready
        with m.If(takes):
            m.d.sync += [is_active.eq(1), tag.eq(command.tag), budget.eq(command.budget), visited.eq(0)]
        with m.Elif(ends):
            m.d.sync += is_active.eq(0)
        with m.If(dut.visited_node):
            m.d.sync += visited.eq(visited + 1)
        is_delete = Signal()
        with m.If(takes):
            m.d.sync += is_delete.eq(Value.cast(command.opcode) == Opcode.DELETE.value)
        limit = budget - 1
        self.promise(m, BUDGET, is_delete | (visited <= Mux(budget == 0, 0xFFFFFFFE, limit)), given=dut.visited_node)
        self.promise(m, ONE_RESULT, is_active & (results.payload.tag == tag), given=results.valid)
        self.promise(m, ONE_RESULT, dut.is_active == is_active)
        self.promise(m, ONE_RESULT, ~is_active, given=takes)
        result = results.payload
        self.promise(m, DRAINED, (owed == 0) & ~deletes.valid, given=results.valid)
        total = (result.deleted + result.not_found)[:32]
        self.promise(m, DRAINED, (result.visited == total) & (result.visited == visited), given=results.valid)
        pending = (owed + deletes.valid)[:6]
        self.lemma(m, "visits are counted", result.visited == visited, given=is_active)
        self.lemma(m, "deletes add up", (total + pending)[:32] == visited, given=is_active)
        self.lemma(m, "nothing is left over", (owed == 0) & ~deletes.valid, given=~is_active)
        self.lemma(m, "who is active has been taken", is_active == ~self.state("fsm", "ACCEPT"))
        self.lemma(m, "the tag is kept", self.inside("tag_q") == tag, given=is_active)

        self._tie_budget(m, budget=budget, visited=visited, is_delete=is_delete)
        self._goes_on(m, takes=takes, is_open=is_open, owed=owed)
        self.reach(m, "a second node is visited", dut.visited_node & (visited == 1))
        self.reach(m, "a walk ends at its budget", results.valid & (visited == budget) & (budget == 1) & ~is_delete)

    def _ran_twice(self, m: Module) -> Signal:
        return self.before(m, self.before(m, self.is_running))

    def _tie_budget(self, m: Module, *, budget: Signal, visited: Signal, is_delete: Signal) -> None:
        is_judged = self.state("fsm", "DECIDE") | self.state("fsm", "ASK") | self.state("fsm", "WAIT")
        is_head = self.state("fsm", "JUDGE_HEAD")
        left = (budget - visited)[:32]
        self.lemma(
            m, "what is left is counted", self.inside("budget", "not_left_count") == ~left, given=is_judged | is_head
        )
        self.lemma(m, "nothing is visited before the head", visited == 0, given=is_head | self.state("fsm", "DELETE"))
        self.lemma(
            m, "no budget is the largest", self.inside("budget", "is_largest_q") == (budget == 0), given=is_judged
        )
        most = Mux(budget == 0, 0xFFFFFFFF, budget)
        too_long = self.inside("is_too_long_q")
        self.lemma(m, "the end is known", too_long == (visited == most), given=self.state("fsm", "DECIDE"))
        self.lemma(m, "the head is never too long", ~too_long, given=is_head | self.state("fsm", "DELETE"))
        self.lemma(m, "there is room", (visited < most) & ~is_delete, given=is_judged & ~self.state("fsm", "DECIDE"))
        self.lemma(m, "no more than there are", (visited <= most) & ~is_delete, given=is_judged | is_head)
        is_ask = self.state("fsm", "ASK")
        check, address = self.dut.check, self.inside("address_q")
        self.lemma(m, "what is asked for was judged", check.is_allowed, given=is_ask)
        self.lemma(m, "it is this address", self._asked(m) == Cat(address, self.inside("abi_q")), given=is_ask)
        self.lemma(m, "and this one is to be judged", self._asked(m)[:64] == address, given=self.state("fsm", "DECIDE"))
        self.lemma(m, "its ABI too", self._asked(m)[64] == self.inside("abi_q"), given=self.state("fsm", "DECIDE"))
        bad = self.inside("is_null_q") | self.inside("is_misaligned_q")
        self.lemma(m, "it is no bad one", ~bad, given=is_ask)
        self.lemma(m, "a delete is only that", is_delete, given=self.state("fsm", "DELETE"))
        self.lemma(m, "the states are eight", Value.cast(self._fragment.find_generated("fsm").state) < 7)

    def _asked(self, m: Module) -> Signal:
        return self.before(m, Cat(self.dut.check.address, Value.cast(self.dut.check.abi)))

    def _goes_on(self, m: Module, *, takes: Signal, is_open: Signal, owed: Signal) -> None:
        dut = self.dut
        is_excused = (
            (dut.node_requests.valid & ~dut.node_requests.ready)
            | (is_open & ~dut.nodes.valid)
            | (dut.deletes.valid & ~dut.deletes.ready)
            | (owed != 0)
            | (dut.results.valid & ~dut.results.ready)
        )
        idle = Signal(range(PATIENCE + 2))
        with m.If(~dut.is_active | takes | is_excused | dut.visited_node):
            m.d.sync += idle.eq(0)
        with m.Else():
            m.d.sync += idle.eq(idle + (idle != PATIENCE + 1))
        self.promise(m, GOES_ON, idle <= PATIENCE)


COVERS = "the reads of a node are its words, first to last, in one read per page"
NO_CROSSING = "no read crosses 4 KB"
ONE_NODE = "each request gets one node, in order"
STAYS = "a read on offer stays until it is accepted, a node until it is taken"
WORD = 8


def assume_master(spec: Spec, m: Module) -> tuple[Signal, Signal, Signal, Signal]:
    """The read master delivers as many beats as were asked for, the last one final; or an earlier one is, and bad.

    Returns: an abandoned read is on offer; one is under way; of how many beats; how many have come.
    """
    dut, reads, beat = spec.dut, spec.dut.reads, spec.dut.beats.payload
    is_reading = Signal()
    total = Signal(2)
    got = Signal(2)
    is_held = Signal()
    with m.If((dut.beats.valid & beat.is_final) | dut.abandons.valid):
        m.d.sync += is_reading.eq(0)
    with m.If(reads.valid & reads.ready & ~dut.abandons.valid & ~is_held):
        m.d.sync += [is_reading.eq(1), total.eq(reads.payload.beat_count), got.eq(0)]
    with m.If(dut.beats.valid):
        m.d.sync += got.eq(got + 1)
    m.d.sync += is_held.eq(reads.valid & ~reads.ready & (is_held | dut.abandons.valid))
    is_last = got + 1 == total
    spec.assume(m, is_reading, given=dut.beats.valid)
    spec.assume(m, beat.is_final, given=dut.beats.valid & is_last)
    spec.assume(m, is_last | beat.failed, given=dut.beats.valid & beat.is_final)
    return is_held, is_reading, total, got


class FetchContract(Spec):
    """A read master that keeps its promises, and any memory behind it."""

    def describe(self, m: Module) -> None:
        dut, request, read = self.dut, self.dut.requests.payload, self.dut.reads.payload
        reads, nodes = dut.reads, dut.nodes
        accepts = reads.valid & reads.ready
        self.assume_stream(m, dut.requests)
        is_x86 = Value.cast(request.abi) == Abi.X86
        self.assume(m, (request.address[:2] == 0) & (is_x86 | ~request.address[2]))
        self.promise(m, STAYS, self.keeps(m, reads))
        self.promise(m, STAYS, self.keeps(m, nodes))

        # The node under way.
        takes = Signal()
        is_open = Signal()
        address = Signal.like(request.address)
        is_short = Signal()
        m.d.comb += takes.eq(dut.requests.valid & dut.requests.ready)
        with m.If(takes):
            m.d.sync += [is_open.eq(1), address.eq(request.address), is_short.eq(is_x86)]
        with m.Elif(nodes.valid & nodes.ready):
            m.d.sync += is_open.eq(0)
        self.promise(m, ONE_NODE, ~is_open, given=takes)
        self.promise(m, ONE_NODE, is_open, given=nodes.valid)

        is_held, is_reading, total, got = assume_master(self, m)
        begins = reads.valid & ~self.before(m, reads.valid & ~reads.ready)
        self._covers(m, begins=begins, takes=takes, is_x86=is_x86, address=address, is_short=is_short)
        end = read.address[:12] + read.beat_count * WORD
        self.promise(
            m, NO_CROSSING, (end <= 4096) & (read.beat_count != 0) & (read.address[:3] == 0), given=reads.valid
        )
        self._tie(m, is_open=is_open, is_held=is_held, is_reading=is_reading, total=total, got=got)
        self.reach(
            m,
            "a node is delivered that crossed a page",
            nodes.valid & self._second & (Value.cast(nodes.payload.outcome) == FetchOutcome.OK.value),
        )
        self.reach(m, "a held read goes out at last", accepts & is_held)

    def _first(self, address: Value, is_x86: Value) -> Value:
        """Words of the node in the page in which it begins."""
        words = Mux(is_x86, Const(2, 2), Const(3, 2))
        room = Const(512, 10) - address[3:12]
        return Value.cast(Mux(room < words, room, words)[:2])

    def _covers(
        self, m: Module, *, begins: Value, takes: Signal, is_x86: Value, address: Signal, is_short: Signal
    ) -> None:
        request, read = self.dut.requests.payload, self.dut.reads.payload
        self._second = Signal()
        with m.If(takes):
            m.d.sync += self._second.eq(0)
        with m.Elif(begins):
            m.d.sync += self._second.eq(1)
        self.promise(m, COVERS, read.address == (request.address & ~7), given=begins & takes)
        self.promise(m, COVERS, read.beat_count == self._first(request.address, is_x86), given=begins & takes)
        first = self._first(address, is_short)
        words = Mux(is_short, 2, 3)
        behind = begins & ~takes
        self.promise(m, COVERS, ~self._second & (first < words), given=behind)
        self.promise(m, COVERS, read.address == ((address & ~7) + first * WORD)[: len(address)], given=behind)
        self.promise(m, COVERS, read.beat_count == words - first, given=behind)
        self._address, self._short = address, is_short

    def _tie(
        self, m: Module, *, is_open: Signal, is_held: Signal, is_reading: Signal, total: Signal, got: Signal
    ) -> None:
        idle, waits = self.state("fsm", "IDLE"), self.state("fsm", "WAIT")
        offer, receive = self.state("fsm", "OFFER"), self.state("fsm", "RECEIVE")
        offers_second = self.state("fsm", "OFFER_SECOND")
        address_q, short_q = self.inside("address_q"), self.inside("is_x86_q")
        address, short, second = self._address, self._short, self._second
        first = self._first(address, short)
        words = Mux(short, 2, 3)
        on_way = offer | receive | offers_second
        self.lemma(m, "who waits has a request", self.dut.requests.valid, given=waits)
        self.lemma(m, "a node is under way", is_open == ~(idle | waits))
        self.lemma(m, "the states are six", Value.cast(self._fragment.find_generated("fsm").state) < 6)
        self.lemma(m, "what is held is known", self.inside("is_held_q") == is_held)
        self.lemma(m, "what is held is on offer", self.dut.reads.valid, given=is_held)
        self.lemma(m, "nothing else is on offer then", ~on_way, given=is_held)
        self.lemma(m, "a read is received", receive == is_reading)
        self.lemma(m, "its ABI is kept", short_q == short, given=on_way)
        is_first = (offer | receive) & ~second
        self.lemma(
            m, "the first part is kept", (address_q == address) & (self.inside("beat_count_q") == first), given=is_first
        )
        page = (address[12:] + 1)[: len(address) - 12]
        turned = (address_q[12:] == page) & (address_q[3:12] == 0) & (first < words)
        rest = self.inside("beat_count_q") == words - first
        is_second = offers_second | ((offer | receive) & second)
        self.lemma(m, "the second part is kept", turned & rest, given=is_second)
        self.lemma(m, "it comes once", ~second, given=offers_second)
        expected = Mux(second, words - first, first)
        position = Mux(second, first, 0)
        self.lemma(m, "its words are counted", (total == expected) & (got < total), given=receive)
        self.lemma(m, "they are numbered", self.inside("position_q") == position + got, given=receive)
        self.lemma(m, "numbering goes on", self.inside("position_q") == position, given=offer)
        self.lemma(m, "numbering went on", self.inside("position_q") == first, given=offers_second)


LONGEST_TIMEOUT = 3
IN_TIME = "a node comes within three timeouts and eight clocks of its request, whatever the bus does"


class FetchInTime(Spec):
    """A bus that accepts and answers what it likes, or nothing, and IDs that are free again."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        timeout = AnyConst(32)
        self.assume_stream(m, dut.requests)
        self.assume(m, (timeout != 0) & (timeout <= LONGEST_TIMEOUT) & (dut.timeout == timeout))
        self.assume(m, ~dut.busy_ids.any())
        assume_master(self, m)
        waits = Signal(6)
        is_open = Signal()
        with m.If(dut.requests.valid & dut.requests.ready):
            m.d.sync += is_open.eq(1)
        with m.Elif(dut.nodes.valid & dut.nodes.ready):
            m.d.sync += is_open.eq(0)
        with m.If((dut.requests.valid | is_open) & ~dut.nodes.valid):
            m.d.sync += waits.eq(waits + 1)
        with m.Else():
            m.d.sync += waits.eq(0)
        self.promise(m, IN_TIME, waits <= 3 * timeout + 8)
        self.reach(m, "two reads time out behind each other", dut.abandons.valid & self.before(m, waits == 5))


def fetch_in_time(old: str = "", new: str = "") -> FetchInTime:
    """The same fetch, and what it promises of time."""
    return FetchInTime((mutant(SerialFetch, old, new) if old else SerialFetch)(CONFIG))


def walker(old: str = "", new: str = "") -> WalkerContract:
    """The contract around the walker, or around one of which a piece is replaced."""
    return WalkerContract((mutant(Walker, old, new) if old else Walker)(CONFIG))


def fetch(old: str = "", new: str = "") -> FetchContract:
    """The contract around the fetch, or around one of which a piece is replaced."""
    return FetchContract((mutant(SerialFetch, old, new) if old else SerialFetch)(CONFIG))


PROOFS = [
    Proof(
        name="walker",
        spec=walker,
        depth=7,
        reach_depth=14,
        broken_depth=13,
        rejects_nightly=True,
        broken=(
            broken(walker, "asks-outside", INSIDE, "                    & self.check.is_allowed\n", ""),
            broken(walker, "asks-misaligned", INSIDE, "is_misaligned_q | is_too_long_q |", "is_too_long_q |"),
            broken(walker, "one-node-too-many", BUDGET, "is_too_long_q.eq(budget.is_last)", "is_too_long_q.eq(0)"),
            broken(walker, "reports-early", DRAINED, "self.results.valid.eq(is_drained)", "self.results.valid.eq(1)"),
            broken(walker, "tells-the-wrong-tag", ONE_RESULT, "result.tag.eq(tag_q)", "result.tag.eq(self.abort_tag)"),
            broken(walker, "withdraws-a-delete", STANDS, "with m.If(do_hand_over):", "with m.If(self.deletes.valid):"),
            broken(
                walker,
                "stays-when-aborted",
                GOES_ON,
                "self.results.valid.eq(is_drained)",
                "self.results.valid.eq(is_drained & ~self.is_aborted)",
            ),
        ),
    ),
    Proof(
        name="fetch",
        spec=fetch,
        depth=5,
        reach_depth=14,
        broken_depth=12,
        rejects_nightly=True,
        broken=(
            broken(
                fetch,
                "one-read-across-pages",
                NO_CROSSING,
                "Mux(word == WORDS_PER_PAGE - 1, 1,",
                "Mux(word == WORDS_PER_PAGE - 1, 2,",
            ),
            broken(
                fetch,
                "the-same-page-again",
                COVERS,
                "Const(0, PAGE_BITS - 3), next_page",
                "Const(0, PAGE_BITS - 3), page",
            ),
            broken(fetch, "takes-back-a-read", STAYS, "is_held_q.eq(~self.reads.ready)", "is_held_q.eq(0)"),
            broken(
                fetch,
                "delivers-unasked",
                ONE_NODE,
                "[timer.do_start.eq(1), is_direct.eq(~is_held_q)]",
                "[timer.do_start.eq(1), is_direct.eq(~is_held_q), self.nodes.valid.eq(self.requests.valid)]",
            ),
        ),
    ),
    Proof(
        name="fetch-in-time",
        spec=fetch_in_time,
        depth=26,
        is_inductive=False,
        reach_depth=14,
        broken_depth=24,
        is_nightly=True,
        broken=(
            broken(
                fetch_in_time,
                "waits-for-ever",
                IN_TIME,
                "with m.Elif(timer.is_expired):",
                "with m.Elif(timer.is_expired & beat.failed):",
            ),
        ),
    ),
]


def test_walker(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
