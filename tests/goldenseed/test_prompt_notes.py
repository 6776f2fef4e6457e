"""What becomes of prompts is said before they are drawn: not read, not used, drawn as it stands."""

import json
from pathlib import Path

import pytest

from analysis.features import load_feature
from goldenseed.steps.prompt_notes import note_cut_texts
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.prompts.prompt import Prompt
from pipeline.prompts.prompt_sets import read_prompts
from pipeline.settings.recipe import load_recipe
from tests.goldenseed.conftest import Call
from tests.goldenseed.tiny_recipes import write_recipe

WEIGHTED = "a red ball\n# not now\na (big:1.4) tree\na tree (green) at 10:30\n"
TOWERS = ["clip_seedling", "preference_seedling"]


def test_syntax_of_other_programs_is_said_with_its_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text(WEIGHTED)
    negative = {"num_inference_steps": 2, "guidance_scale": 3, "negative_prompt": "[ugly], bad"}
    recipe = write_recipe(tmp_path, "seedling-mini", tmp_path / "p.txt", sampling=negative)
    called = call("plan", recipe)
    assert called.code == 0
    assert "p.txt:2: found '# not now', elsewhere a line that other programs skip" in called.err
    assert "p.txt:3: found '(big:1.4)', elsewhere a weight" in called.err
    assert "negative_prompt: found '[ugly]'" in called.err
    assert "p.txt:1" not in called.err
    assert "p.txt:4" not in called.err
    assert "`literal: true`" in called.err
    recipe.write_text(recipe.read_text().replace("prompts:\n", "prompts:\n  literal: true\n"))
    assert "elsewhere" not in call("plan", recipe).err


@pytest.mark.parametrize("name", ["p.jsonl", "p.csv"])
def test_what_is_not_used_in_a_file_is_said(call: Call, tmp_path: Path, name: str) -> None:
    texts = {
        "p.jsonl": json.dumps({"prompt": "a {red} ball", "source": "web"}) + "\n",
        "p.csv": "source;prompt\nweb;a {red} ball\n",
    }
    (tmp_path / name).write_text(texts[name])
    called = call("plan", write_recipe(tmp_path, "seedling-mini", tmp_path / name))
    assert called.code == 0
    assert "not used: source" in called.err
    assert f"{name}:{1 + (name == 'p.csv')}: found '{{red}}'" in called.err


@pytest.mark.parametrize("name", TOWERS)
def test_a_text_tower_says_what_it_does_not_read(name: str) -> None:
    feature = load_feature(name)
    long = "a red horse and " * 12 + "a cat"
    assert feature.cut_texts(["a red horse", long, long]) == [long]
    feature.setup()
    towers = feature.towers  # type: ignore[attr-defined]
    ends = towers.texts([long, long + " and a dog", "a cat"])
    assert (ends[0] == ends[1]).all(), "the negative control: the ends are not read"
    assert not (ends[0] == ends[2]).all()


@pytest.mark.parametrize("name", ["clip", "hps", "clip@clip-vit-b-32-laion2b"])
def test_the_towers_of_openai_read_77_tokens(name: str) -> None:
    feature = load_feature(name)
    fits, cut = "cat " * 75, "cat " * 76
    assert feature.cut_texts([fits, cut]) == [cut]


def test_each_feature_that_cuts_is_named_once(call: Call, tmp_path: Path) -> None:
    long = "a red horse and " * 12
    (tmp_path / "p.txt").write_text(f"{long}a cat\n{long}a dog\na tree\n")
    recipe = write_recipe(
        tmp_path, "seedling-mini", tmp_path / "p.txt", features=TOWERS, metrics=[]
    )
    recipe.write_text(recipe.read_text() + "long_prompts: cut\n")
    called = call("plan", recipe)
    assert called.code == 0
    assert "card seedling-mini will cut off 2 of 3 prompts" in called.err
    for name in TOWERS:
        assert called.err.count(f"feature {name} does not read 2 of 3 prompts to the end") == 1


@pytest.mark.parametrize("path", sorted((PROJECT_ROOT / "prompts").glob("*.jsonl")))
def test_shipped_prompts_fit_the_shipped_judges(path: Path) -> None:
    texts = [prompt.text for prompt in read_prompts(path).prompts]
    for name in (*TOWERS, "clip", "hps"):
        assert load_feature(name).cut_texts(texts) == []


def test_shipped_prompts_load_no_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a tokenizer was loaded")

    monkeypatch.setattr("analysis.features.clip.Clip.cut_texts", refuse)
    prompts = [Prompt("a red horse and " * 12)]
    note_cut_texts(load_recipe("seedling-mini"), ["clip_seedling"], prompts)
    with pytest.raises(AssertionError, match="loaded"):
        note_cut_texts(load_recipe("sd15"), ["clip_seedling@clip-seedling"], prompts)
