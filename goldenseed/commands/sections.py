"""`goldenseed --help`: the commands in sections, each with the whole first sentence of its help."""

from typing import Any

from typer.core import TyperGroup

PATH = "The path, step by step (a step that is repeated does only what is missing)"
SHORT = "The path in one command"
RUNS = "Look into a run"
FILES = "Make files that recipes for real models need"
SECTIONS = (PATH, SHORT, RUNS, FILES)


class SectionedGroup(TyperGroup):
    """A group that lists each command in the section that its `rich_help_panel` names."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer keeps both types private
        """Write the sections in order; long sentences are folded, not cut."""
        for section in SECTIONS:
            rows = [
                (name, _first_sentence(command.help or ""))
                for name, command in self.commands.items()
                if getattr(command, "rich_help_panel", "") == section
            ]
            with formatter.section(section):
                formatter.write_dl(rows)


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split()).partition(". ")[0].removesuffix(".") + "."
