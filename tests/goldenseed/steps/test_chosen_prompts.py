"""Ranking on some prompts of a run, and whether one list is enough, with planted truths."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.ranking.one_list import one_list
from analysis.ranking.rank import rank
from goldenseed.steps.chosen_prompts import rank_some
from pipeline.errors import ConfigError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.runs.some_prompts import SomePrompts
from tests.analysis.studies.planted_run import SCORE, SCORES, Values, planted_run
from tests.goldenseed.conftest import Call

SEEDS = 32
OWN = ("kind 0", "kind 1")
"""Categories whose good seeds are others."""
WHERE = "category=kind 0,kind 1"


def quality(prompts: Sequence[Prompt], seeds: int, *, own: float) -> Values:
    """Seed 0 is the best for most prompts, and the last seed for those of `OWN`."""
    rng = np.random.default_rng(2)
    ladder = np.linspace(1.5, -1.5, seeds)[:, None]
    ours = np.array([prompt.group in OWN for prompt in prompts])
    effect = np.where(ours, (1 - 2 * own) * ladder, ladder)
    return {SCORES: {"score": effect + rng.normal(size=(seeds, len(prompts)))}}


def made_run(path: Path, *, own: float) -> Run:
    recipe = {"features": [SCORES], "metrics": [SCORE], "ranking": {"metric": SCORE}}
    return planted_run(path, lambda p, s: quality(p, s, own=own), seeds=SEEDS, **recipe)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which two of twelve categories have the opposite order of seeds."""
    return made_run(tmp_path_factory.mktemp("split") / "run", own=1.0)


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which a seed is as good for all categories."""
    return made_run(tmp_path_factory.mktemp("common") / "run", own=0.0)


def test_the_chosen_prompts_have_their_own_golden_seeds(split: Run) -> None:
    everywhere, here = rank(split), rank_some(split, [WHERE])
    assert everywhere.golden.confirmed
    assert here.ranking.golden.confirmed
    assert min(everywhere.chosen_on_set1) == 0
    assert set(everywhere.golden.seeds) <= set(range(SEEDS // 2))
    assert set(here.ranking.golden.seeds) <= set(range(SEEDS // 2, SEEDS))
    assert here.ranking.n_set1 + here.ranking.n_set2 < everywhere.n_set1 + everywhere.n_set2
    assert here.choice.one_by_one


def test_a_list_of_others_is_not_enough_for_prompts_with_an_order_of_their_own(
    split: Run, common: Run
) -> None:
    effects = rank_some(split, [WHERE]).one_list.effects
    assert effects is not None
    assert effects.share.high < 0
    assert effects.p < 0.01
    answer = rank_some(split, [WHERE]).one_list.answer
    assert answer.startswith("One list is not enough; rank these prompts separately")
    same = rank_some(common, [WHERE]).one_list
    assert same.effects is not None
    assert same.effects.share.low <= 1.0 <= same.effects.share.high
    assert same.answer.startswith("One list is enough: of a seed's advantage on the other prompts")


def test_one_list_for_all_categories(split: Run, common: Run) -> None:
    assert one_list(common).answer.startswith("One list is enough:")
    differs = one_list(split)
    assert differs.effects is not None
    assert differs.effects.p < 0.01
    assert differs.effects.share.high < 1.0


def test_without_a_judge_the_answer_says_what_is_lacking(common: Run) -> None:
    prompts = list(common.prompts.values())
    silent = SomePrompts(common, prompts)
    silent.recipe = common.recipe.model_copy(update={"metrics": (), "ranking": None})
    assert "cannot be said: it needs a metric with one number" in one_list(silent).answer
    few = SomePrompts(common, [prompt for prompt in prompts if prompt.group == "kind 3"])
    assert "of 1 category" in one_list(few).answer


def test_a_prompt_file_chooses_the_same_as_a_condition(split: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    texts = [prompt.text for prompt in split.prompts.values() if prompt.group in OWN]
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, "a unicorn"]))
    listed, chosen = rank_some(split, [], file), rank_some(split, [WHERE])
    assert listed.ranking == chosen.ranking
    assert "1 of 21 not drawn" in listed.choice.words
    assert rank_some(split, [WHERE], file).choice.ids == chosen.choice.ids
    with pytest.raises(ConfigError, match="is in both"):
        rank_some(split, ["category=kind 5"], file)


REFUSED: list[tuple[list[str], str]] = [
    (["kind 0"], "wanted FIELD=VALUE"),
    (["category="], "wanted FIELD=VALUE"),
    (["categry=kind 0"], "did you mean 'category'"),
    (["category=kind 99"], "the run has 12: kind 0"),
    (["category=kind 0", "object=kind 1"], "together"),
]


@pytest.mark.parametrize(("where", "reason"), REFUSED)
def test_bad_conditions_are_refused(split: Run, where: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        rank_some(split, where)


def test_a_file_of_other_prompts_is_refused(split: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("a unicorn\n")
    with pytest.raises(ConfigError, match="drew none of its 1 prompts"):
        rank_some(split, [], tmp_path / "mine.txt")


def test_the_runs_own_ranking_is_not_touched(call: Call, run_folder: Path, tmp_path: Path) -> None:
    before = (run_folder / "ranking.json").read_bytes()
    groups = [p.group for p in Run.open(run_folder).prompts.values()]
    most = sorted(set(groups))[: len(set(groups)) // 2 + 4]
    code, out, err = call("rank", run_folder, "--where", f"category={','.join(most)}", "--json")
    assert code == 0, err
    (document,) = json.loads(out)
    assert len(document["prompts"]["ids"]) < len(groups)
    assert document["ranking"]["n_seeds"] == 8
    assert "one number per image" in document["one_list"]["answer"]
    assert (run_folder / "ranking.json").read_bytes() == before
    code, _, err = call("rank", run_folder, "--where", f"category={most[0]}")
    assert code == 2
    assert f"category={most[0]} (" in err
    code, _, err = call("rank", run_folder, "--prompts", tmp_path / "none.txt")
    assert code == 2
