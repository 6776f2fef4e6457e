"""Uploads to a stand-in for the hub. They were not run against the hub itself."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from analysis.publish.hub import Upload, parse_target, upload, without_token
from goldenseed.steps.publishing import Wanted, publish_all, publish_run
from pipeline.errors import ConfigError, IncompleteError, RunError
from tests.analysis.publish.hub_server import TOKEN, Hub, serving
from tests.analysis.publish.released import ranked_run


@pytest.fixture(scope="module")
def folder() -> Path:
    return publish_run(ranked_run(), Wanted())


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[Hub]:
    """A hub, with a token for it in the library's own store. No test may print or log it."""
    caplog.set_level(logging.DEBUG)
    state = Hub()
    (tmp_path / "token").write_text(TOKEN)
    with serving(state) as address:
        for name, value in (
            ("ENDPOINT", address), ("HF_HUB_OFFLINE", False),
            ("HF_TOKEN_PATH", str(tmp_path / "token")),
        ):  # fmt: skip
            monkeypatch.setattr(constants, name, value)
        yield state
    assert TOKEN not in caplog.text


def test_a_release_goes_to_a_pull_request_is_merged_and_tagged(hub: Hub, folder: Path) -> None:
    hub.main["old.txt"] = b"of an earlier release"
    lines: list[str] = []
    address = upload(Upload("me/seeds", folder), lines.append)
    assert address.endswith("/datasets/me/seeds/tree/synthetic-v1")
    expected = {".gitattributes": b"", **content(folder)}
    assert hub.main == expected
    assert hub.tags == {"synthetic-v1": expected}
    uploaded = list(hub.uploaded)
    upload(Upload("me/seeds", folder), lines.append)
    assert lines[-1] == "synthetic-v1 is in me/seeds already"
    assert hub.uploaded == uploaded
    hub.requests[1]["title"] = "Release synthetic-v1 (other)"
    with pytest.raises(RunError, match="has a release synthetic-v1 with other content"):
        upload(Upload("me/seeds", folder), lines.append)


@pytest.mark.parametrize("cut", ["/discussions/1/merge", "/commit/refs/pr/1", "/tag/"])
def test_a_cut_connection_is_resumed(hub: Hub, folder: Path, cut: str) -> None:
    hub.cut, hub.cuts = cut, 1
    lines: list[str] = []
    if not cut.startswith("/commit"):  # the library itself repeats a commit
        with pytest.raises(IncompleteError, match=r"connection failed.*repeat the command"):
            upload(Upload("me/seeds", folder), lines.append)
        assert not hub.tags
    upload(Upload("me/seeds", folder), lines.append)
    assert len(hub.requests) == 1
    assert sorted(hub.uploaded) == sorted(content(folder))  # each file once
    assert hub.tags["synthetic-v1"] == {".gitattributes": b"", **content(folder)}


