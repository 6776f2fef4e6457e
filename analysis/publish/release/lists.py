"""Publish the golden and the bad seeds of a run, and all seeds that were tested."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.publish.base import Artifact, check_same_run
from analysis.publish.release.columns import LISTS, SEEDS, parquet_bytes, ranges, to_csv, to_json
from analysis.publish.release.formats import LIST_FORMAT
from analysis.ranking.result import STRICT_RULE, RankedSeed, Ranking, SeedList
from analysis.statistics.embedding import holm
from analysis.statistics.intervals import Interval
from pipeline.noise import noise_description, noise_spec
from pipeline.runs.run import Run

DEMONSTRATION = (
    "This list comes from a small model that was trained to show the method. It says nothing "
    "about seeds of any other model, and its images are not good pictures."
)
CAUTION = (
    "Values are those of prompt set 2. A listed seed was in the top share of both sets, so its "
    "own set-2 value is a little too good: `expected` is the value to expect on other prompts, "
    "shrunken towards the mean of all seeds. chosen_mean_set2 is the unbiased figure, the set-2 "
    "mean of all seeds that set 1 chose."
)


class SeedLists(Artifact):
    """golden_seeds and bad_seeds as JSON, CSV and Parquet; tested_seeds as CSV and Parquet."""

    def files(self, run: Run, ranking: Ranking) -> Mapping[str, bytes]:
        """Make the eight files."""
        check_same_run(run, ranking)
        shared = describe(run, ranking)
        origin, constants = origin_of(run, ranking), _constants(run, ranking)
        files = {}
        for name, listed in (("golden", ranking.golden), ("bad", ranking.bad)):
            rows = list_rows(ranking, name)
            header = {"format": LIST_FORMAT, "list": name, **shared, **_without_seeds(listed)}
            table = [{**row, "list": name, **constants} for row in rows]
            files[f"{name}_seeds.json"] = to_json({**header, "seeds": rows})
            files[f"{name}_seeds.csv"] = to_csv(LISTS, table)
            files[f"{name}_seeds.parquet"] = parquet_bytes(LISTS, table, origin=origin)
        tested = [{**row, **constants} for row in tested_rows(ranking)]
        files["tested_seeds.csv"] = to_csv(SEEDS, tested)
        files["tested_seeds.parquet"] = parquet_bytes(SEEDS, tested, origin=origin)
        return files


def origin_of(run: Run, ranking: Ranking) -> dict[str, object]:
    """Say of what run, grid and metric a table is."""
    return {"run_id": run.run_id, "grid_hash": run.grid_hash, "metric_id": ranking.metric_id}


def describe(run: Run, ranking: Ranking) -> dict[str, Any]:
    """Describe what both lists share: model, noise, grid, metric, method, nulls. JSON-ready."""
    card = run.card
    return {
        "demonstration": card.demonstration,
        "demonstration_note": DEMONSTRATION if card.demonstration else "",
        "run_id": run.run_id,
        "grid_hash": run.grid_hash,
        "model": model_of(run),
        "sampling": sampling_of(run),
        "noise": noise_description(run.config.noise, run.latents_shape),
        "metric": {
            "name": ranking.metric,
            "metric_id": ranking.metric_id,
            "unit": ranking.unit,
            "higher_is_better": ranking.higher_is_better,
            "method": ranking.method,
        },
        "rule": {
            "name": ranking.rule,
            "share": ranking.share,
            "seeds_ranked": ranking.n_seeds,
            "prompts_set1": ranking.n_set1,
            "prompts_set2": ranking.n_set2,
            "prompts_dropped": ranking.dropped,
            "permutations": ranking.permutations,
        },
        "tested": tested(run, ranking),
        "evidence": {
            "rank_correlation_of_the_sets": _interval(ranking.rank_correlation),
            "reliability": _interval(ranking.reliability),
            "reliability_at_half_as_many_images": _interval(ranking.reliability_half),
            "prompts_needed": ranking.prompts_needed,
            "prompts_needed_note": ranking.prompts_needed_note,
            "strict_golden": {"rule": STRICT_RULE, "seeds": list(ranking.strict_golden)},
            "mean_of_all_seeds_set2": ranking.mean_set2,
            "best_worst_gap": dataclasses.asdict(ranking.gap),
            "null_of_one_seed": {"low": ranking.null_low, "high": ranking.null_high},
            "which_to_believe": ranking.belief,
            "warnings": list(ranking.warnings),
            "win_rates": [
                {"metric": rate.metric, "chose": rate.chose, "win_rate": _interval(rate.win_rate)}
                for rate in ranking.win_rates
            ],
            "win_rates_note": ranking.judges_note,
        },
        "caution": CAUTION,
    }


def model_of(run: Run) -> dict[str, Any]:
    """Name the model of a run, its files and their licence."""
    return {
        "card": run.card.name,
        "repo": run.card.repo,
        "revision": run.config.revision,
        "card_sha256": run.config.card_sha256,
        "licence": run.card.licence,
    }


def sampling_of(run: Run) -> dict[str, Any]:
    """Give the settings that a seed's image depends on, besides the model."""
    return {key: value for key, value in run.config.identity().items() if key != "card_sha256"}


