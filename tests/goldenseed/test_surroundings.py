"""Damaged run files and odd surroundings end in words that name the file, with exit code 2."""

import base64
import errno
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from goldenseed.commands.errors import exit_code_of
from goldenseed.output import tables
from pipeline.drawing.stage import generate_stage
from pipeline.errors import RunError, StoreError
from pipeline.runs.run import Run
from pipeline.storage.local_store import LocalStore
from pipeline.storage.sealed import seal, unseal
from tests.goldenseed.conftest import Call

DAMAGE = {
    "empty": b"",
    "binary": b"\x93\xff\x00\xfe" * 9,
    "cut": b'{"a": ',
    "a list": b"[1, 2]",
    "a number": b"3",
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["run.json", "recipe.json", "grid/0000.json"])
@pytest.mark.parametrize("command", ["status", "measure"])
def test_damaged_run_files(
    call: Call, run_folder: Path, name: str, damage: str, command: str
) -> None:
    (run_folder / name).write_bytes(DAMAGE[damage])
    called = call(command, run_folder)
    assert called.code == 2, called.err
    assert str(run_folder / name) in called.err
    assert "damaged" in called.err
    assert "bring back a copy" in called.err or "rewrites the file" in called.err
    assert len(called.err) < 2000


NO_PIXELS = json.dumps({"pixels": "AAAA"}).encode()


@pytest.mark.parametrize("content", [*DAMAGE.values(), b"{}", NO_PIXELS, b'{"pixels": 3}'])
def test_a_damaged_canary_is_named(run_folder: Path, content: bytes) -> None:
    (run_folder / "canary.json").write_bytes(content)
    with pytest.raises(RunError, match=r"canary\.json is damaged: .*or remove it"):
        generate_stage(Run.open(run_folder)).setup()


def test_a_canary_of_another_size_is_named(run_folder: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (9459, 2)).save(file, "PNG")
    run = Run.open(run_folder)
    canary = unseal((run_folder / "canary.json").read_bytes())
    canary["pixels"] = base64.b64encode(file.getvalue()).decode()
    (run_folder / "canary.json").write_bytes(seal(canary))
    with pytest.raises(RunError, match=r"its image has 9459 x 2 pixels"):
        generate_stage(run).setup()


def test_a_whole_canary_is_none_of_these(run_folder: Path) -> None:
    generate_stage(Run.open(run_folder)).setup()


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x93"])
def test_a_damaged_token_is_named(run_folder: Path, content: bytes | None) -> None:
    (run_folder / "token").unlink()
    if content is not None:
        (run_folder / "token").write_bytes(content)
    with pytest.raises(RunError, match=r"token is missing or damaged.*remove it"):
        generate_stage(Run.open(run_folder))


@pytest.mark.parametrize("out", ["/proc/nope", "/proc/nope/deeper", "x" * 300])
@pytest.mark.parametrize("command", ["generate", "run"])
def test_folders_that_cannot_be_made(call: Call, recipe: Path, out: str, command: str) -> None:
    called = call(command, recipe, "--out", out)
    assert called.code == 2, called.err
    assert out in called.err
    assert "choose another" in called.err


def test_a_folder_that_cannot_be_made_is_a_store_error() -> None:
    with pytest.raises(StoreError, match="/proc/nope cannot be made there"):
        LocalStore(Path("/proc/nope")).put_if_absent("a", b"1")


@pytest.mark.parametrize(
    ("code", "exit_code"), [(errno.EROFS, 2), (errno.ENOSPC, 2), (errno.ENAMETOOLONG, 2)]
)
def test_errors_of_the_system_are_words(
    code: int, exit_code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(failing(OSError(code, "the system's word", "/some/file"))) == exit_code
    words = capsys.readouterr().err
    assert "/some/file: " in words
    assert "(the system's word)" in words


def test_other_errors_of_the_system_keep_their_traceback() -> None:
    with pytest.raises(FileNotFoundError):
        exit_code_of(failing(FileNotFoundError(errno.ENOENT, "gone", "/some/file")))


def failing(error: OSError) -> Any:  # noqa: ANN401 - stands for a Typer
    """What fails with an error when it is called as a command."""

    def app(**_options: object) -> None:
        raise error

    return app


def ascii_output(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """A standard output that knows ASCII alone, as with PYTHONIOENCODING=ascii."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    return written


def test_letters_that_the_output_lacks_are_written_as_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = ascii_output(monkeypatch)
    tables.print_rows("runs", [{"run": "caf\xe9", "images": 3}])
    assert b"caf\\xe9" in written.getvalue()


def test_json_stays_json_where_the_output_lacks_a_letter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = ascii_output(monkeypatch)
    tables.print_json({"run": "caf\xe9"})
    assert json.loads(written.getvalue()) == {"run": "caf\xe9"}


def test_letters_that_the_output_knows_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    tables.print_json({"run": "caf\xe9"})
    assert "caf\xe9" in capsys.readouterr().out
