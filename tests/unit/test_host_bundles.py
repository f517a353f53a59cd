"""Addresses as people write them, and what the registers get."""

import ipaddress
from random import Random

import pytest
from tests.unit.streams import seeds

from saoffload.host.bundles import ANY, Bundle, Destination, Sa
from saoffload.host.register_map import Direction, Family, Protocol
from saoffload.host.registers import words


@pytest.mark.parametrize(
    ("text", "family", "register_words"),
    [
        ("192.0.2.1", Family.IPV4, (0xC0000201, 0, 0, 0)),
        ("255.255.255.255", Family.IPV4, (0xFFFFFFFF, 0, 0, 0)),
        ("0.0.0.0", Family.IPV4, (0, 0, 0, 0)),
        ("any", Family.IPV4, (0, 0, 0, 0)),
        ("::", Family.IPV6, (0, 0, 0, 0)),
        ("::1", Family.IPV6, (1, 0, 0, 0)),
        ("2001:db8::1", Family.IPV6, (1, 0, 0, 0x20010DB8)),
        ("1:2:3:4:5:6:7:8", Family.IPV6, (0x00070008, 0x00050006, 0x00030004, 0x00010002)),
        ("::ffff:192.0.2.1", Family.IPV6, (0xC0000201, 0xFFFF, 0, 0)),
    ],
)
def test_addresses_become_register_words(text, family, register_words):
    destination = Destination.parse(text)
    assert destination.family is family
    assert destination.words == register_words
    assert destination.is_wildcard == (not any(register_words))


@pytest.mark.parametrize("seed", seeds(20))
def test_the_words_are_the_bytes_on_the_wire(seed):
    wire = Random(seed).randbytes(16)
    for family, raw in ((Family.IPV4, wire[:4]), (Family.IPV6, wire)):
        destination = Destination.parse(str(ipaddress.ip_address(raw)))
        assert destination.family is family
        assert b"".join(word.to_bytes(4, "big") for word in destination.words[::-1])[-len(raw) :] == raw
        assert Destination.parse(str(destination)) == destination


@pytest.mark.parametrize(
    "text", ["", "Any", "192.0.2", "192.0.2.256", "192.0.2.01", "2001:db8::g", "fe80::1%eth0", "1"]
)
def test_what_is_no_address_is_refused_by_its_text(text):
    with pytest.raises(ValueError, match=repr(text).replace(".", r"\.")):
        Destination.parse(text)


def test_wildcards_print_as_they_are_written():
    assert str(ANY) == "any"
    assert str(Destination(0, Family.IPV6)) == "::"


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Destination(1 << 32, Family.IPV4), "an IPV4 address has 32 bits"),
        (lambda: Destination(1 << 128, Family.IPV6), "an IPV6 address has 128 bits"),
        (lambda: Destination(-1), "an IPV4 address has 32 bits"),
        (lambda: Sa(spi=1 << 32), "an SPI has 32 bits"),
        (lambda: Sa(spi=-1), "an SPI has 32 bits"),
        (lambda: Bundle(sas=(), handle=1 << 64), "a handle has 64 bits"),
        (lambda: Bundle(sas=(), context=-1), "from 0 up"),
        (lambda: words(1 << 64, 2), "2 words"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


def test_defaults_are_an_inbound_esp_sa_for_any_destination():
    bundle = Bundle(sas=(Sa(spi=0),))
    assert bundle.direction is Direction.INBOUND
    assert (bundle.context, bundle.handle) == (0, 0)
    assert bundle.sas[0].destination is ANY
    assert bundle.sas[0].protocol is Protocol.ESP
