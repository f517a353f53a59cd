"""docs/testplan.toml names every rule and fault of the contract, and tests that exist."""

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAN = ROOT / "docs" / "testplan.toml"
ROWS: list[dict[str, Any]] = tomllib.loads(PLAN.read_text())["row"]

STRUCTURES = ("ndis_object_header", "delete_sa", "add_sa", "add_sa_ex", "security_association", "update_sa")
EXPECTED = [
    *(f"structure.{name}" for name in STRUCTURES),
    *(f"documented.{number}" for number in range(1, 7)),
    *(f"rule.{number}" for number in range(1, 31)),
    *(f"fault.{number}" for number in range(1, 20)),
]
REQUIRED = {"id": str, "title": str, "tests": list}
OPTIONAL = {"note": str}


@cache
def defined_in(path: str) -> frozenset[str]:
    """The test functions that a file defines, those of its classes as ``Class::name``."""
    names: set[str] = set()

    def collect(body: list[ast.stmt], prefix: str) -> None:
        for statement in body:
            if isinstance(statement, ast.ClassDef):
                collect(statement.body, f"{prefix}{statement.name}::")
            elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name.startswith("test_"):
                names.add(prefix + statement.name)

    collect(ast.parse((ROOT / path).read_text()).body, "")
    return frozenset(names)


def test_the_file_has_rows_and_nothing_else() -> None:
    assert set(tomllib.loads(PLAN.read_text())) == {"row"}


def test_every_rule_and_fault_has_one_row_in_order() -> None:
    assert [row["id"] for row in ROWS] == EXPECTED


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_row(row: dict[str, Any]) -> None:
    assert set(REQUIRED) <= set(row) <= set(REQUIRED) | set(OPTIONAL)
    for key, value in row.items():
        assert isinstance(value, (REQUIRED | OPTIONAL)[key]), key
        assert value, f"{key} is empty"
    assert len(set(row["tests"])) == len(row["tests"]), "a test is named twice"
    for test in row["tests"]:
        path, _, name = test.partition("::")
        assert path.startswith("tests/"), test
        assert (ROOT / path).is_file(), f"{test}: there is no such file"
        assert Path(path).name.startswith("test_"), f"{test}: pytest does not look for tests there"
        assert name in defined_in(path), f"{test}: the file defines no such test"
