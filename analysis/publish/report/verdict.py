"""Say in one sentence what the seeds of a run decide, by a fixed rule.

The rule: each measure of one number per image has a seed's share of its variance, with a 95 %
interval. A family of measures has the level of its measure with the largest lower bound.

- decide: the share is at least `DECIDES`, and its lower bound at least half of that
- hardly touch: the share is below `SMALL`, and its upper bound below `DECIDES` / 2
- shape: the lower bound is above 0
- unclear: anything else

A share without an interval but with a null (style) has what exceeds the null's 95th percentile as
its lower bound, and itself as its upper bound.

The advice follows from the levels and from the golden list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.ranking.result import Ranking

DECIDES = 0.10
"""Least share of a measure that the seed decides."""
SMALL = 0.02
"""A share below this one is hardly an effect."""
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "layout": ("layout_",),
    "style": ("style",),
    "colours": ("brightness", "contrast", "colourfulness", "saturation"),
    "quality": ("preference", "hps", "clip", "object_found"),
}
"""Family -> how the names of its measures begin. The ranking's own metric counts as quality."""
LEVELS = ("decide", "shape", "hardly touch")


@dataclass(frozen=True)
class Verdict:
    """The verdict of a run.

    Attributes:
        sentence: What the seeds decide.
        levels: Family -> level, with the measure that gave it.
        advice: What to do about it.
    """

    sentence: str
    levels: Mapping[str, tuple[str, str]]
    advice: str


def level(share: float, low: float | None, high: float | None) -> str:
    """Give the level of one measure.

    Args:
        share: The seed's share of the variance.
        low: Lower end of its 95 % interval; None if there is no interval.
        high: Upper end.

    Example:
        >>> level(0.16, 0.09, 0.23), level(0.01, 0.007, 0.014), level(0.05, 0.01, 0.09)
        ('decide', 'hardly touch', 'shape')
        >>> level(0.06, -0.05, 0.16), level(0.2, None, None)
        ('unclear', 'unclear')
    """
    if low is None or high is None:
        return "unclear"
    if share >= DECIDES and low >= DECIDES / 2:
        return "decide"
    if share < SMALL and high < DECIDES / 2:
        return "hardly touch"
    return "shape" if low > 0 else "unclear"


def verdict(shares: Sequence[Mapping[str, Any]], ranking: Ranking | None) -> Verdict:
    """Apply the rule.

    Args:
        shares: One row per measure: `measure`, `seed`, `seed_low`, `seed_high`, None where the run
            has no share or no interval; `null_bounds`: whether `seed_null_high` stands for the
            interval.
        ranking: The ranking; None for a run that is not ranked.
    """
    levels = {}
    for family in FAMILIES:
        rows = [row for row in shares if row["seed"] is not None and _is_of(family, row, ranking)]
        if rows:
            best = max(rows, key=_lower_bound)
            name = level(best["seed"], *_bounds(best))
            levels[family] = (name, str(best["measure"]))
    advice = _advice({family: name for family, (name, _) in levels.items()}, ranking)
    return Verdict(_clause(levels), levels, advice)


def _is_of(family: str, row: Mapping[str, Any], ranking: Ranking | None) -> bool:
    measure = str(row["measure"]).removeprefix("appearance.")
    if ranking is not None and measure == ranking.metric:
        return family == "quality"
    # Whether the object is found is no part of where it is.
    return measure.startswith(FAMILIES[family]) and not measure.endswith(".found")


def _bounds(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    if row["seed_low"] is None and row["null_bounds"]:
        return row["seed"] - row["seed_null_high"], row["seed"]
    return row["seed_low"], row["seed_high"]


def _lower_bound(row: Mapping[str, Any]) -> float:
    low, _ = _bounds(row)
    return float("-inf") if low is None else float(low)


def _clause(levels: Mapping[str, tuple[str, str]]) -> str:
    """Name the families by level, the strongest first."""
    parts = []
    for name in LEVELS:
        families = [family for family, (found, _) in levels.items() if found == name]
        if families:
            parts.append(f"{name} {_listed(families)}")
    if parts:
        return f"Seeds {_listed(parts)}"
    if levels:
        return "The images are too few to say what seeds decide"
    return "It is not known yet what seeds decide"


def _listed(words: Sequence[str]) -> str:
    """Join words as a list in a sentence.

    Example:
        >>> _listed(["a"]), _listed(["a", "b"]), _listed(["a", "b", "c"])
        ('a', 'a and b', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _advice(levels: Mapping[str, str], ranking: Ranking | None) -> str:
    strong = {name for name, found in levels.items() if found in ("decide", "shape")}
    varied = strong & {"layout", "style"}
    listed = ranking is not None and bool(ranking.golden.seeds)
    if listed and levels.get("quality") == "hardly touch":
        return "the golden list holds, but gains little" + (
            "; use the diverse list for variety" if varied else ""
        )
    if listed:
        return "use the golden list"
    if varied:
        return "use the diverse list"
    if "colours" in strong:
        return "choose seeds by their colours"
    if levels and set(levels.values()) == {"hardly touch"}:
        return "any seed will do"
    return "draw more prompts" if levels else "measure the run"
