"""The command line itself: help texts, completion, `python -m goldenseed`, errors, pipes."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from goldenseed.cli import app
from goldenseed.commands import exit_codes
from goldenseed.commands.sections import SECTIONS
from pipeline.settings.recipe import recipe_names
from tests.goldenseed.conftest import Call

ROOT = Path(__file__).parents[2]
MODULE = [sys.executable, "-P", "-m", "goldenseed"]


def in_process(
    arguments: list[str], *, shell_input: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Call a program on this checkout, with a page of 80 columns unless said otherwise."""
    return subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        input=shell_input,
        timeout=200,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment},
    )


def options_without_help() -> list[str]:
    """Arguments and options, of all commands, that have no help text."""
    group = typer.main.get_command(app)
    pending, bare = [("goldenseed", group)], []
    while pending:
        path, command = pending.pop()
        pending += [(f"{path} {name}", c) for name, c in getattr(command, "commands", {}).items()]
        bare += [f"{path} {p.name}" for p in command.params if not getattr(p, "help", "")]
        bare += [path] if not command.help else []
    return bare


def test_everything_has_a_help_text() -> None:
    assert options_without_help() == []


@pytest.mark.parametrize("columns", ["80", "40"])
def test_help_is_never_cut_and_lists_the_commands_along_the_path(columns: str) -> None:
    for group in (["prompts"], []):
        done = in_process([*MODULE, *group, "--help"], COLUMNS=columns)
        assert done.returncode == 0
        assert "..." not in done.stdout.replace("[ARGS]...", "")
        assert "…" not in done.stdout
    names = [name for names in SECTIONS.values() for name in names]
    listed = done.stdout[done.stdout.index(next(iter(SECTIONS))) :]
    assert re.findall(r"^  (\S+)", listed, re.MULTILINE)[: len(names)] == names


def test_each_command_is_in_one_section() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(group.commands)


def test_the_module_is_the_command(command: Path) -> None:
    for arguments, code in ((["--help"], 0), (["status", "no-run"], 2), (["run", "--workers"], 2)):
        module, script = in_process([*MODULE, *arguments]), in_process([str(command), *arguments])
        assert (module.returncode, module.stdout, module.stderr) == (
            script.returncode,
            script.stdout,
            script.stderr,
        )
        assert module.returncode == code
        assert "__main__" not in module.stdout + module.stderr
    assert "Usage: goldenseed run" in in_process([*MODULE, "run", "--help"]).stdout


@pytest.fixture
def completions(tmp_path: Path) -> Callable[[str], list[str]]:
    """What bash offers for the last word of a line, once the completion is installed."""
    program = tmp_path / "goldenseed"
    program.write_text(f'#!/bin/sh\nexec {" ".join(MODULE)} "$@"\n')
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    home = {"HOME": str(tmp_path), "PATH": path}
    installed = in_process(["bash", "-c", "goldenseed --install-completion; exit $?"], **home)
    assert installed.returncode == 0, installed.stderr
    assert "completion installed" in installed.stdout

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        script = f"""
source {tmp_path}/.bashrc
COMP_WORDS=({" ".join(words[:-1])} "{words[-1]}")
COMP_CWORD={len(words) - 1}
$(complete -p goldenseed | sed 's/.*-F \\([^ ]*\\) .*/\\1/') goldenseed
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
        done = in_process(["bash", "-s"], shell_input=script, **home)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return complete


def test_bash_completes_commands_recipes_and_studies(
    completions: Callable[[str], list[str]],
) -> None:
    assert completions("goldenseed pu") == ["publish"]
    expected = [name for name in recipe_names() if name.startswith("seedling-m")]
    assert completions("goldenseed plan seedling-m") == expected
    assert completions("goldenseed study qual") == ["quality"]
    assert completions("goldenseed plan no-such-recipe") == []


def into_a_closed_pipe(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Call the command with a stdout that nobody reads, as after `| head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        return subprocess.run(
            [*MODULE, *map(str, arguments)],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=200,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


def test_a_reader_that_is_gone_changes_no_exit_code(made: Path, run_folder: Path) -> None:
    for arguments in (["status", made / "run"], ["shares", made / "run", "--json"], ["--help"]):
        done = into_a_closed_pipe(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
    (shard, *_) = sorted(run_folder.glob("images/*/*.parquet"))
    shard.write_bytes(b"")
    assert into_a_closed_pipe("verify", run_folder).returncode == exit_codes.DAMAGED


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "seedling", "--workers", "0"], ["'--workers'", "goldenseed run --help"]),
        (["plan", "seedling", "--prompts", "no"], ["'--prompts'", "goldenseed plan --help"]),
        (["plan", "seedling", "--reliability", "2"], ["--reliability 2", "between 0 and 1"]),
        (["plan", "seedling", "--seed", "3"], ["--seed", "--seeds"]),
        (["serch", "seedling"], ["'serch'", "goldenseed --help"]),
    ],
)
def test_an_error_names_the_option_and_where_help_is(
    call: Call, arguments: list[str], words: list[str]
) -> None:
    called = call(*arguments)
    assert called.code == exit_codes.BAD_INPUT
    assert all(word in called.err for word in words), called.err


WORDS = {
    "status": ["run_id", "shards", "appearance-", "perceptual-", "releases", "recipe-v1"],
    "shares": ["brightness", "appearance.contrast", "measure", "groups"],
    "plan": ["prompts", "images", "seedling", "shards"],
}
"""Words of each table, which must not be folded."""


@pytest.mark.parametrize("command_name", ["status", "shares", "plan"])
@pytest.mark.parametrize("columns", [80, 40])
def test_tables_fold_on_a_narrow_terminal(
    call: Call, made: Path, monkeypatch: pytest.MonkeyPatch, columns: int, command_name: str
) -> None:
    path = "seedling" if command_name == "plan" else made / "run"
    wide = call(command_name, path).out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    narrow = call(command_name, path).out
    assert "…" not in narrow
    if command_name == "status":
        long = [line for line in narrow.splitlines() if len(line) > columns]
        assert all(len(line.split()) <= 2 for line in long), "only a path may be longer"
    assert [word for word in WORDS[command_name] if word not in narrow or word not in wide] == []


def test_a_folder_of_the_users_hides_no_package(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise RuntimeError", encoding="utf-8")
    program = f"cd {tmp_path} && {sys.executable} -m goldenseed plan seedling-mini"
    done = in_process(["bash", "-c", program])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stream_is_no_defect(closed: str) -> None:
    program = " ".join([*MODULE, "plan", "seedling-mini", closed])
    done = in_process(["bash", "-c", program])
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("suffix", [".yaml", ""])
def test_a_name_too_long_for_a_file_is_no_recipe(call: Call, suffix: str) -> None:
    done = call("plan", "x" * 400 + suffix)
    assert done.code == exit_codes.BAD_INPUT
    assert "no recipe" in done.err
