"""A run in an object store is the run that it would be in a folder."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import goldenseed
from pipeline.runs.run import Run
from pipeline.storage.open_store import store_at
from tests.goldenseed.conftest import Call
from tests.object_server import KEY_ID, SECRET, Server

LOCAL = ("--executor", "local")
RUN = "s3://bucket/runs/drawn"


@pytest.fixture(autouse=True)
def _a_server(s3: Server) -> Server:
    return s3


@pytest.fixture
def copied(made: Path, request: pytest.FixtureRequest, call: Call) -> Iterator[str]:
    """The finished run, copied into the store."""
    address = f"s3://bucket/{request.node.name.replace(' ', '-')}"
    called = call("copy", made / "run", address)
    assert called.code == 0, called.err
    return address


def contents(run: Run) -> dict[str, str]:
    return {receipt.shard_id: receipt.content_sha256 for receipt in run.images.receipts()}


def test_the_whole_path_gives_what_it_gives_in_a_folder(
    call: Call, made: Path, recipe: Path, tmp_path: Path
) -> None:
    for command in (
        ("generate", recipe, "--out", RUN, *LOCAL),
        ("measure", RUN, *LOCAL),
        ("rank", RUN),
        ("status", RUN),
        ("verify", RUN),
        ("publish", RUN, "--to", tmp_path / "releases"),
    ):
        called = call(*command)
        assert called.code == 0, called.err
    there, here = Run.open(RUN), Run.open(made / "run")
    assert contents(there) == contents(here)
    assert there.store.read("ranking.json") == here.store.read("ranking.json")
    release = next((tmp_path / "releases").iterdir())
    published = next((made / "run" / "releases").iterdir())
    for name in ("golden_seeds.json", "bad_seeds.json"):
        assert (release / name).read_bytes() == (published / name).read_bytes()
    assert goldenseed.open_run(RUN).status.drawn == 320
    _no_secret(there)
    before = [entry.key for entry in there.store.entries("images")]
    assert call("generate", recipe, "--out", RUN, *LOCAL).code == 0
    assert [entry.key for entry in there.store.entries("images")] == before


def _no_secret(run: Run) -> None:
    for entry in run.store.entries(""):
        data = run.store.read(entry.key)
        assert SECRET.encode() not in data
        assert KEY_ID.encode() not in data


def test_damage_is_found_set_aside_and_drawn_again(call: Call, copied: str, recipe: Path) -> None:
    run = Run.open(copied)
    wanted, receipt = contents(run), next(run.images.receipts())
    key = run.images.data_key(receipt)
    data = bytearray(run.store.read(key))
    data[len(data) // 2] ^= 1
    run.store.replace(key, bytes(data))
    called = call("verify", copied, "--repair")
    assert called.code == 4
    assert f"{key}: " in called.out
    assert call("generate", recipe, "--out", copied, *LOCAL).code == 0
    assert contents(run) == wanted
    assert call("verify", copied).code == 0
    assert call("gc", copied, "--json").code == 0
    assert not [entry for entry in run.store.entries("superseded")]


def test_a_copy_there_and_back_is_the_run(
    call: Call, copied: str, made: Path, tmp_path: Path
) -> None:
    back = tmp_path / "back"
    assert call("copy", copied, back).code == 0
    assert call("verify", back).code == 0
    assert contents(Run.open(back)) == contents(Run.open(made / "run"))
    again = json.loads(call("copy", copied, back, "--json").out)
    assert again["present"] > 10
    assert call("verify", back).code == 0


def test_a_copy_never_mixes_runs(call: Call, copied: str, tmp_path: Path) -> None:
    store_at(tmp_path / "other").replace("run.json", b"{}")
    called = call("copy", copied, tmp_path / "other")
    assert called.code == 2
    assert "another run; copy to a new place" in called.err
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["run.json"]


@pytest.mark.parametrize("command", ["publish", "study quality", "report", "grid", "pick"])
def test_what_needs_files_says_how_to_get_them(call: Call, copied: str, command: str) -> None:
    called = call(*command.split(), copied)
    assert called.code == 2
    assert f"goldenseed copy {copied} FOLDER" in called.err


def test_what_a_store_answers_is_an_exit_code_in_words(
    call: Call, s3: Server, copied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = call("status", "s3://missing/run")
    assert called.code == 2
    assert "there is no such bucket" in called.err
    assert call("status", "s3://bucket/nothing").code == 2
    s3.check_credentials(checked=True)
    called = call("status", copied)
    s3.check_credentials(checked=False)
    assert called.code == 2
    assert "refuses the credentials" in called.err
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    called = call("status", copied)
    assert called.code == 3
    assert "does not answer" in called.err
    assert "Traceback" not in called.err
