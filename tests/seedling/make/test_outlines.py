"""Test prompts with outlines: the files that a run reads, and their scenes."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.cards.card import Card, find_card
from pipeline.errors import PromptError
from pipeline.prompts.conditions import Conditions, check_conditions
from pipeline.prompts.prompt_sets import read_prompts
from seedling.learning.conditions import control_images, draw_seen, outlines
from seedling.make.outlines import main
from seedling.world.sentences import parse

COUNT = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outlines")
    main([str(path / "scenes.jsonl"), "--count", str(COUNT)])
    return path


@pytest.fixture(scope="module")
def card() -> Card:
    """A card that takes the conditions of a ControlNet."""
    return find_card("seedling").model_copy(update={"conditions": {"image": "same"}})


def test_a_run_finds_them(folder: Path, card: Card) -> None:
    prompts = read_prompts(folder / "scenes.jsonl").prompts
    images = Conditions(folder / "conditions")
    assert len(prompts) == len(images) == COUNT
    check_conditions(card, prompts, images, (64, 64))
    with pytest.raises(PromptError, match="takes none"):
        check_conditions(find_card("seedling"), prompts, images, (64, 64))
    plain = read_prompts(folder / "scenes-plain.jsonl").prompts
    assert {prompt.text for prompt in plain} == {prompt.text for prompt in prompts}
    check_conditions(find_card("seedling"), plain, {}, (64, 64))
    with pytest.raises(PromptError, match="has no image"):
        check_conditions(card, plain, {}, (64, 64))


def test_outlines_are_those_of_the_training(folder: Path) -> None:
    _, masks, parts = draw_seen(COUNT, seed=29)
    prompts = read_prompts(folder / "scenes.jsonl").prompts
    images = Conditions(folder / "conditions")
    assert [parse(prompt.text) for prompt in prompts] == [tuple(row) for row in parts.tolist()]
    shown = np.stack([np.asarray(images[str(p.image)], np.float32) / 255 for p in prompts])
    expected = control_images(outlines(masks)).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(shown, expected)
    assert not np.array_equal(shown, control_images(masks).permute(0, 2, 3, 1).numpy())


def test_the_same_command_again_changes_nothing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    main([str(folder / "scenes.jsonl"), "--count", str(COUNT)])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_another_ending_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path / "scenes.txt")])
    assert "does not end in .jsonl" in capsys.readouterr().err
