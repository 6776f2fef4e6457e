"""Turn the errors of a command into messages and exit codes."""

import os
import sys
from pathlib import Path

import typer

from goldenseed.commands import exit_codes
from pipeline.errors import GoldenseedError, IncompleteError
from pipeline.redact import redact
from pipeline.storage.disk import REMEDIES


def exit_code_of(app: typer.Typer) -> int:
    """Run the command line. An error that a user can mend becomes a message and an exit code."""
    _open_closed_streams()
    try:
        code = app(prog_name="goldenseed", standalone_mode=False)
    except IncompleteError as error:
        _say(f"goldenseed: {error}")
        return exit_codes.INCOMPLETE
    except GoldenseedError as error:
        _say(f"goldenseed: {error}")
        return exit_codes.BAD_INPUT
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        _say(f"goldenseed: {error.filename or error}: {REMEDIES[error.errno]} ({error.strerror})")
        return exit_codes.BAD_INPUT
    except typer.TyperException as error:
        _say(_usage_error(error))
        return exit_codes.BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        code = exit_codes.STOPPED
    except SystemExit as stop:
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        return 0  # nobody reads the help text to its end, as after `| head -1`
    if code == exit_codes.STOPPED:  # typer turns a KeyboardInterrupt into this code
        _say("goldenseed: stopped; finished shards are kept; repeat the command to continue")
    return code if isinstance(code, int) else 0


def _open_closed_streams() -> None:
    """Write to nowhere where the shell closed stdout or stderr, as after `>&-`."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - stays open


def _usage_error(error: typer.TyperException) -> str:
    """Say what is wrong with the arguments; a group without a command gives its help text."""
    text = error.format_message().replace("Value error, ", "")  # of pydantic, about our own words
    context = getattr(error, "ctx", None)
    if text.startswith("Usage:"):
        return text
    command = context.command_path if context else "goldenseed"
    return f"goldenseed: {text.removesuffix('.')}. See `{command} --help`."


def _say(text: str) -> None:
    sys.stderr.write(redact(text) + "\n")
