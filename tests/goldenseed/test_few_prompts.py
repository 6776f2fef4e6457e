"""With too few prompts for a metric, the command says so and measures the rest."""

from pathlib import Path

import polars as pl
import pytest

from analysis.per_seed import read_per_seed
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.synthetic import COLOUR, COLOUR_KID
from tests.goldenseed.conftest import Call

METRICS = [COLOUR_KID, "brightness", "failure_rate"]


def run_of(path: Path, prompts: list[Prompt], **recipe: object) -> Run:
    fields = {"features": [COLOUR, "appearance"], "metrics": METRICS, **recipe}
    run = synthetic.start(path, n_prompts=0, **fields)
    run.grow(range(8), prompts)
    synthetic.draw_all(run)
    synthetic.extract_all(run, COLOUR, "appearance")
    return run


def of_set(number: int, count: int, kind: str) -> list[Prompt]:
    prompts = (Prompt(f"a number {i} thing", object=kind) for i in range(200))
    return [prompt for prompt in prompts if prompt.set == number][:count]


@pytest.fixture(scope="module")
def one_group(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Seven prompts per set, all of one group; set 2 has a second group of one prompt."""
    prompts = [*of_set(1, 7, "ball"), *of_set(2, 6, "ball"), Prompt("a cup", object="cup")]
    assert prompts[-1].set == 2
    return run_of(tmp_path_factory.mktemp("one"), prompts, ranking={"metric": "failure_rate"})


def test_one_group_of_prompts_is_refused_with_both_numbers(call: Call, one_group: Run) -> None:
    called = call("measure", one_group.root, "--executor", "local")
    assert called.code == 0
    assert read_per_seed(one_group).is_empty()
    ranked = call("rank", one_group.root)
    assert ranked.code == 2
    message = "failure_rate cannot rank, set 1 has 7 images per seed in 1 prompt group(s), 7 in"
    assert message in ranked.err
    assert "Traceback" not in called.err + ranked.err


def test_the_warning_names_metric_and_set(
    call: Call, one_group: Run, caplog: pytest.LogCaptureFixture
) -> None:
    assert call("measure", one_group.root, "--executor", "local").code == 0
    for name in ("kid_colour", "brightness", "failure_rate"):
        for number, groups in ((1, 1), (2, 2)):
            text = f"{name} is not shown for set {number}: 7 images per seed in {groups} prompt gr"
            assert text in caplog.text


def test_a_feature_that_applies_to_no_prompt_costs_its_own_metrics_only(
    call: Call, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prompts = synthetic.prompts(20)
    feature_prompts = {"appearance": {"every": 10**6}}
    run = run_of(tmp_path, prompts, feature_prompts=feature_prompts)
    called = call("measure", run.root, "--executor", "local")
    assert (called.code, "Traceback" in called.err) == (0, False)
    shown = read_per_seed(run).group_by("metric").agg(pl.col("prompt_set").n_unique())
    assert dict(shown.iter_rows()) == {"kid_colour": 2, "failure_rate": 2}
    count = sum(prompt.set == 1 for prompt in prompts)
    text = f"brightness is not shown for set 1: appearance applies to none of its {count} prompts"
    assert text in caplog.text


def test_sets_without_enough_prompts_are_said_before_the_first_image_and_stop_no_arm(
    call: Call, few_in_a_set: Path, tmp_path: Path
) -> None:
    planned = call("plan", few_in_a_set, "--out", tmp_path / "run")
    assert planned.code == 0
    drawn = call("run", few_in_a_set, "--out", tmp_path / "run", "--executor", "local")
    assert drawn.code == 0, drawn.err
    for arm in ("full", "short"):
        for said in (planned.err, drawn.err):
            words = f"{arm}: set 1 will not show brightness: 0 images per seed in 0 prompt"
            assert words in " ".join(said.split())
        assert set(read_per_seed(Run.open(tmp_path / "run" / arm))["prompt_set"]) == {2}
    assert drawn.err.index("set 1 will not show") < drawn.err.index("images to do")


@pytest.fixture
def few_in_a_set(tmp_path: Path) -> Path:
    """A recipe of two arms with three prompts, all of them in set 2."""
    texts = [prompt.text for prompt in of_set(2, 3, "")]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    (tmp_path / "arms.yaml").write_text(
        "card: seedling-mini\nprompts: {source: texts.txt}\nseeds: {start: 0, count: 2}\n"
        "batch_size: 4\nfeatures: [appearance]\nmetrics: [brightness]\n"
        "arms: {full: {num_inference_steps: 2}, short: {num_inference_steps: 1}}\n"
    )
    return tmp_path / "arms.yaml"
