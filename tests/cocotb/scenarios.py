"""Random work for an engine: bundles, windows, a memory full of lists, most of them broken somewhere, and commands."""

from dataclasses import dataclass, field
from random import Random

from saoffload.sim.model import Abi, Bundle, Direction, Key, Opcode, Window, write_node

MEMORY_BYTES = 1 << 15
PAGE = 4096
MOST_NODES = 160
ABI_END = {Abi.X64: 1 << 64, Abi.X86: 1 << 32}
NODE_BYTES = {Abi.X64: 24, Abi.X86: 12}
ALIGNMENT = {Abi.X64: 8, Abi.X86: 4}


@dataclass(frozen=True, kw_only=True)
class Command:
    """``abort_after``: clocks after the doorbell until it is aborted, None: never."""

    opcode: Opcode
    head: int
    abi: Abi = Abi.X64
    budget: int = 0
    abort_after: int | None = None


@dataclass
class Scenario:
    """What one round does, from a reset on."""

    restored: list[tuple[int, Bundle]] = field(default_factory=list)
    added: list[Bundle] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    memory: bytearray = field(default_factory=bytearray)
    failing_beats: set[int] = field(default_factory=set)
    commands: list[Command] = field(default_factory=list)


class Maker:
    """Makes the scenario of one random source for an engine of these sizes."""

    def __init__(self, random: Random, *, bundles: int, ipv6: bool, windows: int, commands: int) -> None:
        self._random = random
        self._capacity = bundles
        self._index_bits = (bundles - 1).bit_length()
        self._has_ipv6 = ipv6
        self._window_count = windows
        self._command_count = commands
        self._taken: set[int] = set()
        self._made = Scenario(memory=bytearray(random.randbytes(MEMORY_BYTES)))

    def make(self) -> Scenario:
        """The scenario."""
        random, made = self._random, self._made
        self._add_bundles()
        made.windows = [self._window(number) for number in range(random.randint(1, self._window_count))]
        count = random.randint(1, self._command_count)
        flush_at = random.randrange(count) if random.random() < 0.15 else None
        for number in range(count):
            if number == flush_at:
                made.commands.append(Command(opcode=Opcode.FLUSH, head=0))
            elif random.random() < 0.15:
                made.commands.append(self._with_abort(Opcode.DELETE, self._handle(Abi.X64), Abi.X64, 0))
            else:
                made.commands.append(self._walk())
        return made

    def _add_bundles(self) -> None:
        random = self._random
        indices = random.sample(range(self._capacity), random.randint(0, self._capacity))
        # One too many now and then: refused adds must leave nothing behind.
        for index in [*indices, *(random.choices(range(self._capacity + 2), k=random.randrange(3)))]:
            generation = random.choice((0, 1, (1 << (31 - self._index_bits)) - 1, random.getrandbits(20)))
            self._made.restored.append((self._handle_of(index, generation), self._bundle()))
        self._made.added = [self._bundle() for _ in range(random.randrange(3))]

    def _bundle(self) -> Bundle:
        random = self._random
        sas = tuple(self._key() for _ in range(random.choice((1, 1, 2))))
        return Bundle(sas, random.choice((Direction.INBOUND, Direction.INBOUND, Direction.OUTBOUND)))

    def _key(self) -> Key:
        random = self._random
        family = random.getrandbits(1) if self._has_ipv6 else 0
        destination = random.choice((0, 1, random.getrandbits(32), random.getrandbits(128 if family else 32)))
        return Key(random.choice((0, 1, random.getrandbits(32))), destination, family, random.getrandbits(1))

    def _handle_of(self, index: int, generation: int) -> int:
        return 1 << 31 | (generation << self._index_bits | index) & 0x7FFF_FFFF

    def _window(self, number: int) -> Window:
        """Windows of list addresses from both address spaces; they may overlap, on either side."""
        random = self._random
        bus_base = random.randrange(0, MEMORY_BYTES - PAGE, 8)
        size = random.choice((random.randrange(8, 256, 8), *[random.randrange(8, MEMORY_BYTES - bus_base + 8, 8)] * 3))
        in_page = bus_base % PAGE
        # Nearly all lists of a round live in its first window, which both ABIs can reach.
        end = ABI_END[Abi.X86] if number == 0 or random.getrandbits(1) else ABI_END[Abi.X64]
        highest = (end - size - in_page) // PAGE
        page = random.choice((random.randint(0, highest), random.randint(0, highest), highest))
        return Window(page * PAGE + in_page, size, bus_base)

    def _walk(self) -> Command:
        random = self._random
        abi = random.choice((Abi.X64, Abi.X86))
        addresses = self._place(abi, random.choice((0, 1, 2, random.randint(1, 30), random.randint(1, MOST_NODES))))
        if not addresses:
            return self._with_abort(Opcode.WALK, random.choice((0, 0, random.getrandbits(64))), abi, 0)
        tail = self._tail(abi, addresses)
        for address, following in zip(addresses, [*addresses[1:], tail], strict=True):
            self._write(abi, address, following)
        self._break(abi, addresses)
        budget = random.choice((0, 0, 0, len(addresses), random.randint(1, len(addresses))))
        return self._with_abort(Opcode.WALK, addresses[0], abi, budget)

    def _with_abort(self, opcode: Opcode, head: int, abi: Abi, budget: int) -> Command:
        random = self._random
        abort_after = random.choice((random.randrange(40), random.randrange(1000))) if random.random() < 0.15 else None
        return Command(opcode=opcode, head=head, abi=abi, budget=budget, abort_after=abort_after)

    def _place(self, abi: Abi, count: int) -> list[int]:
        """Where the nodes go: anywhere in the windows that this ABI reaches, none on another, in random order."""
        random = self._random
        reachable = [window for window in self._made.windows if window.base + window.size <= ABI_END[abi]]
        found: list[int] = []
        for _ in range(2 * count):
            window = random.choice(reachable[:1] * 4 + reachable)
            last = (window.size - NODE_BYTES[abi]) // ALIGNMENT[abi]
            if last < 0 or len(found) == count:
                continue
            # Every now and then one that crosses 4 KB of bus address.
            offset = random.randint(0, last) * ALIGNMENT[abi]
            if random.random() < 0.1:
                border = -(window.bus_base + offset) % PAGE
                offset = max(0, min(offset + border - ALIGNMENT[abi] * random.randint(1, 2), last * ALIGNMENT[abi]))
            words = range(window.bus_base + offset, window.bus_base + offset + NODE_BYTES[abi], 4)
            if not self._taken.intersection(words) and window.base + offset:
                self._taken.update(words)
                found.append(window.base + offset)
        return found

    def _tail(self, abi: Abi, addresses: list[int]) -> int:
        random = self._random
        window = random.choice(self._made.windows)
        tails = (
            0,
            0,
            0,
            random.choice(addresses),
            addresses[-1],
            addresses[0] + random.randint(1, ALIGNMENT[abi] - 1),
            window.base + window.size - NODE_BYTES[abi] + ALIGNMENT[abi],
            window.base - ALIGNMENT[abi],
            random.getrandbits(64) & -ALIGNMENT[abi],
            window.base + random.randrange(0, window.size, ALIGNMENT[abi]),
        )
        return random.choice(tails) % ABI_END[abi]

    def _write(self, abi: Abi, address: int, following: int) -> None:
        node = write_node(
            abi=abi, next_address=following, handle=self._handle(abi), padding=self._random.getrandbits(32)
        )
        for bus_address in self._bus_addresses(address):
            self._made.memory[bus_address : bus_address + len(node)] = node

    def _bus_addresses(self, address: int) -> list[int]:
        for window in self._made.windows:
            if window.base <= address < window.base + window.size:
                return [window.bus_base + address - window.base]
        return []

    def _handle(self, abi: Abi) -> int:
        """Mostly one that lives; else all kinds that do not."""
        random = self._random
        restored = [handle for handle, _ in self._made.restored] or [1 << 31]
        handle = random.choice(restored)
        generation = 1 << self._index_bits
        others = (
            0,
            handle ^ 1 << random.randrange(31),
            handle & 0x7FFF_FFFF,
            1 << 31 | (handle + generation) & 0x7FFF_FFFF,
            self._handle_of(self._capacity, 0),
            handle | 1 << random.randint(32, 63),
            random.getrandbits(64),
        )
        chosen = handle if random.random() < 0.7 else random.choice(others)
        return chosen if abi is Abi.X64 else chosen & 0xFFFF_FFFF

    def _break(self, abi: Abi, addresses: list[int]) -> None:
        random = self._random
        if random.random() < 0.2:
            for bus_address in self._bus_addresses(random.choice(addresses)):
                self._made.memory[bus_address + random.randrange(4)] ^= 1 << random.randrange(8)
        if random.random() < 0.2:
            for bus_address in self._bus_addresses(random.choice(addresses)):
                self._made.failing_beats.add((bus_address + random.randrange(0, NODE_BYTES[abi], 4)) & -8)
