"""List commands in help texts: each with its whole first sentence, those of the path in order."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from typer.core import TyperGroup

SECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Begin with your own model": ("init",),
        "Begin with images that you have": ("import",),
        "The path, step by step": ("plan", "generate", "measure", "rank", "publish"),
        "The path in one command": ("run", "search", "submit"),
        "Look into a run": (
            "status",
            "shares",
            "study",
            "report",
            "grid",
            "verify",
            "repair",
            "gc",
            "copy",
        ),
        "Use seeds elsewhere": ("seeds",),
        "Verify what others published": ("check",),
        "Compare by eye": ("compare", "votes", "pick"),
        "Noise, and this machine": ("noise", "repro", "doctor"),
        "Make the files that recipes for real models need": ("prompts", "reference"),
    }
)
"""Title -> commands."""


class Group(TyperGroup):
    """A group of commands whose help folds long sentences instead of cutting them."""

    def sections(self) -> Mapping[str, tuple[str, ...]]:
        """Title -> commands, in the order of the help text."""
        return {"Commands": tuple(self.commands)}

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Write the sections; both arguments are of private types of typer."""
        for title, names in self.sections().items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, first_sentence(self.commands[name].help or "")) for name in names]
                )


class PathGroup(Group):
    """The group of all commands, in sections along the path."""

    def sections(self) -> Mapping[str, tuple[str, ...]]:
        """Title -> commands, in the order of the help text."""
        return SECTIONS


def first_sentence(text: str) -> str:
    r"""Give the first sentence of a help text, on one line.

    Example:
        >>> first_sentence("Draw the images\nof a grid. Repeat to continue.")
        'Draw the images of a grid.'
    """
    return " ".join(text.split()).partition(". ")[0].removesuffix(".") + "."
