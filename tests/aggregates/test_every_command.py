"""Every command there is has an accepted and a refused example here, in the given / when / then notation."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from ledger.aggregates import everything
from ledger.aggregates.base import command_types

FOLDER = Path(__file__).parent
#: An access is refused by nothing of its own: who reads is checked before it is decided.
NEVER_REFUSED = {"grant-access", "refuse-access"}


def examples() -> dict[str, set[str]]:
    """The names of the command classes that ``.when`` is given, by what their test then says."""
    found: dict[str, set[str]] = {"accepted": set(), "refused": set()}
    names = {cls.__name__: name for name, cls in command_types().items()}
    for path in FOLDER.glob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        everywhere = _commands_by_variable(tree.body, names, {})
        for test in tree.body:
            if not isinstance(test, ast.FunctionDef):
                continue
            bound = _commands_by_variable(list(ast.walk(test)), names, everywhere)
            for node in ast.walk(test):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_outcome(node.func.attr):
                    said = "refused" if node.func.attr == "then_refused" else "accepted"
                    found[said] |= _asked(node.func.value, bound, names)
    return found


def _is_outcome(attribute: str) -> bool:
    return attribute in ("then", "then_a", "then_refused")


def _commands_by_variable(
    nodes: Sequence[ast.AST], names: dict[str, str], outer: dict[str, set[str]]
) -> dict[str, set[str]]:
    """Which command a variable stands for, also where it is made from another by ``replace``; later ones win."""
    bound = dict(outer)
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    bound[target.id] = _named(node.value, bound, names)
    return bound


def _named(node: ast.AST, bound: dict[str, set[str]], names: dict[str, str]) -> set[str]:
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found |= {names[inner.id]} if inner.id in names else bound.get(inner.id, set())
    return found


def _asked(node: ast.AST, bound: dict[str, set[str]], names: dict[str, str]) -> set[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr == "when":
            return _named(inner.args[0], bound, names)
        if isinstance(inner, ast.Name) and inner.id == "outcome":
            return bound.get("outcome", set())
    return set()


def test_every_command_has_an_example_that_is_accepted() -> None:
    assert everything.AGGREGATES
    assert set(command_types()) - examples()["accepted"] == set()


def test_every_command_has_an_example_that_is_refused() -> None:
    assert set(command_types()) - examples()["refused"] == NEVER_REFUSED
