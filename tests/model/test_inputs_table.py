"""The table file: what it may say, and the one line for each thing that is wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from saoffload.sim.inputs import InputError, TableEntry, fill_table, load_table, parse_table
from saoffload.sim.model import AH, ESP, IPV4, IPV6, Bundle, Direction, Key, SaTable

SA = {"spi": "0x1001", "dst": "192.0.2.1", "protocol": "esp"}


def bundle(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {"handle": hex(0x80000000 + number), "sas": [SA | {"spi": hex(number)}]} | fields


def parse(document: Any, *, bundles: int = 8, keys: int = 12, ipv6: bool = True) -> list[TableEntry]:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse_table(text, name="t.json", bundles=bundles, keys=keys, ipv6=ipv6)


def message_of(document: Any, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        parse(document, **options)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("t.json: ")
    assert len(message) < 300
    return message.removeprefix("t.json: ")


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(
        """{"bundles": [
            {"handle": "0x80000000", "sas": [{"spi": "0x1001", "dst": "192.0.2.1", "protocol": "esp"},
                                             {"spi": "4098", "dst": "2001:db8::1", "protocol": "ah"}]},
            {"handle": "2147483650", "sas": [{"spi": 0, "dst": "any", "protocol": "ah"}], "direction": "in"},
            {"handle": 2147483649, "sas": [{"spi": "0x1001", "dst": "::", "protocol": "esp"}], "direction": "out"}
        ]}""",
        encoding="utf-8-sig",
    )
    entries = load_table(path, bundles=8, keys=12)
    assert entries == [
        (0x80000000, Bundle((Key(0x1001, 0xC0000201), Key(0x1002, 0x20010DB8 << 96 | 1, IPV6, AH)))),
        (0x80000002, Bundle((Key(0, 0, IPV4, AH),))),
        (0x80000001, Bundle((Key(0x1001, 0, IPV6, ESP),), Direction.OUTBOUND)),
    ]
    table = SaTable(bundles=8, keys=12)
    fill_table(table, entries)
    assert set(table) == {0x80000000, 0x80000001, 0x80000002}


def test_an_empty_table_is_a_table() -> None:
    assert parse({"bundles": []}) == []


def test_generations_count() -> None:
    assert parse({"bundles": [bundle(0x7FFFFFFF)]})[0].handle == 0xFFFFFFFF


@pytest.mark.parametrize(
    ("dst", "key"),
    [
        ("0.0.0.0", (0, IPV4)),
        ("any", (0, IPV4)),
        ("::", (0, IPV6)),
        ("255.255.255.255", (0xFFFFFFFF, IPV4)),
        ("::ffff:192.0.2.1", (0xFFFFC0000201, IPV6)),
    ],
)
def test_rule_5_destinations(dst: str, key: tuple[int, int]) -> None:
    entries = parse({"bundles": [bundle(sas=[SA | {"dst": dst}])]})
    assert entries[0].bundle.sas[0][1:3] == key


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "line 1 column 1: no valid JSON"),
        (b'{"bundles": [}', "line 1 column 14: no valid JSON"),
        (b"\xff", "byte 0 is not UTF-8; save the file as UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"bundles": [NaN]}', "no valid JSON: NaN is no JSON"),
        (b'{"bundles": [' + b"9" * 5000 + b"]}", "no valid JSON: "),
        ([], 'is []; write an object with "bundles"'),
        ("bundles", "is 'bundles'; write an object with \"bundles\""),
        ({}, 'field "bundles" is missing; the fields are "bundles"'),
        ({"bundles": {}}, "bundles: is {}; write a list in [ ]"),
        ({"bundles": [], "sas": []}, "unknown field 'sas'; the fields are \"bundles\""),
        ({"bundles": [5]}, 'bundles[0]: is 5; write an object with "handle", "sas", "direction"'),
        ({"bundles": [{}]}, 'bundles[0]: field "handle" is missing'),
        ({"bundles": [bundle(), bundle(1, Handle=1)]}, "bundles[1]: unknown field 'Handle'"),
        (b'{"bundles": [], "bundles": []}', "field 'bundles' is given twice; keep one"),
        (b'{"bundles": [{"handle": "1", "handle": "2"}]}', "bundles[0]: field 'handle' is given twice; keep one"),
    ],
)
def test_the_form_of_the_file(document: Any, message: str) -> None:
    assert message_of(document).startswith(message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"handle": True}, 'handle: is True; write a number in quotes, as "0x1001"'),
        ({"handle": None}, "handle: is None; write a number"),
        ({"handle": 2147483648.0}, "handle: is 2147483648.0; write a number"),
        ({"handle": "zero"}, "handle: 'zero' is not a number; write 0x1000 or 4096"),
        ({"handle": -1}, "handle: '-1' is negative"),
        ({"handle": "0"}, "handle: 0x0 is no handle; handles are 0x80000000 to 0xffffffff"),
        ({"handle": "0x7fffffff"}, "handle: 0x7fffffff is no handle"),
        ({"handle": "0x180000000"}, "handle: '0x180000000' does not fit 32 bits"),
        ({"direction": "IN"}, "direction: is 'IN'; write 'in' or 'out'"),
        ({"direction": None}, "direction: is None; write 'in' or 'out'"),
        ({"direction": ["in"]}, "direction: is ['in']; write 'in' or 'out'"),
        ({"sas": {}}, "sas: is {}; write a list"),
        ({"sas": []}, "sas: has 0 SAs; a bundle has 1, or 2 (ESP, then AH)"),
        ({"sas": [SA] * 3}, "sas: has 3 SAs"),
        ({"sas": [SA | {"spi": "0x100000000"}]}, "sas[0].spi: '0x100000000' does not fit 32 bits"),
        ({"sas": [SA | {"protocol": "udp"}]}, "sas[0].protocol: is 'udp'; write 'esp' or 'ah'"),
        ({"sas": [SA | {"port": 5}]}, 'sas[0]: unknown field \'port\'; the fields are "spi", "dst", "protocol"'),
        ({"sas": [{"spi": 1, "dst": "any"}]}, 'sas[0]: field "protocol" is missing'),
    ],
)
def test_the_fields_of_a_bundle(fields: dict[str, Any], message: str) -> None:
    assert message_of({"bundles": [bundle(1), bundle(**fields)]}).startswith(f"bundles[1].{message}")


@pytest.mark.parametrize(
    "dst",
    ["", "192.0.2", "192.0.2.256", "192.0.2.1/24", "192.0.2.01", "example.org", "fe80::1%eth0", ":::", 5, None, "ANY"],
)
def test_bad_addresses(dst: Any) -> None:
    message = message_of({"bundles": [bundle(sas=[SA, SA | {"dst": dst}])]})
    assert message.startswith(f'bundles[0].sas[1].dst: is {dst!r}, which is no address; write "192.0.2.1"')


def test_ipv6_on_an_ipv4_only_preset() -> None:
    document = {"bundles": [bundle(), bundle(1, direction="out", sas=[SA | {"dst": "::1"}])]}
    assert len(parse(document)) == 2
    message = message_of(document, ipv6=False)
    assert message == "bundles[1].sas[0].dst: '::1' is IPv6, the preset keeps IPv4 only; choose --preset small"


def test_duplicate_handles_are_named_with_both_bundles() -> None:
    document = {"bundles": [bundle(0), bundle(1), bundle(2, handle="2147483648")]}
    assert message_of(document) == (
        "bundles[0] and bundles[2]: have the same handle 0x80000000; give each bundle its own"
    )


def test_handles_that_share_an_index_are_named_with_the_capacity_that_parts_them() -> None:
    document = {"bundles": [bundle(0), bundle(8)]}
    assert message_of(document) == (
        "bundles[0] and bundles[1]: handles 0x80000000 and 0x80000008 share index 0 in a table of 8 bundles; "
        "use --bundles 9"
    )
    assert len(parse(document, bundles=9)) == 2


def test_handles_that_no_capacity_parts() -> None:
    document = {"bundles": [bundle(0), bundle(1 << 25)]}
    assert message_of(document).endswith("give each bundle a handle with its own low bits")


@pytest.mark.parametrize(("bundles", "number"), [(5, 5), (5, 7), (1000, 1023), (3, 3)])
def test_handles_outside_the_capacity(bundles: int, number: int) -> None:
    document = {"bundles": [bundle(0), bundle(number)]}
    assert message_of(document, bundles=bundles) == (
        f"bundles[1].handle: {0x80000000 + number:#x} has index {number}, outside a table of {bundles} bundles; "
        f"use --bundles {number + 1}"
    )
    assert len(parse(document, bundles=number + 1)) == 2


def test_more_bundles_than_the_capacity() -> None:
    document = {"bundles": [bundle(number, direction="out") for number in range(100)]}
    assert message_of(document, bundles=64) == "100 bundles do not fit a table of 64; use --bundles 100"
    assert len(parse(document, bundles=100)) == 100


def test_more_keys_than_the_capacity() -> None:
    two = [
        {
            "bundles": [
                bundle(number, sas=[SA | {"spi": 2 * number}, SA | {"spi": 2 * number + 1}]) for number in range(8)
            ]
        }
    ]
    assert message_of(two[0], bundles=8, keys=12) == (
        "16 keys of inbound SAs do not fit a table of 12; use --bundles 11 or fewer SAs"
    )


def test_duplicate_keys_are_named_with_both_places() -> None:
    document = {"bundles": [bundle(0), bundle(1, sas=[SA, SA | {"spi": "0x0"}])]}
    assert message_of(document) == (
        "bundles[0].sas[0] and bundles[1].sas[1]: have the same spi (0x0), dst and protocol; change or remove one"
    )
    inside = {"bundles": [bundle(0, sas=[SA, SA])]}
    assert message_of(inside).startswith("bundles[0].sas[0] and bundles[0].sas[1]: have the same spi (0x1001)")


@pytest.mark.parametrize(("dst", "other"), [("any", "0.0.0.0"), ("::", "0::0")])
def test_rule_5_two_wildcards_of_one_family_are_duplicates(dst: str, other: str) -> None:
    document = {"bundles": [bundle(0, sas=[SA | {"dst": dst}]), bundle(1, sas=[SA | {"dst": other}])]}
    assert "have the same spi" in message_of(document)


def test_rule_5_what_is_no_duplicate() -> None:
    sas = [SA, SA | {"protocol": "ah"}, SA | {"dst": "any"}, SA | {"dst": "::"}, SA | {"spi": 7}]
    bundles = [bundle(number, sas=[sa]) for number, sa in enumerate(sas)]
    bundles += [bundle(number, sas=[SA, SA], direction="out") for number in (5, 6)]
    assert len(parse({"bundles": bundles})) == 7


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: there is no such table file; give the path of one with --table"):
        load_table(tmp_path / "none.json", bundles=8, keys=8)
    with pytest.raises(InputError, match="is a folder, not a table file"):
        load_table(tmp_path, bundles=8, keys=8)


def test_fill_table_says_what_the_table_answered() -> None:
    entries = parse({"bundles": [bundle(0)]})
    table = SaTable(bundles=2)
    fill_table(table, entries)
    with pytest.raises(InputError, match=r"bundles\[0\]: cannot be restored as 0x80000000: HANDLE_IN_USE"):
        fill_table(table, entries)
    table.lookup_handle(0)
    table.delete(0x80000000)
    with pytest.raises(InputError, match="must wait"):
        fill_table(table, entries)


def test_more_wildcards_than_the_table_holds() -> None:
    sas = [{"spi": hex(number), "dst": dst, "protocol": "esp"} for number, dst in enumerate(("any", "::", "192.0.2.1"))]
    bundles = [{"handle": hex(0x80000000 + number), "sas": [sa]} for number, sa in enumerate(sas)]
    text = json.dumps({"bundles": bundles}).encode()
    assert len(parse_table(text, name="t.json", bundles=8, keys=8, wildcards=2)) == 3
    with pytest.raises(InputError, match=r't.json: 2 inbound SAs with the destination "any" do not fit a table of 1'):
        parse_table(text, name="t.json", bundles=8, keys=8, wildcards=1)
