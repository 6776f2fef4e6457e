"""How many prompts a reliable ranking needs: by a formula before a run, as measured after it."""

import re
from pathlib import Path

import pytest

from analysis.studies.stage import StudyStage, StudyTask
from goldenseed.steps.plan import prompts_needed_text
from pipeline.errors import ConfigError
from pipeline.executors.base import make_executor
from tests.analysis.studies.quality.test_study import run_with


def test_the_formula_is_spearman_and_brown(tmp_path: Path) -> None:
    text = prompts_needed_text(0.8, tmp_path / "none")
    n = int(re.findall(r"([0-9,]+) if it is 1.0%", text)[0].replace(",", ""))
    enough, short = (k * 0.01 / (k * 0.01 + 0.99) for k in (n, n - 1))
    assert short < 0.8 <= enough + 1e-12
    with pytest.raises(ConfigError, match="between 0 and 1"):
        prompts_needed_text(1.0, tmp_path)


def test_a_run_that_was_studied_says_what_it_measured(tmp_path: Path) -> None:
    run = run_with(tmp_path, 0.25)
    assert "independent prompts" in prompts_needed_text(0.99, run.root)
    (done,) = make_executor("local").run(
        StudyStage(run.root, {"quality": {}}), [StudyTask("quality")]
    )
    assert done.error == ""
    text = prompts_needed_text(0.99, run.root)
    assert re.search(r"score: With this noise about [0-9,]+ prompts", text)
    assert "already" in prompts_needed_text(0.05, run.root)
