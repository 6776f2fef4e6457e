"""Where checkpoints come from: a pinned commit or the newest, and plain words without a network."""

from pathlib import Path

import pytest

from pipeline.cards.checkpoints import Checkpoint, fetch
from pipeline.errors import ModelError

COMMIT = "ab" * 20


@pytest.mark.parametrize(("stated", "wanted"), [("", None), ("unresolved", None), (COMMIT, COMMIT)])
def test_only_a_stated_commit_is_pinned(stated: str, wanted: str | None) -> None:
    assert Checkpoint(repo="a/b", revision=stated).commit == wanted


def test_without_a_network_the_message_names_who_needs_what() -> None:
    with pytest.raises(ModelError, match=r"card x needs the files of a/none, .* set HF_HOME"):
        fetch(Checkpoint(repo="a/none"), ["*.json"], who="card x")


def test_the_local_cache_is_enough_and_gives_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = fetch(Checkpoint(repo="a/b", revision=COMMIT), ["*.json"], who="card x")
    assert found == (snapshot, COMMIT)
    with pytest.raises(ModelError, match="a/b"):
        fetch(Checkpoint(repo="a/b", revision=COMMIT), ["*.json"], who="x", commit="cd" * 20)
