"""Makes tests of proofs: one per contract and solver, one for what it reaches, one per broken design."""

from functools import partial

import pytest
from tests.formal.prover import Proof, prove, reach, reject

SOLVERS = ("yices", "z3")
"""The one that proves in `make test`, and the one that it is checked against in `make prove`."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for ``run`` is run for every one of its module's ``PROOFS``."""
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", [run for proof in metafunc.module.PROOFS for run in _runs_of(proof)])


def _runs_of(proof: Proof) -> list:
    main = SOLVERS[0]
    nightly = pytest.mark.nightly
    marks = [nightly] if proof.is_nightly else []
    reject_marks = [nightly] if proof.is_nightly or proof.rejects_nightly else []
    return [
        pytest.param(partial(prove, proof, main), id=f"{proof.name}-holds-{main}", marks=marks),
        *(
            pytest.param(partial(prove, proof, solver), id=f"{proof.name}-holds-{solver}", marks=[nightly])
            for solver in SOLVERS[1:]
            if proof.is_cross_checked
        ),
        pytest.param(partial(reach, proof, main), id=f"{proof.name}-is-reached", marks=marks),
        *(
            pytest.param(
                partial(reject, proof, broken, main), id=f"{proof.name}-rejects-{broken.name}", marks=reject_marks
            )
            for broken in proof.broken
        ),
    ]
