"""The first screen: the verdict, and the few numbers that it stands on."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.publish.report.available import Part, attempt, short
from analysis.publish.report.verdict import verdict
from analysis.ranking.result import Ranking, SeedList, WinRate
from analysis.seed_sentence import seed_sentence
from analysis.seed_shares import FEW_DRAWS, fewest_draws, share_table
from analysis.statistics.monte_carlo import p_words
from analysis.studies.results import read_summary
from pipeline.runs.run import Run

MOST_SHARES = 8
"""Measures that the first screen shows."""


def overview(run: Run, ranking: Ranking | None, ranking_reason: str) -> Part:
    """Gather what the first screen shows."""
    shares, reason = attempt(run, lambda: share_table(run, draws=fewest_draws(run)).to_dicts())
    rows = [*({**row, "null_bounds": False} for row in shares or []), *_style_share(run)]
    judged = verdict(rows, ranking)
    return {
        "verdict": judged.sentence,
        "advice": judged.advice,
        "levels": [
            {"family": family, "level": name, "measure": measure}
            for family, (name, measure) in judged.levels.items()
        ],
        "shares": _shown(rows, [measure for _, measure in judged.levels.values()]),
        "all_shares": rows,
        "shares_missing": reason,
        "sentence": seed_sentence(shares or []),
        "draws": max((row["draws"] or 0 for row in shares or []), default=0) or FEW_DRAWS,
        "ranking": None if ranking is None else _ranking(ranking),
        "ranking_missing": ranking_reason,
    }


def _style_share(run: Run) -> list[dict[str, Any]]:
    """The seed's share of style, from the study, which has no interval: a null takes its place."""
    summary, _ = attempt(run, lambda: read_summary(run, "style"))
    if summary is None:
        return []
    numbers = summary["numbers"]
    names = dict.fromkeys(("prompt", "prompt_low", "prompt_high", "rest", "seed_low", "seed_high"))
    return [
        {
            **names,
            "measure": "style",
            "null_bounds": True,
            "seed": numbers["seed_share"],
            "seed_null_high": numbers["seed_share_null_high"],
            "seed_p": numbers["seed_share_p"],
            "n": numbers["seeds"] * numbers["prompts_set1"],
            "note": "of the variance within prompts (study style); no interval, see its null",
        }
    ]


def _shown(rows: Sequence[Mapping[str, Any]], first: Sequence[str]) -> list[dict[str, Any]]:
    """The measures behind the verdict, and others by the seed's share; the largest share first."""
    known = [row for row in rows if row["seed"] is not None and row["prompt"] is not None]
    ordered = sorted(known, key=lambda row: (row["measure"] not in first, -row["seed"]))
    return [
        {
            "measure": str(row["measure"]).removeprefix("appearance."),
            **{
                f"{part}{end}": row.get(f"{part}{end}")
                for part in ("seed", "prompt", "rest")
                for end in ("", "_low", "_high")
            },
            "null": row["seed_null_high"],
            "n": row["n"],
        }
        for row in sorted(ordered[:MOST_SHARES], key=lambda row: -row["seed"])
    ]


def _ranking(ranking: Ranking) -> Part:
    return {
        "metric": ranking.metric,
        "unit": ranking.unit,
        "higher_is_better": ranking.higher_is_better,
        "seeds": ranking.n_seeds,
        "set1": ranking.n_set1,
        "set2": ranking.n_set2,
        "share": ranking.share,
        "correlation": ranking.rank_correlation,
        "reliability": ranking.reliability,
        "gap": ranking.gap,
        "gap_p": p_words(ranking.gap.p, ranking.permutations),
        "golden": _list(ranking.golden),
        "bad": _list(ranking.bad),
        "strict": len(ranking.strict_golden),
        "prompts_needed": ranking.prompts_needed,
        "prompts_needed_note": ranking.prompts_needed_note,
        "win_rates": [_win_rate(rate) for rate in ranking.win_rates],
        "judges_note": ranking.judges_note,
        "belief": ranking.belief,
        "warnings": ranking.warnings,
        "ends": _ends(ranking),
        "rule": ranking.rule,
        "method": ranking.method,
        "permutations": ranking.permutations,
    }


def _list(listed: SeedList) -> Part:
    return {
        "seeds": listed.seeds,
        "confirmed": listed.confirmed,
        "chosen": listed.chosen,
        "again": listed.again,
        "chance": listed.null_mean,
        "chance_sd": listed.null_sd,
        "p": listed.null_p,
        "verdict": listed.verdict,
        "withheld": listed.withheld,
    }


def _win_rate(rate: WinRate) -> Part:
    return {"metric": rate.metric, "chose": rate.chose, "rate": rate.win_rate}


def _ends(ranking: Ranking) -> list[Part]:
    """Seeds that set 1 found best, middling and worst; the images shown are of set 2."""
    order = [row.seed for row in sorted(ranking.seeds, key=lambda row: (row.rank_set1, row.seed))]
    each = min(3, len(order) // 3)
    middle = (len(order) - each) // 2
    cuts = {"best": order[:each], "middle": order[middle : middle + each], "worst": order[-each:]}
    return [{"name": name, "seeds": seeds} for name, seeds in cuts.items() if each]


def scatter(ranking: Ranking | None) -> Part:
    """Ranks of all seeds on both sets."""
    if ranking is None:
        return {"seeds": []}
    rows = ranking.seeds
    return {
        "seeds": [row.seed for row in rows],
        "set1": short([row.rank_set1 for row in rows]),
        "set2": short([row.rank_set2 for row in rows]),
    }
