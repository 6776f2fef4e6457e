"""Print rankings with their evidence, and where the releases are."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.publish.sheet import SHEET
from analysis.ranking.one_list import OneList
from analysis.ranking.result import Ranking
from analysis.seed_sentence import seed_sentence
from analysis.statistics.monte_carlo import p_words
from goldenseed.output import tables
from goldenseed.steps.chosen_prompts import RankedChoice
from pipeline.errors import counted

Conclusion = tuple[Ranking, Sequence[Mapping[str, Any]], Path | None]
"""The end of a run: its ranking, its variance shares, and the release folder."""
LISTED = 10
"""Most golden seeds, and most bad seeds, that a table shows; of 1,024 seeds hundreds may be."""


def print_rankings(rankings: Sequence[Ranking], *, as_json: bool) -> None:
    """Print rankings, and what chance alone would give."""
    if as_json:
        tables.print_json([json.loads(ranking.to_json()) for ranking in rankings])
        return
    for ranking in rankings:
        _print_ranking(ranking)


def print_answers(answers: Sequence[OneList]) -> None:
    """Print whether one list is enough, one sentence for each run."""
    for answer in answers:
        tables.line(answer.answer)


def print_chosen(ranked: Sequence[RankedChoice], *, as_json: bool) -> None:
    """Print rankings on some prompts, and whether a list of the others would be enough."""
    if as_json:
        tables.print_json([_chosen_dict(some) for some in ranked])
        return
    for some in ranked:
        tables.line(f"Ranked on {len(some.choice.ids)} prompts: {some.choice.words}.")
        if some.choice.one_by_one:
            tables.line(
                "They are of few categories, so the lists are for such prompts, not for others."
            )
        _print_ranking(some.ranking)
        tables.line(some.one_list.answer)


def _chosen_dict(some: RankedChoice) -> dict[str, object]:
    return {
        "prompts": {"chosen": some.choice.words, "ids": sorted(some.choice.ids)},
        "ranking": json.loads(some.ranking.to_json()),
        "one_list": dataclasses.asdict(some.one_list),
    }


def print_releases(folders: Sequence[Path], *, as_json: bool) -> None:
    """Print where releases are."""
    if as_json:
        tables.print_json([str(folder) for folder in folders])
        return
    for folder in folders:
        tables.line(f"release: {tables.short_path(folder)}")
        if (folder / SHEET).exists():
            sheet = tables.short_path(folder / SHEET)
            tables.line(f"contact sheet (best, middle and worst seeds): {sheet}")


def print_conclusions(conclusions: Sequence[Conclusion], *, as_json: bool) -> None:
    """Print the end of `run` for each arm: lists, evidence, and where everything is."""
    if as_json:
        tables.print_json([_as_dict(*conclusion) for conclusion in conclusions])
        return
    for ranking, shares, release in conclusions:
        _print_ranking(ranking)
        if shares:
            tables.line(seed_sentence(shares))
        print_releases([release] if release else [], as_json=False)


def _as_dict(
    ranking: Ranking, shares: Sequence[Mapping[str, Any]], release: Path | None
) -> dict[str, object]:
    return {
        "ranking": json.loads(ranking.to_json()),
        "seed_sentence": seed_sentence(shares),
        "seed_shares": shares,
        "release": str(release) if release else None,
    }


def _print_ranking(ranking: Ranking) -> None:
    """Print the best and the worst seeds as a table, then the evidence in words."""
    by_rank = sorted(ranking.seeds, key=lambda seed: seed.rank_set2)
    golden = [seed for seed in by_rank if seed.seed in ranking.golden.seeds]
    bad = [seed for seed in by_rank if seed.seed in ranking.bad.seeds]
    rows = [
        {
            "list": name,
            "seed": seed.seed,
            f"{ranking.metric}, set 2": f"{seed.value:.4g}",
            "expected": "" if seed.expected is None else f"{seed.expected:.4g}",
            "95 % interval": f"{seed.low:.4g} to {seed.high:.4g}",
            "n": seed.n,
            "rank, set 1": f"{seed.rank_set1:g}",
            "rank, set 2": f"{seed.rank_set2:g}",
        }
        for name, seeds in (("golden", golden[:LISTED]), ("bad", bad[-LISTED:]))
        for seed in seeds
    ]
    if rows:
        title = f"seeds by {ranking.metric}: chosen on set 1, confirmed and valued on set 2"
        tables.print_rows(title, rows)
        tables.line(
            "A listed seed's own value on set 2 is a little too good, because set 2 confirmed it; "
            "`expected` is the value to expect on other prompts."
        )
    if len(golden) + len(bad) > len(rows):
        tables.line(
            f"Shown: the best {min(LISTED, len(golden))} of {len(golden)} golden seeds and the "
            f"worst {min(LISTED, len(bad))} of {len(bad)} bad seeds. `goldenseed rank --json` "
            f"and the release list all."
        )
    for text in _evidence(ranking):
        tables.line(text)


def _evidence(ranking: Ranking) -> list[str]:
    """What the lists are based on, and what chance alone would give."""
    correlation, reliability, gap = ranking.rank_correlation, ranking.reliability, ranking.gap
    return [
        f"Golden seeds: {ranking.golden.verdict}",
        f"Bad seeds: {ranking.bad.verdict}",
        *ranking.warnings,
        f"{ranking.n_seeds} seeds; {ranking.n_set1} prompts in set 1, {ranking.n_set2} in set 2; "
        f"rank correlation of the sets {correlation.value:z.2f} "
        f"[{correlation.low:z.2f}, {correlation.high:z.2f}], "
        f"reliability with {reliability.n} images per seed {reliability.value:z.2f} "
        f"[{reliability.low:z.2f}, {reliability.high:z.2f}].",
        *([ranking.belief] if ranking.belief else []),
        f"Best minus worst seed on set 2: {gap.value:.4g}; with images dealt out to seeds at "
        f"random, {gap.null_mean:.4g} on average, {p_words(gap.p, ranking.permutations)}.",
        *filter(None, (ranking.judges_note, ranking.floor_note, ranking.at_infinity_note)),
        f"By the stricter rule (expected share of wrong seeds at most 10 %; not calibrated below "
        f"about 250 seeds) {counted(len(ranking.strict_golden), 'seed')} would be golden.",
    ]
