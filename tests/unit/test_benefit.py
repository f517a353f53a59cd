"""When a context wants lines: the bank, and the caution of one that was wrong before."""

from random import Random
from typing import Any

import pytest
from tests.unit.streams import simulate

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.walk.contexts.benefit import Benefit

CONTEXTS = 3
CONFIG = EngineConfig(name="test", bundles=4, keys=4, contexts=CONTEXTS, id_width=2)
LATENCY = 5
PAGE = 4096


class Bank:
    """What the component promises of one context."""

    def __init__(self) -> None:
        self.wants = False
        self.begin()

    def begin(self) -> None:
        self.level = 0
        self.wants = self.is_wary = False

    def ask(self, *, is_near: bool) -> None:
        self.level = min(31, self.level + 1) if is_near else max(0, self.level - 10)
        if self.level >= (24 if self.is_wary else 8):
            self.wants = True
        if self.level == 0:
            self.is_wary |= self.wants
            self.wants = False


@pytest.mark.parametrize("seed", range(4))
def test_a_bank_for_each_context(seed: int) -> None:
    print(f"seed {seed}")
    random = Random(seed)
    dut = Benefit(CONFIG)

    async def main(ctx: Any) -> None:
        banks = [Bank() for _ in range(CONTEXTS)]
        at = [0] * CONTEXTS
        is_first = [True] * CONTEXTS
        order = [0.5] * CONTEXTS
        starts = rewards = 0
        for _ in range(3000):
            number = random.randrange(CONTEXTS)
            bank = banks[number]
            ctx.set(dut.context, number)
            if random.random() < 0.003 and not is_first[number]:
                ctx.set(dut.do_end, 1)
                await ctx.tick()
                ctx.set(dut.do_end, 0)
                bank.wants = False
                is_first[number] = True
            else:
                if random.random() < 0.03:
                    order[number] = random.choice([0, 0.5, 0.95, 1])
                is_near = random.random() < order[number]
                page = at[number] // PAGE if is_near else random.getrandbits(52)
                address = page * PAGE + random.randrange(512) * 8
                ctx.set(dut.address, address)
                ctx.set(dut.node_address, at[number])
                ctx.set(dut.is_first, is_first[number])
                ctx.set(dut.do_ask, 1)
                await ctx.tick()
                ctx.set(dut.do_ask, 0)
                if is_first[number]:
                    bank.begin()
                else:
                    bank.ask(is_near=page == at[number] // PAGE)
                at[number], is_first[number] = address, False
            await ctx.tick().repeat(LATENCY)
            wanted = [ctx.get(dut.wants_lines[other]) for other in range(CONTEXTS)]
            assert wanted == [bank.wants for bank in banks]
            starts += bank.is_wary
            rewards += bank.wants
        assert starts > 100, "too few of those that were wrong before"
        assert rewards > 100, "too few that pay"

    simulate(dut, main)
