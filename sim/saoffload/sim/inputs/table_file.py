"""The table file: which bundles live before a walk, under which handles. JSON::

    {"bundles": [{"handle": "0x80000000", "direction": "in",
                  "sas": [{"spi": "0x1001", "dst": "192.0.2.1", "protocol": "esp"}]}]}

``dst`` is an IPv4 or IPv6 address or ``any``; a zero address is the wildcard of its family. ``direction`` is ``in``
unless said otherwise. A bundle has one or two SAs.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar, cast

from saoffload.sim.model import AH, ESP, IPV4, IPV6, AddResult, Bundle, Direction, Key, SaTable

from .errors import InputError, quoted, read_bytes
from .numbers import parse_number

_PROTOCOLS = {"esp": ESP, "ah": AH}
_DIRECTIONS = {direction.value: direction for direction in Direction}
_LARGEST_TABLE_BITS = 20
_Choice = TypeVar("_Choice")


class TableEntry(NamedTuple):
    """A bundle and the handle under which it is restored."""

    handle: int
    bundle: Bundle


class _Object(dict[str, Any]):
    """A JSON object that remembers a field that was given twice."""

    repeated: str | None = None


def load_table(
    path: str | Path, *, bundles: int, keys: int, wildcards: int | None = None, ipv6: bool = True
) -> list[TableEntry]:
    """Reads a table file and checks that a table of these capacities can restore all of it. ``wildcards``: SAs with the
    destination "any" that it holds at most, None when as many as ``keys``.
    """
    text = read_bytes(Path(path), "table file", "--table")
    return parse_table(text, name=str(path), bundles=bundles, keys=keys, wildcards=wildcards, ipv6=ipv6)


def parse_table(
    text: bytes, *, name: str, bundles: int, keys: int, wildcards: int | None = None, ipv6: bool = True
) -> list[TableEntry]:
    """Like ``load_table`` for the content of a file called ``name``."""
    document = _Place(name, _parse_json(text, name))
    entries = [_entry(place, ipv6=ipv6) for place in document.fields("bundles")["bundles"].items()]
    _check_capacity(name, entries, bundles, keys)
    _check_wildcards(name, entries, keys if wildcards is None else wildcards)
    _check_handles(name, entries, bundles)
    _check_keys(name, entries)
    return entries


def fill_table(table: SaTable, entries: Iterable[TableEntry]) -> None:
    """Restores every bundle into a model's table. Raises ``InputError`` with the result of an add that fails."""
    for number, (handle, bundle) in enumerate(entries):
        answer = table.add(bundle, requested=handle)
        if answer is None or answer.result is not AddResult.OK:
            result = "must wait" if answer is None else answer.result.name
            raise InputError(f"bundles[{number}]: cannot be restored as {handle:#010x}: {result}; check the table file")


class _Place:
    """A value in the document and the way to it, for messages."""

    def __init__(self, name: str, value: object, path: str = "") -> None:
        self.where = f"{name}: {path}" if path else name
        self.value = value
        self._name = name
        self._path = path

    def fail(self, problem: str) -> NoReturn:
        raise InputError(f"{self.where}: {problem}")

    def inner(self, step: str, value: object) -> "_Place":
        return _Place(self._name, value, (self._path + step).removeprefix("."))

    def fields(self, *required: str, optional: Sequence[str] = ()) -> Mapping[str, "_Place"]:
        """The fields of an object: all that are required, and no others than these and the optional ones."""
        known = [*required, *optional]
        names = ", ".join(f'"{name}"' for name in known)
        if not isinstance(self.value, _Object):
            self.fail(f"is {quoted(self.value)}; write an object with {names}")
        if self.value.repeated is not None:
            self.fail(f"field {quoted(self.value.repeated)} is given twice; keep one")
        for name in self.value:
            if name not in known:
                self.fail(f"unknown field {quoted(name)}; the fields are {names}")
        for name in required:
            if name not in self.value:
                self.fail(f'field "{name}" is missing; the fields are {names}')
        return {name: self.inner(f".{name}", value) for name, value in self.value.items()}

    def items(self) -> list["_Place"]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            self.fail(f"is {quoted(self.value)}; write a list in [ ]")
        return [self.inner(f"[{number}]", value) for number, value in enumerate(cast("list[object]", self.value))]

    def number(self, bits: int) -> int:
        """A number, as a string or as JSON has it."""
        if isinstance(self.value, bool) or not isinstance(self.value, str | int):
            self.fail(f'is {quoted(self.value)}; write a number in quotes, as "0x1001"')
        return parse_number(str(self.value), self.where, bits=bits)

    def choice(self, choices: Mapping[str, _Choice]) -> _Choice:
        """One of a few words."""
        if not isinstance(self.value, str) or self.value not in choices:
            self.fail(f"is {quoted(self.value)}; write {' or '.join(map(repr, choices))}")
        return choices[self.value]


