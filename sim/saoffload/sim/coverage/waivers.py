"""Lines of the RTL that no run can cover, as ``waivers.toml`` names them, and why."""

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

WAIVERS = Path(__file__).with_name("waivers.toml")

_NEEDED, _ALLOWED = {"file", "text", "reason"}, {"file", "text", "reason", "below"}


class CoverageError(ValueError):
    """The waivers or the records cannot be used. The message says which and why."""


@dataclass(frozen=True)
class Waiver:
    """Why a line cannot be covered, or all lines of a branch. ``text`` is the whole line without its indent, of the
    statement or of the ``with`` that opens the branch, in any place of ``file``; ``below``, if given, is the ``with``
    of a branch around it.
    """

    file: str
    text: str
    reason: str
    below: str = ""


def read_waivers(path: Path = WAIVERS) -> list[Waiver]:
    """All waivers of a file. Raises ``CoverageError`` for one that is not whole, or stands twice."""
    waivers: dict[tuple[str, str, str], Waiver] = {}
    for entry in tomllib.loads(path.read_text()).get("waiver", []):
        is_whole = _NEEDED <= set(entry) <= _ALLOWED
        if not is_whole or not all(isinstance(value, str) and value for value in entry.values()):
            raise CoverageError(
                f"{path.name}: a waiver has {', '.join(sorted(_NEEDED))} and perhaps below, all text; got {entry}"
            )
        waiver = Waiver(**entry)
        if waivers.setdefault((waiver.file, waiver.text, waiver.below), waiver) is not waiver:
            raise CoverageError(f"{path.name}: {waiver.text!r} of {waiver.file} stands there twice")
    return list(waivers.values())


class Branches:
    """The branches of a source file that each of its lines stands in."""

    def __init__(self, source: str) -> None:
        self._rows = source.splitlines()
        self._blocks = [
            (node.lineno, node.end_lineno or node.lineno, self.text(node.lineno))
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.With)
        ]

    def text(self, line: int) -> str:
        """A line without its indent."""
        return self._rows[line - 1].strip()

    def is_meant(self, line: int, waiver: Waiver) -> bool:
        """Whether the waiver is of this line, or of a branch around it."""
        around = {text for first, last, text in self._blocks if first < line <= last}
        is_named = waiver.text == self.text(line) or waiver.text in around
        return is_named and (not waiver.below or waiver.below in around)
