"""Where checkpoints come from: a pinned commit or the newest, and plain words without a network."""

from pathlib import Path
from types import SimpleNamespace

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


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("GatedRepoError", r"which are gated: .*licence at https://huggingface.co/a/b.*HF_TOKEN"),
        ("RepositoryNotFoundError", r"the hub shows no such repository: correct `repo`.*HF_TOKEN"),
        ("HfHubHTTPError", r"the hub did not provide them \(HfHubHTTPError\)"),
    ],
)
def test_what_the_hub_refuses_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, kind: str, words: str
) -> None:
    import huggingface_hub.errors

    response = SimpleNamespace(status_code=401, headers={}, request=None)

    def refuse(*_: object, **__: object) -> None:
        raise getattr(huggingface_hub.errors, kind)("no", response=response)

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(ModelError, match=words):
        fetch(Checkpoint(repo="a/b"), ["*.json"], who="card x")
