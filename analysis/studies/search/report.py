"""Report the replays of a race: rows, numbers, sentence and figure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.monte_carlo import p_value, p_words
from analysis.statistics.racing import RaceResult
from analysis.statistics.reliability import golden_by_expected_error
from analysis.studies.search.replays import Truth, images_drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RACE, UNIFORM = "race", "uniform"

CURVE_COLUMNS = {
    "budget": "share of set 1's images that may be drawn",
    "method": "race, or uniform: the same number of images spread evenly over the seeds, on random "
    "prompts",
    "images": "images drawn, mean over replays",
    "agreement": "share of the list that is in the full list of set 2, a second run on other "
    "prompts; mean over replays, each with another order of prompts",
    "agreement_low": "2.5th percentile over replays",
    "agreement_high": "97.5th percentile over replays",
    "attained": "agreement divided by the ceiling, the agreement of the full lists of sets 1 and 2",
    "agreement_own": "share of the list that is in the full list of set 1; optimistic, because "
    "both saw the same prompts",
    "gain": "mean of the listed seeds minus mean of all seeds on set 3, positive is better, mean "
    "over replays, in the metric's unit",
    "gain_low": "lower bound of its 95 % interval over prompt groups of set 3",
    "gain_high": "upper bound",
    "certain": "number of seeds that the bounds put into the list, mean over replays; null for "
    "uniform",
}
SEED_COLUMNS = {
    "seed": "the seed",
    "units": "units of prompts drawn of the seed in the first replay, at the first budget",
    "images": "images drawn of the seed",
    "value": "mean deviation from the panel of seeds drawn to the end, positive is better",
    "low": "lower bound; all seeds' intervals hold simultaneously with probability 1 - error",
    "high": "upper bound",
    "probability": "estimated posterior probability of belonging to the true top share",
    "listed": "whether the race lists the seed",
    "certain": "whether the bounds put the seed into the top share",
    "sure": "whether the seed is in the longest list of which at most `error` is expected to be "
    "wrong",
    "full": "whether the seed is in the full list of set 1",
    "other": "whether the seed is in the full list of set 2",
}


def seed_rows(
    truth: Truth, units: Sequence[Indices], race: RaceResult, probability: Floats
) -> list[dict[str, Any]]:
    """Rows of the table of seeds, from one race."""
    images = images_drawn(race, units)
    sure = golden_by_expected_error(probability, limit=race.plan.error)
    return [
        {
            "seed": seed,
            "units": int(race.units[i]),
            "images": int(images[i]),
            "value": float(race.value[i]),
            "low": float(race.low[i]),
            "high": float(race.high[i]),
            "probability": float(probability[i]),
            "listed": i in race.listed,
            "certain": bool(race.certain[i]),
            "sure": i in sure,
            "full": i in truth.first_list,
            "other": i in truth.second_list,
        }
        for i, seed in enumerate(truth.seeds)
    ]


def summarise(
    truth: Truth,
    curve: Sequence[Mapping[str, Any]],
    null: Mapping[str, Any],
    first: RaceResult,
    probability: Floats,
    error: float,
) -> dict[str, Any]:
    """The numbers of the first budget, for the summary."""
    race, even = curve[:2]
    draws = null["agreement"]
    return {
        "metric": truth.metric.name,
        "seeds": len(truth.seeds),
        "top": truth.top,
        "images_full": len(truth.seeds) * truth.samples[0].n,
        "ceiling": truth.ceiling,
        "chance": truth.top / len(truth.seeds),
        "race": dict(race),
        "uniform": dict(even),
        "full_gain": truth.gain([truth.first_list]),
        "error": error,
        "expected_error": float(1 - probability[first.listed].mean()),
        "sure": len(golden_by_expected_error(probability, limit=error)),
        "null_agreement_mean": float(draws.mean()),
        "null_agreement_high": float(np.percentile(draws, 95)),
        "null_p": p_value(draws, race["agreement"], scale=1.0),
        "null_alarms": null["alarms"],
        "null_draws": null["draws"],
    }


def sentence(truth: Truth, numbers: Mapping[str, Any]) -> str:
    """The result in one line."""
    race, even, full = numbers["race"], numbers["uniform"], numbers["full_gain"]
    drawn = race["images"] / numbers["images_full"]
    return (
        f"by {truth.metric.name}, {numbers['seeds']:,} seeds, lists of {numbers['top']:,}: with "
        f"{drawn:.0%} of the images ({race['images']:,.0f} of {numbers['images_full']:,}) a race "
        f"reaches {race['attained']:.0%} of the agreement that two full runs have "
        f"({race['agreement']:.2f} of {numbers['ceiling']:.2f}; chance {numbers['chance']:.2f}), "
        f"the same number spread evenly reaches {even['attained']:.0%}; gain on set 3 "
        f"{race['gain']:.3g} [{race['gain_low']:.3g}, {race['gain_high']:.3g}], with all images "
        f"{full.value:.3g}; {race['certain']:.1f} seeds are certain (probability of any error at "
        f"most {numbers['error']:.0%}), {numbers['sure']} are sure (at most "
        f"{numbers['error']:.0%} of them expected to be wrong); under the null of no seed effect "
        f"the agreement is {numbers['null_agreement_mean']:.2f} "
        f"({p_words(numbers['null_p'], numbers['null_draws'])}) and "
        f"{numbers['null_alarms']} of {numbers['null_draws']} races call a seed certain"
    )


def curve_figure(curve: Sequence[Mapping[str, Any]], numbers: Mapping[str, Any]) -> DrawnFigure:
    """Draw the agreement against the share of images, and the null of the first budget.

    Args:
        curve: The rows of the table "curve".
        numbers: As `summarise` gives them.
    """

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        (axes,) = plots.panels(figure, 1, 1)
        _curves(axes, curve, numbers)
        first = curve[0]["images"] / numbers["images_full"]
        null = (numbers["null_agreement_mean"], numbers["null_agreement_high"])
        label = "a race among seeds without an effect: mean to 95th percentile"
        axes.vlines(first, *null, color=plots.BAD, linewidth=4, label=label)
        axes.set(
            xlabel="share of the images of set 1 that are drawn",
            ylabel="share of the list in the list\nof a second full run",
        )

    return plots.figure(
        draw,
        title="The share of the best seeds that is found with a fraction of the images",
        caption=f"Seeds by {numbers['metric']}: share of the list that a second full run on other "
        "prompts lists too, by a race and by as many images spread evenly over the seeds. Bands: "
        "95 % of the orders of the prompts. Dashed: two full runs. Dotted: chance.",
        width=8,
        height=4.4,
    )


def _curves(axes: "Axes", curve: Sequence[Mapping[str, Any]], numbers: Mapping[str, Any]) -> None:
    for method, colour in ((RACE, plots.GOOD), (UNIFORM, plots.INK)):
        rows = sorted((r for r in curve if r["method"] == method), key=lambda r: r["images"])
        x = plots.column(rows, "images") / numbers["images_full"]
        label = "race" if method == RACE else "the same number, spread evenly"
        axes.plot(x, plots.column(rows, "agreement"), "o-", color=colour, label=label)
        low, high = (plots.column(rows, f"agreement_{end}") for end in ("low", "high"))
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    for level, label, style in (
        (numbers["ceiling"], "two full runs", "--"),
        (numbers["chance"], "chance", ":"),
    ):
        axes.axhline(level, color=plots.QUIET, linestyle=style, label=label)
