"""An intervention's weights are named by what they are."""

from pathlib import Path

import pytest

from pipeline.cards.weights import weights_sha256
from pipeline.errors import ModelError
from pipeline.settings.config import InterventionConfig


def folder(path: Path, content: bytes) -> str:
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(content)
    return str(path)


def test_a_run_is_named_by_the_content_of_weights_and_not_by_their_place(tmp_path: Path) -> None:
    places = [folder(tmp_path / name, c) for name, c in (("a", b"1"), ("b", b"1"), ("c", b"2"))]
    names = [
        InterventionConfig(name="none", parameters={"weights": place}).with_source().identity()
        for place in places
    ]
    assert names[0] == names[1]
    assert names[0] != names[2]


def test_a_run_without_weights_keeps_its_name() -> None:
    plain = InterventionConfig(parameters={"strength": 1})
    assert plain.with_source().identity() == {"name": "none", "parameters": {"strength": 1}}


def test_a_single_file_counts_and_other_parameters_do_not(tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    path.write_bytes(b"1")
    hashes = weights_sha256({"text_weights": str(path), "scale": 2, "weights": ""})
    assert list(hashes) == ["text_weights"]


def test_weights_that_are_not_there_are_named() -> None:
    with pytest.raises(ModelError, match="no-such-folder"):
        weights_sha256({"weights": "no-such-folder"})
