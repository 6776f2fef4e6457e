"""Prompts with outlines: the files a run reads, of scenes that the sentences tell of."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.cards.card import Card, find_card
from pipeline.errors import PromptError
from pipeline.prompts.conditions import Conditions, check_conditions
from pipeline.prompts.prompt_sets import read_prompts
from seedling.learning.conditions import control_pictures, draw_seen, outlines
from seedling.make.outlines import main
from seedling.world.sentences import parse

COUNT = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("outlines")
    main([str(found / "scenes.jsonl"), "--count", str(COUNT)])
    return found


@pytest.fixture(scope="module")
def card() -> Card:
    """As far as conditions go, a ControlNet's."""
    return find_card("seedling").model_copy(update={"conditions": {"image": "same"}})


def test_a_run_finds_them(folder: Path, card: Card) -> None:
    prompts = read_prompts(folder / "scenes.jsonl").prompts
    pictures = Conditions(folder / "conditions")
    assert len(prompts) == len(pictures) == COUNT
    check_conditions(card, prompts, pictures, (64, 64))
    with pytest.raises(PromptError, match="takes none"):
        check_conditions(find_card("seedling"), prompts, pictures, (64, 64))
    plain = read_prompts(folder / "scenes-plain.jsonl").prompts
    assert {prompt.text for prompt in plain} == {prompt.text for prompt in prompts}
    check_conditions(find_card("seedling"), plain, {}, (64, 64))
    with pytest.raises(PromptError, match="has no image"):
        check_conditions(card, plain, {}, (64, 64))


def test_they_are_what_the_training_shows(folder: Path) -> None:
    _, masks, parts = draw_seen(COUNT, seed=29)
    prompts = read_prompts(folder / "scenes.jsonl").prompts
    pictures = Conditions(folder / "conditions")
    assert [parse(prompt.text) for prompt in prompts] == [tuple(row) for row in parts.tolist()]
    shown = np.stack([np.asarray(pictures[str(p.image)], np.float32) / 255 for p in prompts])
    wanted = control_pictures(outlines(masks)).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(shown, wanted)
    assert not np.array_equal(shown, control_pictures(masks).permute(0, 2, 3, 1).numpy())


def test_the_same_command_again_changes_nothing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    main([str(folder / "scenes.jsonl"), "--count", str(COUNT)])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_another_ending_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path / "scenes.txt")])
    assert "ends in .jsonl" in capsys.readouterr().err
