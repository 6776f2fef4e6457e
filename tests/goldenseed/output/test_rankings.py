"""Tables of rankings: the ends of long lists, and how much is left out."""

import numpy as np
import pytest

from analysis.ranking.result import Ranking
from goldenseed.output.rankings import LISTED, print_rankings
from tests.analysis.ranking.test_rank import Score, ranked, sample


def lists(seeds: int) -> Ranking:
    rng = np.random.default_rng(1)
    effects = rng.normal(size=(seeds, 1))
    noise = [rng.normal(size=(seeds, 20)) for _ in range(2)]
    return ranked(Score(), [sample("appearance.brightness", effects + error) for error in noise])


def lines(ranking: Ranking, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_rankings([ranking], as_json=False)
    return [text for text in capsys.readouterr().out.splitlines() if text]


def rows(text: list[str], name: str) -> list[int]:
    return [int(cells[3]) for cells in map(str.split, text) if cells[1:2] == [name]]


def test_long_lists_show_their_ends(capsys: pytest.CaptureFixture[str]) -> None:
    ranking = lists(200)
    by_rank = [seed.seed for seed in sorted(ranking.seeds, key=lambda seed: seed.rank_set2)]
    golden = [seed for seed in by_rank if seed in ranking.golden.seeds]
    bad = [seed for seed in by_rank if seed in ranking.bad.seeds]
    assert min(len(golden), len(bad)) > LISTED
    text = lines(ranking, capsys)
    assert rows(text, "golden") == golden[:LISTED]
    assert rows(text, "bad") == bad[-LISTED:]
    shown = f"the best {LISTED} of {len(golden)} golden seeds and the worst {LISTED} of {len(bad)}"
    assert shown in " ".join(text)


def test_short_lists_are_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    ranking = lists(24)
    text = lines(ranking, capsys)
    assert {*rows(text, "golden")} == {*ranking.golden.seeds}
    assert {*rows(text, "bad")} == {*ranking.bad.seeds}
    assert "release list all" not in " ".join(text)
