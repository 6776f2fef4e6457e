"""Test where the weights of a card are found, and what is refused before anything is loaded."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import ValidationError

from analysis.features import load_feature
from analysis.features.cards import (
    WEIGHTS_VARIABLE,
    FeatureCard,
    cards,
    commit_of,
    find_weights,
    load_card,
    weights_sha256,
)
from pipeline.errors import ConfigError, ModelError

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NOWHERE = "http://127.0.0.1:9/w.safetensors"  # the discard port, where nothing answers


def card(**fields: object) -> FeatureCard:
    given = {"feature": "clip", "source": "a page", "licence": "MIT", "file": "w.safetensors"}
    return FeatureCard.model_validate({**given, **fields})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.mark.parametrize("place", ["w.safetensors", "model-b/w.safetensors"])
def test_weights_are_found_by_file_or_by_repository(folder: Path, place: str) -> None:
    path = folder / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CONTENT)
    found = card(repo="someone/model-b", sha256=SHA256)
    assert find_weights(found) == path
    assert weights_sha256(card(repo="someone/model-b")) == SHA256


def test_a_repository_of_its_own_goes_before_a_file_of_the_same_name(folder: Path) -> None:
    (folder / "model-b").mkdir()
    (folder / "model-b" / "w.safetensors").write_bytes(CONTENT)
    (folder / "w.safetensors").write_bytes(b"of another repository")
    assert find_weights(card(repo="someone/model-b", sha256=SHA256)).parent.name == "model-b"


@pytest.mark.parametrize("stated", [SHA256, SHA256[:8]])
def test_a_file_must_be_the_one_its_card_pins(folder: Path, stated: str) -> None:
    (folder / "w.safetensors").write_bytes(CONTENT)
    pinned = card(url=NOWHERE, sha256=stated)
    assert find_weights(pinned).read_bytes() == CONTENT
    (folder / "w.safetensors").write_bytes(CONTENT + b"!")
    with pytest.raises(ModelError, match=stated):
        find_weights(pinned)


def test_a_pickle_that_nobody_pins_is_refused_before_it_is_looked_for(folder: Path) -> None:
    (folder / "w.safetensors").write_bytes(CONTENT)
    with pytest.raises(ModelError, match="pins no sha256"):
        find_weights(card(url=NOWHERE, pickled=True))
    with pytest.raises(ModelError, match="pins only 8 of 64 digits of its sha256"):
        find_weights(card(url=NOWHERE, pickled=True, sha256=SHA256[:8]))
    assert find_weights(card(url=NOWHERE, pickled=True, sha256=SHA256)).exists()


@pytest.mark.parametrize("stated", [SHA256[:1], SHA256[:7], SHA256.upper(), SHA256 + "0", "w" * 8])
def test_a_pin_is_at_least_eight_digits_in_lower_case(stated: str) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        card(sha256=stated)
    with pytest.raises(ValidationError, match="should match pattern"):
        card(files={"w.pth": stated})
    assert card(sha256=SHA256[:8], files={"w.pth": SHA256}).files


def test_a_folder_is_what_is_read_of_it(folder: Path) -> None:
    own = folder / "model-b"
    (own / "more").mkdir(parents=True)
    for name in ("config.json", "merges.txt", "model.safetensors"):
        (own / name).write_bytes(CONTENT)
    whole = card(repo="someone/model-b", file="")
    before = weights_sha256(whole)
    for name in ("README.md", "pytorch_model.bin", ".gitattributes", "more/config.json"):
        (own / name).write_bytes(b"stray")
    assert weights_sha256(whole) == before
    (own / "config.json").write_bytes(CONTENT + b"!")  # the negative control
    assert weights_sha256(whole) != before


def test_the_hub_gives_what_is_read_and_says_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    snapshot = tmp_path / "models--someone--model-b" / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    asked: dict[str, object] = {}

    def download(repo: str, **how: object) -> str:
        asked.update(how, repo=repo)
        return str(snapshot)

    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    found = card(repo="someone/model-b", file="", revision="unresolved")
    assert find_weights(found) == snapshot
    wanted = ["*.json", "*.txt", "*.model", "*.safetensors"]
    assert asked == {"repo": "someone/model-b", "revision": None, "allow_patterns": wanted}
    assert commit_of(found) == "0123abc"
    assert commit_of(card(url=NOWHERE)) == ""


def test_missing_shipped_weights_say_where_to_read_on() -> None:
    lost = card(path="no/such/folder", file="", source="seedling/README.md")
    with pytest.raises(ModelError, match=r"are missing: .*no/such/folder; see seedling/README\.md"):
        find_weights(lost)


def test_without_a_network_the_error_says_what_to_put_where(folder: Path) -> None:
    with pytest.raises(ModelError, match=rf"needs w\.safetensors.*{WEIGHTS_VARIABLE}"):
        find_weights(card(url=NOWHERE))


@pytest.fixture
def address() -> Iterator[str]:
    """Address at which a server on this machine offers the file."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/w.safetensors"
        server.shutdown()


def test_an_address_that_gives_another_file_is_refused(folder: Path, address: str) -> None:
    with pytest.raises(ModelError, match=rf"gave another file .*{'0' * 64}.*damaged or another"):
        find_weights(card(url=address, sha256="0" * 64))
    kept = folder.parent / "torch" / "hub" / "checkpoints"
    assert list(kept.iterdir()) == []
    assert find_weights(card(url=address, sha256=SHA256)).read_bytes() == CONTENT


def test_a_card_of_ones_own_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("{feature: clip, source: mine, licence: MIT, path: /weights}\n")
    assert load_card(str(path), "clip").source == "mine"
    with pytest.raises(ConfigError, match="is for feature clip, not for hps"):
        load_card(str(path), "hps")


def test_unknown_cards_and_fields_name_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'hps-v2\.1'"):
        load_card("hps-v2-1", "hps")
    path = tmp_path / "mine.yaml"
    path.write_text("{feature: clip, source: mine, license: MIT}\n")
    with pytest.raises(ConfigError, match="licence"):
        load_card(str(path), "clip")


def test_every_shipped_card_states_where_its_weights_come_from() -> None:
    for name, each in cards().items():
        assert each.source, name
        assert each.licence, name
        assert each.repo or each.url or each.path or each.package, name
        assert not each.pickled or len(each.sha256) == 64 or each.files, name
        assert not each.repo or each.revision, name


def test_a_gpu_card_is_the_same_on_a_gpu() -> None:
    twins = {name: name.removesuffix("-gpu") for name in cards() if name.endswith("-gpu")}
    assert len(twins) >= 7
    for name, other in twins.items():
        options = {**cards()[other].options, "gpu": True}
        assert cards()[name] == cards()[other].model_copy(update={"options": options})
        on, off = (load_feature(f"{cards()[name].feature}@{each}") for each in (name, other))
        assert (on.resources.gpus, off.resources.gpus) == (1, 0)
        assert on.parameters != off.parameters  # so their identities differ
