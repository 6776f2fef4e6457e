"""Publish the golden and the bad seeds of a run, with the evidence for them."""

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.publish.base import SUMS, Artifact, check_same_run, safe_cell
from analysis.ranking.result import STRICT_RULE, RankedSeed, Ranking, SeedList
from analysis.statistics.intervals import Interval
from analysis.statistics.monte_carlo import p_words
from pipeline.noise import noise_description, noise_spec
from pipeline.runs.run import Run

FORMAT = "goldenseed seed list 1"
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
    """golden_seeds and bad_seeds as JSON and CSV, and the README of the release."""

    def files(self, run: Run, ranking: Ranking) -> Mapping[str, bytes]:
        """Make the five files."""
        check_same_run(run, ranking)
        shared = describe(run, ranking)
        files = {"README.md": readme(run, ranking).encode()}
        for name, listed in (("golden", ranking.golden), ("bad", ranking.bad)):
            rows = list_rows(ranking, listed, better=name == "golden")
            header = {"format": FORMAT, "list": name, **shared, **_without_seeds(listed)}
            text = json.dumps({**header, "seeds": rows}, indent=1, ensure_ascii=False)
            files[f"{name}_seeds.json"] = f"{text}\n".encode()
            files[f"{name}_seeds.csv"] = to_csv(rows, _constants(name, shared))
        return files


def describe(run: Run, ranking: Ranking) -> dict[str, Any]:
    """Describe what both lists share: model, noise, grid, metric, method, nulls. JSON-ready."""
    config, card = run.config, run.card
    sampling = config.identity()
    return {
        "demonstration": card.demonstration,
        "demonstration_note": DEMONSTRATION if card.demonstration else "",
        "run_id": run.run_id,
        "grid_hash": run.grid_hash,
        "model": {
            "card": card.name,
            "repo": card.repo,
            "revision": config.revision,
            "card_sha256": config.card_sha256,
            "licence": card.licence,
        },
        "sampling": {key: value for key, value in sampling.items() if key != "card_sha256"},
        "noise": noise_description(config.noise, run.latents_shape),
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
        "evidence": {
            "rank_correlation_of_the_sets": dataclasses.asdict(ranking.rank_correlation),
            "reliability": dataclasses.asdict(ranking.reliability),
            "reliability_at_half_as_many_images": _or_none(ranking.reliability_half),
            "prompts_needed": ranking.prompts_needed,
            "prompts_needed_note": ranking.prompts_needed_note,
            "strict_golden": {"rule": STRICT_RULE, "seeds": list(ranking.strict_golden)},
            "mean_of_all_seeds_set2": ranking.mean_set2,
            "best_worst_gap": dataclasses.asdict(ranking.gap),
            "null_of_one_seed": {"low": ranking.null_low, "high": ranking.null_high},
            "which_to_believe": ranking.belief,
            "warnings": list(ranking.warnings),
            "win_rates": [dataclasses.asdict(rate) for rate in ranking.win_rates],
            "win_rates_note": ranking.judges_note,
        },
        "caution": CAUTION,
    }


