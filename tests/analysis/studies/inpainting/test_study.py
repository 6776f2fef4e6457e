"""Planted words in inpainted images: rates, clean seeds and mimicry are found, or their absence."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from analysis.studies import load_study
from analysis.studies.inpainting.study import Inpainting
from analysis.studies.inpainting.writing import ConditionImages, words_inside
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.studies.planted_pairs import CLEAR, READER, as_json, run_of_pairs

SEEDS, PAIRS = 24, 90
SETTINGS = {"feature": READER}


def written(
    prompts: Sequence[Prompt], seeds: int, *, spread: float, mimic: bool
) -> NDArray[np.object_]:
    """Plant words at rates from 0.3 - spread to 0.3 + spread, half as often in completions."""
    rng = np.random.default_rng(6)
    rates = np.linspace(0.3 - spread, 0.3 + spread, seeds)
    found = np.empty((seeds, len(prompts)), dtype=object)
    for s in range(seeds):
        for p, prompt in enumerate(prompts):
            rate = rates[s] * (1.0 if prompt.text == CLEAR else 0.5)
            word = prompt.text.upper()[:-1] if mimic else rng.choice(["SALE", "HOTELS", "OPENING"])
            found[s, p] = as_json([word], inside=bool(rng.random() < rate))
    return found


def run_with(path: Path, *, spread: float, mimic: bool = False, white: int = 0) -> Run:
    def write(prompts: Sequence[Prompt], seeds: int) -> NDArray[np.object_]:
        return written(prompts, seeds, spread=spread, mimic=mimic)

    return run_of_pairs(path, write, seeds=SEEDS, count=PAIRS, white=white)


def test_planted_rates_and_clean_seeds_are_found(tmp_path: Path) -> None:
    found = load_study("inpainting", SETTINGS).find(run_with(tmp_path, spread=0.28, white=10))
    removal, completion = found.numbers["tasks"]
    assert removal["task"] == "removal"
    assert removal["rate_low"] < 0.3 < removal["rate_high"]
    assert completion["rate_low"] < 0.15 < completion["rate_high"]
    assert removal["gap_p"] < 0.01
    assert removal["again_p"] < 0.05
    assert set(removal["clean"]) <= set(range(9))
    assert removal["gain_high"] < -0.1  # evaluated on pairs that were not used to choose
    assert removal["floor"] == 0.1  # every tenth original has a word in it
    assert removal["floor_n"] == PAIRS
    # Text covers a quarter of each mask with a word, and half the mask of every tenth original.
    assert removal["text_share"] == pytest.approx(removal["rate"] / 4)
    assert removal["text_share_low"] < 0.075 < removal["text_share_high"]
    assert removal["floor_text_share"] == pytest.approx(0.05)
    both = found.numbers["between"]
    assert both.cross.low > 0
    assert both.corrected.low < 1 < both.corrected.high
    seeds = found.tables["seeds"].frame
    assert seeds.height == 2 * SEEDS
    assert seeds.filter(task="removal", clean=True).height == len(removal["clean"])


def test_without_seed_effect_nothing_is_clean(tmp_path: Path) -> None:
    found = load_study("inpainting", SETTINGS).find(run_with(tmp_path, spread=0.0))
    removal, _ = found.numbers["tasks"]
    assert removal["gap_p"] > 0.01  # it is 0.04 here, and below 0.01 with a planted effect
    assert removal["clean"] == []
    assert removal["gain_low"] < 0 < removal["gain_high"]
    assert np.isnan(found.numbers["between"].corrected.low)  # no reliability to correct by
    naive = removal["gap"]  # large although all seeds are equal
    assert naive > 0.2


def test_mimicry_is_found_only_where_it_was_planted(tmp_path: Path) -> None:
    study = load_study("inpainting", SETTINGS)
    true = study.find(run_with(tmp_path / "true", spread=0.2, mimic=True)).numbers
    mimics = true["mimicry"]["completion"]
    assert mimics.p < 0.01
    assert mimics.excess.low > 0.2
    assert mimics.own > 0.7 > mimics.null_mean
    assert true["removal_mimicry"]["difference_low"] > 0
    none = study.find(run_with(tmp_path / "none", spread=0.2)).numbers
    assert none["mimicry"]["completion"].p > 0.05
    drawn = none["removal_mimicry"]
    assert drawn["difference_low"] < 0 < drawn["difference_high"]
    # Any words resemble any prompt a little.
    assert none["mimicry"]["completion"].own > 0.1


def test_a_word_counts_if_half_of_its_box_is_in_the_mask() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[:, 10:] = True

    def at(left: int, confidence: float = 0.9) -> tuple[dict[str, object], ...]:
        box = [[left, 2], [left + 7, 2], [left + 7, 9], [left, 9]]
        return ({"text": "WORD", "confidence": confidence, "box": box},)

    assert words_inside(at(12), mask, confidence=0.3) == ("WORD",)
    assert words_inside(at(6), mask, confidence=0.3) == ("WORD",)
    assert words_inside(at(4), mask, confidence=0.3) == ()
    assert words_inside(at(0), mask, confidence=0.3) == ()
    assert words_inside(at(12, 0.2), mask, confidence=0.3) == ()


def test_messages_say_what_is_missing(tmp_path: Path) -> None:
    plain = synthetic.start(tmp_path / "plain", features=[READER], ranking=None)
    with pytest.raises(RunError, match=r"no prompt .* an image and a mask; .* prompts pairs"):
        Inpainting().find(plain)
    run = run_of_pairs(
        tmp_path / "few",
        lambda prompts, seeds: written(prompts, seeds, spread=0.1, mimic=False),
        seeds=8,
        count=8,
    )
    with pytest.raises(RunError, match="this study needs ocr"):
        Inpainting().find(run)
    with pytest.raises(RunError, match=r"pairs for removal in set \d; this study needs at least 6"):
        Inpainting(feature=READER).find(run)
    image = str(next(iter(run.prompts.values())).image)
    path = run.root / "conditions" / f"{image}.png"
    Image.new("RGB", (32, 32)).save(path)
    with pytest.raises(RunError, match="32 x 32 pixels, the run's images 64 x 64"):
        ConditionImages(run).image(image)
    path.unlink()
    with pytest.raises(RunError, match="holds no image"):
        ConditionImages(run).image(image)
