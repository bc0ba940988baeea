"""Find the modules of a project that define tables, by their text: none of them is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby, islice
from pathlib import Path

_WORTH_PARSING = re.compile(r"\btable\s*=\s*True\b|\b__tablename__\b|\.Model\b")
# Folders whose modules are not the application's, or that belong to other tools.
NOT_THE_APPLICATION = frozenset(
    {
        *("alembic", "migrations", "versions", "tests", "test", "docs", "examples", "scripts"),
        *("build", "dist", "node_modules", "site-packages", "venv", "env", "static", "templates"),
    }
)
_MOST_FILES = 2_000
_DEPTH = 4


def modules_with_tables(project: Path) -> tuple[str, ...]:
    """Return the modules that define tables, by the names that they are imported by.

    Those of one package are named by the package where its `__init__.py` imports each of them.
    """
    found: dict[str, Path] = {}
    for module, file in islice(_modules(project, "", _DEPTH), _MOST_FILES):
        with suppress(OSError, ValueError, SyntaxError):
            text = file.read_text(encoding="utf-8")
            if _WORTH_PARSING.search(text) and _defines_table(ast.parse(text)):
                found[module] = file
    names: list[str] = []
    for package, modules in groupby(found, key=lambda name: name.rpartition(".")[0]):
        inside = list(modules)
        imported = package and _imports(found[inside[0]].parent / "__init__.py", inside)
        names += [package] if imported else inside
    return tuple(dict.fromkeys(names))


def _modules(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        name = path.stem if path.suffix == ".py" else path.name
        if not name.isidentifier() or name in NOT_THE_APPLICATION:
            continue
        if path.is_dir():
            if depth and not (path / "pyvenv.cfg").exists():
                source_root = not prefix and name == "src"
                yield from _modules(path, "" if source_root else f"{prefix}{name}.", depth - 1)
        elif path.suffix == ".py" and not name.startswith("test_"):
            yield (prefix.rstrip(".") if name == "__init__" else prefix + name), path


def _defines_table(module: ast.Module) -> bool:
    return any(isinstance(node, ast.ClassDef) and _is_table(node) for node in module.body)


def _is_table(node: ast.ClassDef) -> bool:
    """Return whether a class is a table of SQLModel, SQLAlchemy or Flask-SQLAlchemy."""
    if any(word.arg == "table" for word in node.keywords):
        return True
    assigned = {
        target.id: statement.value
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (
            statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        )
        if isinstance(target, ast.Name)
    }
    if "__abstract__" in assigned:
        return False
    of_flask = any(isinstance(base, ast.Attribute) and base.attr == "Model" for base in node.bases)
    return of_flask or (bool(node.bases) and "__tablename__" in assigned)


def _imports(init: Path, modules: list[str]) -> bool:
    """Return whether the `__init__.py` of a package names each of its `modules`."""
    try:
        text = init.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    names = (module.rpartition(".")[2] for module in modules)
    return all(re.search(rf"^\s*(from|import)\b.*\b{name}\b", text, re.MULTILINE) for name in names)