def _or_none(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else dataclasses.asdict(interval)


def _without_seeds(listed: SeedList) -> dict[str, Any]:
    """Return the fields of a list without its seeds, which have rows of their own."""
    fields = dataclasses.asdict(listed)
    return {key: value for key, value in fields.items() if key != "seeds"}


def list_rows(ranking: Ranking, listed: SeedList, *, better: bool) -> list[dict[str, Any]]:
    """Make one row per listed seed, in the order of the list.

    Args:
        ranking: The ranking.
        listed: The golden or the bad list of this ranking.
        better: True if `p` is the p-value of being better than chance, False of being worse.
    """
    by_seed = {row.seed: row for row in ranking.seeds}
    return [
        _row(position, by_seed[seed], ranking, better=better)
        for position, seed in enumerate(listed.seeds, start=1)
    ]


def _row(position: int, seed: RankedSeed, ranking: Ranking, *, better: bool) -> dict[str, Any]:
    return {
        "place": position,
        "seed": seed.seed,
        "value": seed.value,
        "expected": seed.expected,
        "low": seed.low,
        "high": seed.high,
        "n": seed.n,
        "rank_set1": seed.rank_set1,
        "rank_set2": seed.rank_set2,
        "p": seed.p_better if better else seed.p_worse,
        "null_low": ranking.null_low,
        "null_high": ranking.null_high,
    }


def _constants(name: str, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that are the same in each row, so that each row can be read alone."""
    return {
        "list": name,
        "metric": shared["metric"]["name"],
        "metric_id": shared["metric"]["metric_id"],
        "unit": shared["metric"]["unit"],
        "noise_spec": shared["noise"]["noise_spec"],
        "card": shared["model"]["card"],
        "card_sha256": shared["model"]["card_sha256"],
        "revision": shared["model"]["revision"],
        "run_id": shared["run_id"],
        "grid_hash": shared["grid_hash"],
        "demonstration": shared["demonstration"],
    }


ROW_COLUMNS = [
    *("place", "seed", "value", "expected", "low", "high", "n", "rank_set1", "rank_set2"),
    *("p", "null_low", "null_high"),
]


def to_csv(rows: Sequence[Mapping[str, Any]], constants: Mapping[str, Any]) -> bytes:
    """Write rows as CSV; text that looks like a formula is escaped.

    An empty list gives the header alone.

    Args:
        rows: The rows; each has the columns `ROW_COLUMNS`.
        constants: Columns that are the same in each row.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")  # RFC 4180: a CR in a cell is quoted
    writer.writerow([*ROW_COLUMNS, *constants])
    for row in rows:
        cells = [*(row[name] for name in ROW_COLUMNS), *constants.values()]
        writer.writerow([safe_cell(cell) for cell in cells])
    return buffer.getvalue().encode()


def readme(run: Run, ranking: Ranking) -> str:
    """Write the README of the release."""
    note = f"**Demonstration.** {DEMONSTRATION}\n\n" if run.card.demonstration else ""
    correlation = ranking.rank_correlation
    return f"""# Golden and bad seeds of {run.card.name}

{note}## Result

- Golden seeds: {_seeds(ranking.golden)}. {ranking.golden.verdict}
- Bad seeds: {_seeds(ranking.bad)}. {ranking.bad.verdict}
- {ranking.n_seeds} seeds, {ranking.n_set1} prompts in set 1 and {ranking.n_set2} in set 2, one \
image each; metric {ranking.metric} ({ranking.unit}, \
{"higher" if ranking.higher_is_better else "lower"} is better).
- Rank correlation of the two sets: {correlation.value:.2f} [{correlation.low:.2f}, \
{correlation.high:.2f}].
- Best minus worst seed: {ranking.gap.value:.4g}; without a seed effect \
{ranking.gap.null_mean:.4g} on average (95 %: {ranking.gap.null_high:.4g}), \
{p_words(ranking.gap.p, ranking.permutations)}.
- Mean on set 2: {ranking.mean_set2:.4g} for all seeds, {ranking.golden.chosen_mean_set2:.4g} for \
the best seeds of set 1, {ranking.bad.chosen_mean_set2:.4g} for the worst.
{_remarks(ranking)}
{CAUTION}

## How the seeds were found

{ranking.rule}. "Chance" means this: in each prompt group, images were assigned to seeds at \
random, {ranking.permutations} times and alike in both sets, and the rule was applied again. Run \
{run.run_id}, grid {run.grid_hash}, metric {ranking.metric_id}.

## How to use a seed

A seed names a noise tensor. The field `noise` of the JSON files states the rule. In diffusers, \
load this model and revision, and draw at {run.config.width} x {run.config.height} pixels with the \
sampling settings of the run:

```python
{noise_spec(run.config.noise).user_code}
image = pipe(prompt, generator=generator).images[0]
```

Use one generator per image, on the CPU, in float32. The same number gives other noise at \
another size, with the generator of another device, or with another model. `noise.check` holds \
numbers to compare with.

`sha256sum --check {SUMS}` verifies the files.
"""


def _remarks(ranking: Ranking) -> str:
    """Which number to believe, warnings and judges, one line each; empty if there are none."""
    remarks = filter(None, [ranking.belief, *ranking.warnings, ranking.judges_note])
    return "".join(f"- {remark}\n" for remark in remarks)


def _seeds(listed: SeedList) -> str:
    return ", ".join(map(str, listed.seeds)) or "none"
