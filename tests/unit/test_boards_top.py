"""The whole board but its pins: the host's driver adds SAs, walks a list in memory on the chip, and looks them up."""

import pytest
from tests.unit.boards_bench import BytePort

from saoffload.boards.bridge import PAGE_REGISTER
from saoffload.boards.local_bus import ENGINE_PAGE, MEMORY_PAGE, PROBE_PAGE
from saoffload.boards.probe import Register as ProbeRegister
from saoffload.boards.top import BoardSystem
from saoffload.hdl.config import preset
from saoffload.host.bundles import Bundle, Destination, Sa
from saoffload.host.driver import Driver
from saoffload.host.lists import ListBuilder
from saoffload.host.register_map import CompletionStatus, Direction, Protocol
from saoffload.host.serial import SerialTransport
from saoffload.host.transport import run

MEMORY_BYTES = 2048
PATIENCE_MS = 120_000.0
KEY, HANDLE = 0, 1


class Board:
    """A board and its driver; words of other pages by name."""

    def __init__(self):
        self.transport = SerialTransport(BytePort(BoardSystem(config=preset("tiny"), memory_bytes=MEMORY_BYTES)))
        self.driver = Driver(self.transport, clock_hz=12e6)

    def in_page(self, page, action):
        run(self.transport.write32(PAGE_REGISTER, page))
        result = action()
        run(self.transport.write32(PAGE_REGISTER, ENGINE_PAGE))
        return result

    def fill(self, image):
        def write_all():
            for at in range(0, len(image), 4):
                run(self.transport.write32(at, int.from_bytes(image[at : at + 4], "little")))

        self.in_page(MEMORY_PAGE, write_all)

    def probe_read(self, register):
        return self.in_page(PROBE_PAGE, lambda: run(self.transport.read32(register.value)))

    def look_up(self, kind, words, *, protocol=Protocol.ESP, retire=True):
        """(hit, handle, epoch) of one lookup."""

        def ask():
            for n, word in enumerate(words):
                run(self.transport.write32(ProbeRegister.WORD0.value + 4 * n, word))
            run(self.transport.write32(ProbeRegister.LOOKUP.value, kind | protocol << 2))
            # At a byte per clock the first look may come before the answer.
            statuses = [run(self.transport.read32(ProbeRegister.STATUS.value)) for _ in range(3)]
            status = statuses[-1]
            assert status & 1, statuses
            if retire:
                run(self.transport.write32(ProbeRegister.RETIRE.value, kind | status & 0xFF00))
            return status >> 2 & 1, run(self.transport.read32(ProbeRegister.ANSWER_HANDLE.value)), status >> 8

        return self.in_page(PROBE_PAGE, ask)

    def retire(self, kind, epoch):
        self.in_page(PROBE_PAGE, lambda: run(self.transport.write32(ProbeRegister.RETIRE.value, kind | epoch << 8)))


def bundle(spi, *, direction=Direction.INBOUND):
    sa = Sa(spi=spi, destination=Destination.parse("192.0.2.1"), protocol=Protocol.ESP)
    return Bundle(sas=(sa,), direction=direction)


ADDRESS = 0xC0000201


@pytest.mark.parametrize("count", [4])
def test_a_list_is_walked_and_its_sas_are_gone_for_the_packet_path(count):
    board = Board()
    driver = board.driver
    run(driver.start(timeout_ms=PATIENCE_MS))
    run(driver.table.end_restore())
    spis = [0x1000 + n for n in range(count)]
    handles = [run(driver.table.add(bundle(spi), timeout_ms=PATIENCE_MS)).expect_handle() for spi in spis]
    outbound = run(driver.table.add(bundle(0x99, direction=Direction.OUTBOUND), timeout_ms=PATIENCE_MS)).expect_handle()
    assert board.probe_read(ProbeRegister.ID) == 0x53415042
    for spi, handle in zip(spis, handles, strict=True):
        assert board.look_up(KEY, [spi, ADDRESS])[:2] == (1, handle)
    assert board.look_up(KEY, [0x77, ADDRESS])[:2] == (0, 0)
    assert board.look_up(KEY, [spis[0], ADDRESS], protocol=Protocol.AH)[:2] == (0, 0)
    assert board.look_up(HANDLE, [outbound, 0])[:2] == (1, outbound)
    assert board.look_up(HANDLE, [outbound, 1])[:2] == (0, 0)

    builder = ListBuilder(base=0xFFFF_8000_0000_0000, size=256, bus_base=0, seed=1)
    placed = builder.scattered(handles[:-1])
    board.fill(builder.image())
    run(driver.windows.set(0, builder.window))
    _, _, epoch = board.look_up(KEY, [spis[0], ADDRESS], retire=False)
    tag = run(driver.commands.submit_walk(placed.head))
    assert board.look_up(KEY, [spis[0], ADDRESS])[:2] == (0, 0)
    assert not run(driver.status()).completion_is_valid, "completed while a lookup of before was not retired"
    board.retire(KEY, epoch)
    completion = run(driver.completions.wait(tag, timeout_ms=PATIENCE_MS))
    assert (completion.status, completion.visited, completion.deleted) == (CompletionStatus.OK, count - 1, count - 1)
    assert [board.look_up(KEY, [spi, ADDRESS])[0] for spi in spis] == [0] * (count - 1) + [1]
    assert run(driver.table.live_bundles()) == 2

    beyond = run(driver.commands.submit_walk(builder.window.base + MEMORY_BYTES))
    assert run(driver.completions.wait(beyond, timeout_ms=PATIENCE_MS)).status == CompletionStatus.OUT_OF_WINDOW