@pytest.fixture
def large_files(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Tables and pictures go to the storage of large files, by Git LFS and not by Xet."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    hub.large = (".parquet", ".png")
    return hub.large


LIBRARYS_OWN = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")


@LIBRARYS_OWN
@pytest.mark.parametrize("cut", ["", "/info/lfs", "/storage/", "/verify", "/commit/refs/pr/1"])
def test_large_files_go_to_their_storage(
    hub: Hub, folder: Path, large_files: tuple[str, ...], cut: str
) -> None:
    hub.cut, hub.cuts = cut, int(bool(cut))
    if cut.startswith("/commit"):  # the library itself repeats the calls to the storage
        with pytest.raises(IncompleteError, match=r"connection failed.*repeat the command"):
            upload(Upload("me/seeds", folder), lambda _: None)
    upload(Upload("me/seeds", folder), lambda _: None)
    expected = content(folder)
    assert hub.tags["synthetic-v1"] == {".gitattributes": b"", **expected}
    large = [data for name, data in expected.items() if name.endswith(large_files)]
    assert large
    assert sorted(hub.storage.values()) == sorted(set(large))
    assert sorted(hub.uploaded) == sorted(expected)  # each file once


@LIBRARYS_OWN
def test_a_storage_that_refuses_is_said_and_resumed(
    hub: Hub, folder: Path, large_files: tuple[str, ...]
) -> None:
    hub.refused = "/storage/"
    with pytest.raises(IncompleteError, match=r"Error while uploading .* repeat the command"):
        upload(Upload("me/seeds", folder), lambda _: None)
    assert not hub.tags
    hub.refused = ""
    upload(Upload("me/seeds", folder), lambda _: None)
    assert hub.tags["synthetic-v1"] == {".gitattributes": b"", **content(folder)}


@LIBRARYS_OWN
def test_a_large_file_that_is_stored_is_not_sent_again(
    hub: Hub, folder: Path, large_files: tuple[str, ...]
) -> None:
    upload(Upload("me/seeds", folder), lambda _: None)
    sent = [line for line in hub.log if line.startswith("PUT /storage/")]
    assert len(sent) == len(hub.storage)
    hub.main, hub.requests, hub.tags = {".gitattributes": b""}, {}, {}
    upload(Upload("me/seeds", folder), lambda _: None)
    assert [line for line in hub.log if line.startswith("PUT /storage/")] == sent
    assert hub.tags["synthetic-v1"] == {".gitattributes": b"", **content(folder)}


def test_a_pull_request_of_somebody_else_is_not_used(hub: Hub, folder: Path) -> None:
    wanted = Upload("me/seeds", folder)
    hub.requests[1] = {"title": wanted.title, "status": "open", "files": {}, "author": "eve"}
    upload(wanted, lambda _: None)
    assert hub.requests[1]["status"] == "open"
    assert hub.requests[2]["status"] == "merged"


def test_refused_credentials_are_said(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hf_anotherSecret")
    with pytest.raises(RunError, match="log in with `hf auth login`") as error:
        upload(Upload("me/seeds", folder), lambda _: None)
    assert "hf_anotherSecret" not in str(error.value)


def test_a_dry_run_connects_to_nothing(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    publish_all([ranked_run()], Wanted(to="hf://datasets/me/seeds", dry_run=True))
    shown = capsys.readouterr().err
    assert "nothing is uploaded" in shown
    assert "golden_seeds.json" in shown
    assert not hub.log
    with pytest.raises(ConfigError, match="--dry-run is for uploads"):
        publish_all([ranked_run()], Wanted(dry_run=True))
    with pytest.raises(ConfigError, match="one arm at a time"):
        publish_all([ranked_run()] * 2, Wanted(to="hf://datasets/me/seeds"))


def test_the_command_says_nothing_of_the_token(hub: Hub, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HF_ENDPOINT": constants.ENDPOINT,
        "HF_HUB_OFFLINE": "0",
        "HF_DEBUG": "1",  # the library's most talkative
        "HF_TOKEN_PATH": str(tmp_path / "token"),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    code = "from pipeline.registry import allow_code; from goldenseed.cli import main"
    code = f"{code}; allow_code(); main()"
    argv = [sys.executable, "-P", "-c", code, "--verbose", "publish", str(ranked_run().root)]
    done = subprocess.run(
        [*argv, "--to", "hf://datasets/me/seeds"],
        env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "tree/synthetic-v1" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert "synthetic-v1" in hub.tags


@pytest.mark.parametrize(
    "text", ["hf://me/seeds", "hf://datasets/seeds", "hf://datasets/me/../x", "hf://datasets/a/b/c"]
)
def test_what_is_no_dataset_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="wanted hf://datasets/OWNER/NAME"):
        parse_target(text)


def test_messages_hold_no_token() -> None:
    assert TOKEN not in without_token(f"Authorization: Bearer {TOKEN} for {TOKEN}")
