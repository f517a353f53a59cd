"""The model as others use it: its examples run, its names are there, and it stands on Python alone."""

import ast
import contextlib
import io
import re
import sys
from pathlib import Path

from saoffload.sim import model

ROOT = Path(__file__).parents[2]
FOLDER = Path(model.__file__).parent


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    assert sorted(set(model.__all__)) == sorted(model.__all__)
    for name in model.__all__:
        thing = getattr(model, name)
        if isinstance(thing, type):
            assert thing.__doc__, name


def test_rule_of_the_model_it_imports_the_standard_library_and_itself_only() -> None:
    allowed = set(sys.stdlib_module_names)
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 1 or (node.level == 0 and (node.module or "").split(".")[0] in allowed), path
            elif isinstance(node, ast.Import):
                assert all(alias.name.split(".")[0] in allowed for alias in node.names), path


def test_the_examples_of_the_documentation_print_what_they_say() -> None:
    text = (ROOT / "docs" / "reference-model.md").read_text()
    blocks = re.findall(r"```(python|text)\n(.*?)```", text, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["python", "text"] * 3
    names: dict[str, object] = {}
    printed = ""
    for kind, block in blocks:
        if kind == "text":
            assert printed == block
            continue
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(block, names)
        printed = output.getvalue()


def test_the_example_of_the_package_runs() -> None:
    assert model.__doc__
    example = model.__doc__.split("::\n", 1)[1].split("\n\n``walk``")[0]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec("\n".join(line.removeprefix("    ") for line in example.splitlines()), {})
    assert "deleted=1" in output.getvalue()
