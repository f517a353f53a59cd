"""Makes scenarios: tables, windows, a memory full of lists, most of them broken somewhere, and commands that meet."""

from dataclasses import dataclass, field
from random import Random

from saoffload.hdl.config import EngineConfig
from saoffload.sim.model import LAYOUTS, Abi

from .choices import Choices
from .engines import ENGINES
from .records import MEMORY_BYTES
from .scenario import Fault, Name, Node, NodeList, Scenario, Step, Surroundings

PAGE = 4096
ABI_END = {Abi.X64: 1 << 64, Abi.X86: 1 << 32}
MOST_NODES = 640
MOST_ROUNDS = 4
MOST_COMMANDS = 7
NEVER = 2
LONGEST_HOLD = 600
#: Far longer than any read that is answered, whoever else reads: by whether lines are read.
TIMEOUTS = {False: 700, True: 4000}


def make_scenario(choices: Choices, engine: str) -> Scenario:
    """A scenario for the engine of that name."""
    return _Maker(choices, ENGINES[engine]).make()


@dataclass
class _Place:
    """A window, and where it stands on the bus."""

    base: int
    size: int
    bus_base: int


@dataclass
class _Maker:
    choices: Choices
    config: EngineConfig
    windows: list[_Place] = field(default_factory=list)
    lists: list[NodeList] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)
    handles: list[int] = field(default_factory=list)
    command_count: int = 0
    is_restoring: bool = True

    def make(self) -> Scenario:
        choices = self.choices
        surroundings = self._surroundings()
        self.windows = [self._window(number) for number in range(choices.between(1, self.config.windows))]
        for _ in range(choices.between(1, MOST_ROUNDS)):
            self._round(surroundings)
        return Scenario(
            engine=self.config.name,
            surroundings=surroundings,
            windows=tuple((place.base, place.size, place.bus_base) for place in self.windows),
            lists=tuple(self.lists),
            faults=tuple(self.faults.values()),
            steps=tuple(self.steps),
        )

    def _surroundings(self) -> Surroundings:
        choices = self.choices
        timeout = choices.pick((0, TIMEOUTS[bool(self.config.line_buffers)]))
        return Surroundings(
            seed=choices.below(1 << 32),
            latency=choices.pick((1, 2, 5, 13, 13, 40)),
            spread=choices.pick((0, 0, 3, 15)),
            late_clocks=choices.pick((20, 60, 2 * timeout + 100)),
            address_stall=choices.pick((0, 0, 0, 128)),
            beat_stall=choices.pick((0, 0, 0, 128)),
            does_mix=choices.below(2),
            timeout=timeout,
            key_rate=choices.pick((0, 4, 4, 16, 200)),
            handle_rate=choices.pick((0, 4, 4, 16, 200)),
            hold=choices.pick((0, 7, 63, 63, 511)),
        )

    def _round(self, surroundings: Surroundings) -> None:
        """Adds, and then commands that are under way at the same time; in the end all of them are complete."""
        choices = self.choices
        self.taken.clear()
        self._adds(choices.below(self.config.bundles + 2))
        if self.is_restoring and choices.percent(60):
            self.steps.append(Step(do="end_restore"))
            self.is_restoring = False
        has_flush = False
        for _ in range(choices.between(1, MOST_COMMANDS)):
            kind = choices.below(20)
            if kind < 13:
                self._walk(surroundings)
            elif kind < 16:
                self._command(Step(do="delete", name=self._name(choices.random(), Abi.X64)))
            elif kind == 16 and not has_flush:
                self._command(Step(do="flush"))
                has_flush = self.is_restoring = True
            elif kind == 17:
                self.steps.append(Step(do="abort", command=choices.below(self.command_count + 2)))
            elif kind == 18:
                self.steps.append(Step(do="hold", clocks=choices.between(1, LONGEST_HOLD)))
            else:
                self._adds(choices.below(3))
        self.steps.append(Step(do="settle"))

    # The table

    def _adds(self, count: int) -> None:
        for _ in range(count):
            self.steps.append(self._add())

    def _add(self) -> Step:
        choices, bits = self.choices, self.config.index_bits
        random = choices.random()
        handle = 0
        if self.is_restoring and choices.percent(97):
            # Two indices that are none: refused adds must leave nothing behind.
            index = choices.below(self.config.bundles + 2)
            generation = random.choice((0, 1, (1 << (31 - bits)) - 1, random.getrandbits(20)))
            handle = 1 << 31 | (generation << bits | index) & 0x7FFF_FFFF
        self.handles.append(handle)
        return Step(
            do="add",
            sas=tuple(self._key(random) for _ in range(choices.pick((1, 1, 2)))),
            is_outbound=choices.percent(33),
            context=random.getrandbits(self.config.context_width),
            handle=handle,
        )

    @staticmethod
    def _key(random: Random) -> tuple[int, int, int, int]:
        family = random.getrandbits(1)
        destination = random.choice((0, 1, random.getrandbits(32), random.getrandbits(128 if family else 32)))
        return random.choice((0, 1, random.getrandbits(32))), destination, family, random.getrandbits(1)

    def _name(self, random: Random, abi: Abi) -> Name:
        """Mostly what lives; else all kinds of what does not."""
        add = random.randrange(len(self.handles)) if self.handles else None
        if add is None or random.random() < 0.1:
            return Name(flip=random.choice((0, 1 << 31, random.getrandbits(32 if abi is Abi.X86 else 64))))
        if random.random() < 0.75:
            # The latest have the best chances to live.
            return Name(add=max(add, random.randrange(len(self.handles))))
        widest = 31 if abi is Abi.X86 else 63
        return Name(add=add, flip=1 << random.choice((random.randrange(32), self.config.index_bits, widest)))

    # Commands

    def _command(self, step: Step) -> None:
        choices = self.choices
        self.steps.append(step)
        number = self.command_count
        self.command_count += 1
        if choices.percent(12):
            self.steps += [Step(do="pause", clocks=choices.below(800)), Step(do="abort", command=number)]
        elif choices.percent(20):
            self.steps.append(Step(do="pause", clocks=choices.below(2000)))

    def _walk(self, surroundings: Surroundings) -> None:
        choices = self.choices
        abi = choices.pick((Abi.X64, Abi.X86))
        most = choices.pick((2, 1, 0, 30, 160, MOST_NODES, MOST_NODES))
        count = choices.between(min(most, 1), most)
        random = choices.random()
        addresses = self._addresses(random, abi, count)
        if not addresses:
            head = choices.pick((0, 0, random.getrandbits(64)))
            self._command(Step(do="walk", abi=abi.value, head=head))
            return
        tail = self._tail(random, abi, addresses)
        broken = random.randrange(len(addresses)) if choices.percent(15) else None
        nodes = tuple(
            Node(
                address=address,
                next=following,
                handle=self._name(random, abi),
                header_flip=1 << random.randrange(32) if number == broken else 0,
                padding=random.getrandbits(32) if abi is Abi.X64 else 0,
            )
            for number, (address, following) in enumerate(zip(addresses, [*addresses[1:], tail], strict=True))
        )
        self.lists.append(NodeList(abi=abi.value, nodes=nodes))
        if choices.percent(25):
            self._fault(random, abi, random.choice(addresses), surroundings)
        budget = choices.pick((0, 0, 0, 0, len(addresses), random.randint(1, len(addresses))))
        self._command(Step(do="walk", list=len(self.lists) - 1, abi=abi.value, head=addresses[0], budget=budget))
        if choices.percent(10):
            # The same nodes by a second walk, whose handles are gone by then, or being deleted.
            self._command(Step(do="walk", abi=abi.value, head=random.choice(addresses)))

    def _fault(self, random: Random, abi: Abi, address: int, surroundings: Surroundings) -> None:
        bus_address = self._bus_address(address)
        if bus_address is None:
            return
        beat = (bus_address + random.randrange(0, LAYOUTS[abi].size, 4)) & -8
        timings = (0, 1, 3) if not surroundings.timeout else (0, 1, 3, NEVER)
        fault = random.choice(
            (
                Fault(address=beat, response=random.choice((1, 2, 3))),
                Fault(address=beat, last=random.choice((1, 3))),
                # Without RLAST the read never ends.
                Fault(address=beat, last=2),
                Fault(address=beat, timing=random.choice(timings)),
                Fault(address=beat, timing=random.choice(timings), response=random.randrange(4)),
            )
        )
        self.faults[beat] = fault

    # Memory

    def _window(self, number: int) -> _Place:
        """Windows of list addresses from both address spaces; they may overlap, on either side."""
        choices = self.choices
        bus_base = 8 * choices.below(choices.pick((PAGE, MEMORY_BYTES - PAGE)) // 8)
        room = MEMORY_BYTES - bus_base
        size = choices.pick((room, room, room, 8 * choices.between(1, room // 8), 8 * choices.between(1, 31)))
        in_page = bus_base % PAGE
        # Nearly all lists of a round live in its first window, which both ABIs can reach.
        end = ABI_END[Abi.X86] if number == 0 else ABI_END[choices.pick((Abi.X86, Abi.X64))]
        highest = (end - size - in_page) // PAGE
        page = choices.pick((1, highest, choices.below(highest + 1)))
        return _Place(page * PAGE + in_page, size, bus_base)

    def _addresses(self, random: Random, abi: Abi, count: int) -> list[int]:
        """Where the nodes go: in windows that this ABI reaches, none on another, as lists lie in memories."""
        style = self.choices.below(5)
        reachable = [place for place in self.windows if place.base + place.size <= ABI_END[abi]]
        if not reachable:
            return []
        place = random.choice(reachable[:1] * 4 + reachable)
        size, grain = LAYOUTS[abi].size, LAYOUTS[abi].alignment
        last = (place.size - size) // grain
        if last < 0:
            return []
        found: list[int] = []
        offset = random.randint(0, last) * grain
        stride = random.choice((size, size, 32, 64)) * (1 if style == 0 else -1)
        page_order = random.sample(range(PAGE // 32), PAGE // 32)
        page_start = -(-(place.bus_base + random.randrange(place.size)) // PAGE) * PAGE - place.bus_base
        for number in range(2 * count):
            if len(found) == count:
                break
            if style >= 3:
                # Every now and then one that crosses 4 KB of bus address, or lies in another window.
                place = random.choice(reachable[:1] * 4 + reachable)
                last = (place.size - size) // grain
                if last < 0:
                    continue
                offset = random.randint(0, last) * grain
                if random.random() < 0.1:
                    border = -(place.bus_base + offset) % PAGE
                    offset = max(0, min(offset + border - grain * random.randint(1, 2), last * grain))
            elif style == 2:
                page, slot = divmod(number, PAGE // 32)
                offset = page_start + page * PAGE + page_order[slot] * 32
            elif number:
                offset += stride
            if not 0 <= offset <= last * grain:
                continue
            words = range(place.bus_base + offset, place.bus_base + offset + size, 4)
            if not self.taken.intersection(words) and place.base + offset:
                self.taken.update(words)
                found.append(place.base + offset)
        return found

    def _tail(self, random: Random, abi: Abi, addresses: list[int]) -> int:
        place = random.choice(self.windows)
        size, grain = LAYOUTS[abi].size, LAYOUTS[abi].alignment
        tails = (
            random.choice(addresses),
            addresses[-1],
            addresses[0] + random.randint(1, grain - 1),
            place.base + place.size - size + grain,
            place.base - grain,
            random.getrandbits(64) & -grain,
            place.base + random.randrange(0, place.size, grain),
        )
        return random.choice(tails) % ABI_END[abi] if self.choices.percent(55) else 0

    def _bus_address(self, address: int) -> int | None:
        for place in self.windows:
            if place.base <= address < place.base + place.size:
                return place.bus_base + address - place.base
        return None
