"""Deliberate faults in the RTL, for tests that show what finds them."""

import inspect
import textwrap

import pytest


def patch(monkeypatch: pytest.MonkeyPatch, component: type, method: str, old: str, new: str) -> None:
    """Replaces one expression in a method of a component."""
    function = getattr(component, method)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{component.__name__}.{method} has {old!r} {source.count(old)} times"
    scope: dict[str, object] = {}
    exec(compile(source.replace(old, new), inspect.getfile(component), "exec"), function.__globals__, scope)
    monkeypatch.setattr(component, method, scope[method])