def tested(run: Run, ranking: Ranking) -> dict[str, Any]:
    """Say which seeds and prompts were drawn."""
    ids = "".join(f"{key}\n" for key in sorted(run.prompts))
    return {
        "seeds": ranking.n_seeds,
        "seed_ranges": ranges(seed.seed for seed in ranking.seeds),
        "prompts": len(run.prompts),
        "prompt_groups": len({prompt.group for prompt in run.prompts.values()}),
        "prompts_sha256": hashlib.sha256(ids.encode()).hexdigest(),
    }


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    """Give an interval as JSON can hold it: null for a number that is not defined."""
    if interval is None:
        return None
    fields = dataclasses.asdict(interval)
    bounds = {key: fields[key] for key in ("value", "low", "high")}
    finite = {key: value if math.isfinite(value) else None for key, value in bounds.items()}
    return {**fields, **finite}


def _without_seeds(listed: SeedList) -> dict[str, Any]:
    """Return the fields of a list without its seeds, which have rows of their own."""
    fields = dataclasses.asdict(listed)
    return {key: value for key, value in fields.items() if key != "seeds"}


def list_rows(ranking: Ranking, name: str) -> list[dict[str, Any]]:
    """Make one row per listed seed, in the order of the list.

    Args:
        ranking: The ranking.
        name: "golden" or "bad"; `p` is that of being better, or worse, than chance.
    """
    listed = ranking.golden if name == "golden" else ranking.bad
    all_p = np.array([row.p_better if name == "golden" else row.p_worse for row in ranking.seeds])
    by_seed = {
        row.seed: {**_evidence(row, ranking), "p": float(p), "p_adj": float(adjusted)}
        for row, p, adjusted in zip(ranking.seeds, all_p, holm(all_p), strict=True)
    }
    return [{"rank": rank, **by_seed[seed]} for rank, seed in enumerate(listed.seeds, start=1)]


def tested_rows(ranking: Ranking) -> list[dict[str, Any]]:
    """Make one row per ranked seed, in the order of the seeds."""
    lists = dict.fromkeys(ranking.bad.seeds, "bad") | dict.fromkeys(ranking.golden.seeds, "golden")
    return [
        {
            **_evidence(row, ranking),
            "list": lists.get(row.seed, ""),
            "p_better": row.p_better,
            "p_worse": row.p_worse,
        }
        for row in sorted(ranking.seeds, key=lambda row: row.seed)
    ]


def _evidence(row: RankedSeed, ranking: Ranking) -> dict[str, Any]:
    return {
        "seed": row.seed,
        "value": row.value,
        "ci_low": row.low,
        "ci_high": row.high,
        "n": row.n,
        "expected": row.expected,
        "rank_set1": row.rank_set1,
        "rank_set2": row.rank_set2,
        "null_low": ranking.null_low,
        "null_high": ranking.null_high,
    }


def _constants(run: Run, ranking: Ranking) -> dict[str, Any]:
    """Return the columns that are the same in each row, so that each row can be read alone."""
    return {
        "metric": ranking.metric,
        "metric_id": ranking.metric_id,
        "unit": ranking.unit,
        "noise_spec": noise_spec(run.config.noise).name,
        "model": run.card.name,
        "card_sha256": run.config.card_sha256,
        "revision": run.config.revision,
        "resolution": f"{run.config.width}x{run.config.height}",
        "run_id": run.run_id,
        "grid_hash": run.grid_hash,
        "demonstration": run.card.demonstration,
    }
