"""The house keeps its own rules: rooms say what they are, files stay short, nothing of one machine is named."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "ledger"
ROOMS = sorted(path.parent for path in SOURCE.glob("*/__init__.py"))


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_every_room_says_what_lives_there_and_what_it_may_import(room: Path) -> None:
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert "May import" in said, f"{room.name}/__init__.py does not say what it may import"


#: The one file that is a whole program: it goes out by itself to people who have nothing else of ours.
ALONE = {SOURCE / "evidence" / "verify_evidence.py": 480}


def test_files_stay_short_enough_to_tell_one_story() -> None:
    lengths = {p: len(p.read_text().splitlines()) for p in SOURCE.rglob("*.py")}
    assert not {str(p.relative_to(ROOT)): n for p, n in lengths.items() if n > ALONE.get(p, 400)}


def test_the_file_that_goes_out_alone_imports_the_standard_library_and_cryptography() -> None:
    for path in ALONE:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names |= {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in names} - sys.stdlib_module_names == {"cryptography"}


def test_no_room_or_file_has_a_name_that_says_nothing() -> None:
    empty = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common)(_|$)")
    assert not [p for p in SOURCE.rglob("*.py") if empty.search(p.stem)]


def test_every_module_has_a_docstring() -> None:
    without = [
        str(p.relative_to(ROOT))
        for p in SOURCE.rglob("*.py")
        if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))
    ]
    assert not without


def test_the_rooms_import_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_contract_that_is_broken_is_noticed(tmp_path: Path) -> None:
    """The import rules are not empty words: the same contract fails on a house where a policy imports the store."""
    package = tmp_path / "ledger"
    for room in ("policies", "store"):
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "policies" / "wrong.py").write_text("import ledger.store\n")
    (tmp_path / "setup.cfg").write_text(
        "[importlinter]\nroot_package = ledger\n"
        "[importlinter:contract:1]\nname = one way\ntype = layers\nlayers =\n    ledger.store\n    ledger.policies\n"
    )
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--config", "setup.cfg", "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ledger.policies.wrong -> ledger.store" in done.stdout


@pytest.mark.parametrize(("lock", "groups"), [("requirements.lock", ()), ("requirements-dev.lock", ("dev",))])
def test_the_lock_files_hold_everything_that_is_depended_on(lock: str, groups: tuple[str, ...]) -> None:
    """A dependency that only the developer's machine has would fail on every new one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = list(project["project"]["dependencies"])
    for group in groups:
        wanted += project["dependency-groups"][group]
    names = {re.split(r"[\[<>=~! ]", each, maxsplit=1)[0].lower().replace("_", "-") for each in wanted}
    locked = {
        line.split("==")[0].lower()
        for line in (ROOT / lock).read_text(encoding="utf-8").splitlines()
        if re.match(r"[A-Za-z0-9]", line)
    }
    assert names <= locked, f"run: make lock (missing: {sorted(names - locked)})"
    assert "http" not in (ROOT / lock).read_text(encoding="utf-8"), "a lock file names a registry"