def _parse_json(text: bytes, name: str) -> object:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise InputError(f"{name}: {place}: no valid JSON: {error.msg}; correct the file there") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8 text") from None
    except RecursionError:
        raise InputError(f"{name}: nested too deeply; the file is one object with a list of bundles") from None
    except ValueError as error:
        raise InputError(f"{name}: no valid JSON: {error}; correct the file") from None


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object()
    for name, value in pairs:
        if name in result:
            result.repeated = name
        result[name] = value
    return result


def _entry(place: _Place, *, ipv6: bool) -> TableEntry:
    fields = place.fields("handle", "sas", optional=["direction"])
    handle = fields["handle"].number(32)
    if not handle >> 31:
        fields["handle"].fail(f"{handle:#x} is no handle; handles are 0x80000000 to 0xffffffff")
    sas = tuple(_key(sa, ipv6=ipv6) for sa in fields["sas"].items())
    if len(sas) not in (1, 2):
        fields["sas"].fail(f"has {len(sas)} SAs; a bundle has 1, or 2 (ESP, then AH)")
    direction = fields["direction"].choice(_DIRECTIONS) if "direction" in fields else Direction.INBOUND
    return TableEntry(handle, Bundle(sas, direction))


def _key(place: _Place, *, ipv6: bool) -> Key:
    fields = place.fields("spi", "dst", "protocol")
    destination, family = _destination(fields["dst"])
    if family == IPV6 and not ipv6:
        fields["dst"].fail(f"{quoted(fields['dst'].value)} is IPv6, the preset keeps IPv4 only; choose --preset small")
    return Key(fields["spi"].number(32), destination, family, fields["protocol"].choice(_PROTOCOLS))


def _destination(place: _Place) -> tuple[int, int]:
    text = place.value
    if text == "any":
        return 0, IPV4
    try:
        # A scope (fe80::1%eth0) is no part of what a packet carries.
        if not isinstance(text, str) or "%" in text:
            raise ValueError(text)
        address = ip_address(text)
    except ValueError:
        place.fail(f'is {quoted(text)}, which is no address; write "192.0.2.1", "2001:db8::1", "any" or "::"')
    return int(address), IPV6 if address.version == 6 else IPV4


def _check_capacity(name: str, entries: Sequence[TableEntry], bundles: int, keys: int) -> None:
    if len(entries) > bundles:
        raise InputError(f"{name}: {len(entries)} bundles do not fit a table of {bundles}; {_cure(entries, bundles)}")
    key_count = sum(len(entry.bundle.keys) for entry in entries)
    if key_count > keys:
        raise InputError(
            f"{name}: {key_count} keys of inbound SAs do not fit a table of {keys}; "
            f"use --bundles {-(-key_count * bundles // keys)} or fewer SAs"
        )


def _check_wildcards(name: str, entries: Sequence[TableEntry], wildcards: int) -> None:
    count = sum(key.destination == 0 for entry in entries for key in entry.bundle.keys)
    if count > wildcards:
        raise InputError(
            f'{name}: {count} inbound SAs with the destination "any" do not fit a table of {wildcards}; '
            "give them destinations, or use fewer of them"
        )


def _check_handles(name: str, entries: Sequence[TableEntry], bundles: int) -> None:
    mask = (1 << (bundles - 1).bit_length()) - 1
    owners: dict[int, int] = {}
    for number, (handle, _) in enumerate(entries):
        index = handle & mask
        other = owners.setdefault(index, number)
        if other != number:
            first, both = entries[other].handle, f"{name}: bundles[{other}] and bundles[{number}]"
            if first == handle:
                raise InputError(f"{both}: have the same handle {handle:#010x}; give each bundle its own")
            raise InputError(
                f"{both}: handles {first:#010x} and {handle:#010x} share index {index} in a table of {bundles} "
                f"bundles; {_cure(entries, bundles)}"
            )
        if index >= bundles:
            raise InputError(
                f"{name}: bundles[{number}].handle: {handle:#010x} has index {index}, outside a table of {bundles} "
                f"bundles; {_cure(entries, bundles)}"
            )


def _check_keys(name: str, entries: Sequence[TableEntry]) -> None:
    owners: dict[Key, str] = {}
    for number, (_, bundle) in enumerate(entries):
        for sa_number, key in enumerate(bundle.keys):
            place = f"bundles[{number}].sas[{sa_number}]"
            other = owners.setdefault(key, place)
            if other != place:
                raise InputError(
                    f"{name}: {other} and {place}: have the same spi ({key.spi:#x}), dst and protocol; "
                    "change or remove one"
                )


def _cure(entries: Sequence[TableEntry], bundles: int) -> str:
    """The smallest capacity, not below ``bundles``, in which every handle has an index of its own."""
    handles = [entry.handle for entry in entries]
    for bits in range((bundles - 1).bit_length(), _LARGEST_TABLE_BITS + 1):
        indices = {handle & ((1 << bits) - 1) for handle in handles}
        if len(indices) == len(handles):
            return f"use --bundles {max(bundles, *(index + 1 for index in indices), (1 << (bits - 1)) + 1)}"
    return "give each bundle a handle with its own low bits"
