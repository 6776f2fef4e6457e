"""A user's own metric, from a module outside the project, is used like those of the project."""

import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.metrics import load_metric
from analysis.per_seed import measure
from analysis.publish import publish
from analysis.ranking.rank import rank
from analysis.studies import load_study
from analysis.study_tools.race_units import race_metric
from pipeline.errors import ConfigError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis.studies.planted_run import SCORE, SCORES, Values, planted_run

PLAIN = f'''
"""A metric without and with hooks."""

from pathlib import Path

import numpy as np

from analysis.metrics.base import Metric
from analysis.statistics.extrapolation import AtInfinity
from analysis.statistics.floors import NoiseFloor
from analysis.statistics.intervals import grouped_mean_interval
from pipeline.errors import ConfigError


class Far(Metric):
    """Mean planted distance plus a bias of 1/n."""

    name = "far"
    version = 1
    unit = "points"
    higher_is_better = False
    needs = ("{SCORES}.gap",)
    method = "mean of planted distances"

    def prepare(self, columns):
        return (columns[self.needs[0]].astype(np.float64),)

    def values(self, prepared):
        return prepared[0].mean(axis=1) + 1 / prepared[0].shape[1]

    def compute(self, columns, groups):
        rows = self.prepare(columns)[0]
        return [grouped_mean_interval(row + 1 / len(row), groups) for row in rows]
'''
HOOKED = '''

class Hooked(Far):
    """The same distance with every hook."""

    name = "hooked"
    computed_in_blocks = True
    unbiased = True
    reference_n = 500
    least_groups = 2

    def check(self):
        if not (Path(__file__).parent / "reference.txt").exists():
            raise ConfigError("metric hooked: reference.txt is missing")

    def floor(self, n, rng):
        if n > 100:
            raise ValueError(f"it needs at most 100 images, there are {n}")
        return NoiseFloor(0.25, 0.01, 20, n, 500 - n)

    def at_infinity(self, prepared, groups, rng):
        n = prepared[0].shape[1]
        return AtInfinity(prepared[0].mean(axis=1), (n // 2, n), "Only a test.")
'''
SEEDS = 32


def planted(prompts: Sequence[Prompt], seeds: int) -> Values:
    """The first seeds are near and good, by a clear margin."""
    rng = np.random.default_rng(3)
    effect = np.linspace(1, -1, seeds)[:, None]
    noise = rng.normal(size=(2, seeds, len(prompts)))
    return {SCORES: {"score": effect + noise[0], "gap": 3 - effect + noise[1]}}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "far_away.py").write_text(textwrap.dedent(PLAIN) + HOOKED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "far_away", raising=False)
    return "far_away"


def run_with(path: Path, metric: str, *, prompts: int = 120) -> Run:
    recipe = {
        "features": [SCORES],
        "metrics": [metric, SCORE],
        "ranking": {"metric": metric, "share": 0.25},
    }
    return planted_run(path, planted, seeds=SEEDS, prompts=prompts, **recipe)


def test_it_is_measured_ranked_and_published(tmp_path: Path, module: str) -> None:
    run = run_with(tmp_path / "run", f"{module}:Hooked")
    table = measure(run, run.recipe.metrics)
    assert table.filter(metric="hooked").height == 2 * SEEDS
    ranking = rank(run)
    assert ranking.golden.confirmed
    assert set(ranking.golden.seeds) <= set(range(SEEDS // 2))
    assert ranking.floor is not None
    assert ranking.floor_note.startswith(f"Noise floor: {ranking.n_set2} of the reference's")
    assert ranking.at_infinity_n == (ranking.n_set2 // 2, ranking.n_set2)
    assert ranking.at_infinity_note.endswith("own n is not extrapolated. Only a test.")
    for seed in ranking.seeds:
        assert seed.at_infinity == pytest.approx(seed.value - 1 / ranking.n_set2)
    folder = publish(run, ranking, name="own")
    golden = json.loads((folder / "golden_seeds.json").read_text())
    assert golden["metric"]["name"] == "hooked"
    assert golden["metric"]["metric_id"] == ranking.metric_id
    assert [row["seed"] for row in golden["seeds"]] == list(ranking.golden.seeds)


def test_a_floor_that_cannot_be_measured_says_why(tmp_path: Path, module: str) -> None:
    ranking = rank(run_with(tmp_path / "run", f"{module}:Hooked", prompts=480))
    assert ranking.floor is None
    assert ranking.floor_note == (
        f"No noise floor: it needs at most 100 images, there are {ranking.n_set2}."
    )


def test_studies_ask_its_hooks(tmp_path: Path, module: str) -> None:
    run = run_with(tmp_path / "run", f"{module}:Hooked")
    quality = load_study("quality").find(run)
    distance, score = quality.numbers["metrics"]
    assert (distance["metric"], distance["floor"]) == ("hooked", 0.25)
    assert distance["floor_reference_n"] == 500 - distance["floor_n"]
    assert distance["at_infinity"] == pytest.approx(3, abs=0.3)
    assert (score["floor"], score["at_infinity"]) == (None, None)
    assert "noise floor 0.25" in quality.outcome
    golden = load_study("golden").find(run).numbers
    assert [row["metric"] for row in golden["metrics"]] == ["hooked", "score"]
    assert golden["list"]
    fidelity = load_study("fidelity", {"sets": 200}).find(run)
    assert [row["reference"] for row in fidelity.numbers["table"]] == [500, None]


def test_without_hooks_it_is_ranked_with_neutral_defaults(tmp_path: Path, module: str) -> None:
    """The negative control: no floor, no extrapolation, and a race refuses it in words."""
    run = run_with(tmp_path / "run", f"{module}:Far")
    ranking = rank(run)
    assert ranking.golden.confirmed
    assert (ranking.floor, ranking.floor_note) == (None, "")
    assert (ranking.at_infinity_n, ranking.at_infinity_note) == ((), "")
    assert {seed.at_infinity for seed in ranking.seeds} == {None}
    distance = load_study("quality").find(run).numbers["metrics"][0]
    assert (distance["floor"], distance["at_infinity"]) == (None, None)
    fidelity = load_study("fidelity", {"sets": 200}).find(run)
    assert [row["reference"] for row in fidelity.numbers["table"]] == [None, None]
    with pytest.raises(ConfigError, match=r"metric far .* does not say .* \(`unbiased`\)"):
        race_metric(None, f"{module}:Far")
    assert race_metric(None, f"{module}:Hooked").name == "hooked"


def test_its_check_says_what_is_missing(module: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"reference\.txt is missing"):
        load_metric(f"{module}:Hooked").check()
    (tmp_path / "reference.txt").touch()
    load_metric(f"{module}:Hooked").check()
    load_metric(f"{module}:Far").check()
