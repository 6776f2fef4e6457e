"""Fill in the parts of the documentation that follow from the code.

A page marks such a part with two comments. What stands between them is replaced:

    <!-- options: run -->   the arguments and options of a command
    <!-- modules: pipeline -->   one line for each module of a package
    <!-- costs: paper -->   what the recipes in a folder cost
    <!-- rates: paper -->   how fast the models of the recipes in some folders are thought to draw
    <!-- end -->

Run it with `python docs/tools/fill.py`; `make docs` does. Add `--check` to only say whether a page
would change.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("goldenseed", "pipeline", "analysis", "seedling")
BLOCK = re.compile(
    r"(<!-- (options|modules|costs|rates): ([\w. ]+) -->\n).*?(<!-- end -->)", re.DOTALL
)


def commands() -> dict[str, Any]:
    """Each command of the command line by its full name, groups taken apart."""
    import typer.main

    from goldenseed.cli import app

    return dict(_flat(typer.main.get_command(app), ""))


def _flat(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's own
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _flat(command, f"{name} ")
        else:
            yield f"{prefix}{name}", command


def options(name: str) -> str:
    """A table of a command's arguments and options."""
    rows = ["| argument or option | default | meaning |", "|---|---|---|"]
    for parameter in commands()[name].params:
        positional = not parameter.opts[0].startswith("-")
        argument = parameter.metavar or parameter.name.upper()
        shown = argument if positional else ", ".join(parameter.opts)
        if not positional and not parameter.is_flag:
            shown = f"{shown} {(parameter.metavar or 'VALUE').upper()}"
        rows.append(f"| `{shown}` | {_default(parameter)} | {_plain(parameter.help or '')} |")
    return "\n".join(rows) + "\n"


def _plain(text: str) -> str:
    """A text that Markdown shows as it is."""
    return text.replace("<", "&lt;").replace("|", "\\|")


def _default(parameter: Any) -> str:  # noqa: ANN401 - typer's own
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return _plain(parameter.show_default)
    nothing = parameter.default in (None, "", False, (), [])
    return "" if nothing else f"`{parameter.default}`"


def modules(package: str) -> dict[str, str]:
    """Each module of a package by its path, with the first line of its docstring."""
    paths = sorted((ROOT / package).rglob("*.py"), key=lambda path: (path.parent, path.name))
    return {
        path.relative_to(ROOT).as_posix(): first_line(path)
        for path in paths
        if path.name != "__init__.py" or first_line(path)
    }


def first_line(path: Path) -> str:
    """The first line of a module's docstring; empty if it has none."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return _plain(text.split("\n\n")[0].replace("\n", " "))


def map_of(package: str) -> str:
    """A section for each folder of a package, a row for each of its modules."""
    parts: dict[str, list[str]] = {}
    for path, line in modules(package).items():
        folder, _, name = path.rpartition("/")
        rows = parts.setdefault(folder, [])
        rows.append(line if name == "__init__.py" else f"| `{name}` | {line} |")
    return "\n".join(_section(folder, rows) for folder, rows in parts.items())


def _section(folder: str, rows: list[str]) -> str:
    about = [row for row in rows if not row.startswith("| `")]
    table = [row for row in rows if row.startswith("| `")]
    head = ["| file | what it does |", "|---|---|"] if table else []
    lines = [f"### `{folder}/`", "", *about, ""[: bool(about)], *head, *table]
    return "\n".join(lines).rstrip() + "\n"


def filled(text: str) -> str:
    """A page with its marked parts filled in."""
    from docs.tools.costs import cost_table, rate_table

    made = {"options": options, "modules": map_of, "costs": cost_table, "rates": rate_table}
    return BLOCK.sub(lambda m: f"{m[1]}\n{made[m[2]](m[3])}\n{m[4]}", text)


def main() -> int:
    """Fill in each page; with `--check` write nothing and return 1 if one is out of date."""
    old = []
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if filled(text) != text:
            old.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(filled(text), encoding="utf-8")
    if old:
        sys.stderr.write(f"{', '.join(old)}: out of date\n")
    return int("--check" in sys.argv and bool(old))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
