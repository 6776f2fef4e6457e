"""Say in words what a new member of a family still lacks, and where to add it."""

import ast
import importlib.util
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path


def unlisted(what: str, names: Collection[str], listed: Collection[str], *, table: str) -> str:
    """Compare the names of a registry with a table of a contract suite.

    Args:
        what: The family in the singular: "feature".
        names: Names in the registry.
        listed: Names in the table.
        table: Name of the table and its file, and what a line holds.

    Returns:
        What to add and what to take out, one sentence a name; empty if the two agree.

    Example:
        >>> unlisted("feature", ["gram", "sharpness"], ["gram"], table="TOLERANCE (test.py)")
        'feature sharpness has no line in TOLERANCE (test.py): add one'
        >>> unlisted("feature", ["gram"], ["gram", "old"], table="TOLERANCE (test.py)")
        'TOLERANCE (test.py) has a line for old, which is no feature: take it out'
    """
    missing = [
        f"{what} {name} has no line in {table}: add one" for name in sorted({*names} - {*listed})
    ]
    left = [
        f"{table} has a line for {name}, which is no {what}: take it out"
        for name in sorted({*listed} - {*names})
    ]
    return "\n".join([*missing, *left])


def unregistered(name: str, path: str, registry: Mapping[str, str], *, table: str) -> str:
    """Say which line the registry lacks for a class; empty if it has the line.

    Args:
        name: The `name` of the class.
        path: Where the class is, "module:Class".
        registry: The registry.
        table: Name of the registry and its file.

    Example:
        >>> unregistered("gram", "features.gram:Gram", {}, table="FEATURES (__init__.py)")
        'features.gram:Gram has no line in FEATURES (__init__.py): add "gram": "features.gram:Gram"'
    """
    if registry.get(name) == path:
        return ""
    return f'{path} has no line in {table}: add "{name}": "{path}"'


def classes_with_a_name(package: str, *, base: str = "") -> list[tuple[str, str]]:
    """Find the classes of a package whose body sets `name` to a text. Imports none of them.

    Args:
        package: A package whose modules hold the members of a family.
        base: Name of the class that they derive from; empty for any.

    Returns:
        The `name` and "module:Class" of each class.

    Example:
        >>> ("gram", "analysis.features.gram:Gram") in classes_with_a_name("analysis.features")
        True
    """
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"no package {package}"
    (folder,) = spec.submodule_search_locations or ()
    members = []
    for file in sorted(Path(folder).rglob("*.py")):
        module = ".".join([package, *file.relative_to(folder).with_suffix("").parts])
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and base in ["", *map(ast.unparse, node.bases)]:
                members += [(name, f"{module}:{node.name}") for name in _names(node)]
    return members


def _names(node: ast.ClassDef) -> Iterator[str]:
    """Give the text that a class body assigns to `name`."""
    for line in node.body:
        targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
        named = any(isinstance(target, ast.Name) and target.id == "name" for target in targets)
        value = getattr(line, "value", None)
        if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value
