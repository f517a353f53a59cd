"""The gate of the packet path: while it is closed every answer is a miss."""

from pathlib import Path

from amaranth.hdl import Cat, Module
from tests.formal.hashed import CONFIG
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.packet_path import KINDS, PacketPath

MISSES = "a lookup that is answered while the gate is closed is a miss, and tells nothing"


class GateContract(Spec):
    """The packet path of both kinds of tables."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        for kind in KINDS:
            told = getattr(dut, f"{kind}_answers").payload
            is_empty = ~Cat(told.hit, told.handle, told.context).any()
            self.promise(m, MISSES, is_empty, given=dut.gate_is_closed)
            self.reach(m, "a hit", told.hit)


def gate(old: str = "", new: str = "") -> GateContract:
    """The contract around the packet path, or around one of which a piece is replaced."""
    return GateContract((mutant(PacketPath, old, new) if old else PacketPath)(CONFIG))


PROOFS = [
    Proof(
        name="gate",
        spec=gate,
        depth=2,
        reach_depth=4,
        broken_depth=4,
        is_nightly=True,
        broken=(broken(gate, "lets-hits-through", MISSES, "answer.hit & ~self.gate_is_closed", "answer.hit"),),
    ),
]


def test_hashed_gate(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
