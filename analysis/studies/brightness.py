"""`brightness`: how dark and how bright a model can be, and what mends a mean that stays grey."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from analysis.cells.cells import Sample, read_cells
from analysis.pictures import plots
from analysis.statistics.crossed import crossed_mean_interval, crossed_share_interval
from analysis.studies.base import Findings, Study, StudyTable
from analysis.study_tools.measured import identities, refuse_unmeasured, require
from analysis.study_tools.other_runs import aligned, intervention_text, other_runs
from analysis.study_tools.recipes import recipe_like
from pipeline.errors import ConfigError, RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


NEED, BASELINE, LEAST_SEEDS = "appearance.brightness", "this run", 4
TONES = r"night|sunset|black and white|sketch|drawing|watercolour|oil painting"

DOCUMENTS = (
    ("dark", "A dark alleyway in a rainstorm", 0.301, 0.032),
    ("dark", "A town square lit only by torchlight", 0.452, 0.031),
    ("bright", "A snow-covered ski slope on a sunny day", 0.641, 0.858),
    ("logo on white", "Monochrome line-art logo on a white background", 0.709, 0.974),
)
"""Guttenberg 2023, Stable Diffusion before and after training with offset noise: four pictures."""

MEAN_COLUMNS = {
    "run": "name of the run",
    "intervention": "change of sampling or of weights",
    "steps": "number of steps",
    "guidance": "guidance scale",
    "kind": "kind of prompts",
    "prompts": "prompts of this kind that all runs have",
    "n": "images",
    "brightness": "mean luma of the images, 0 black to 1 white",
    "brightness_low": "lower end of its 95 % interval over seeds and prompt groups",
    "brightness_high": "upper end",
    "change": "less this run's, the same seeds and prompts; null for this run itself",
    "change_low": "lower end of its interval, cell by cell",
    "change_high": "upper end",
    "truth": "mean luma of true pictures of the same prompts; null where none is given",
    "mended": "share of this run's distance from the truth that is gone; null without a truth",
}
DOCUMENT_COLUMNS = {
    "kind": "kind of prompts that it belongs to",
    "prompt": "the prompt",
    "before": "mean brightness of one picture, Stable Diffusion as published",
    "after": "the same after training with offset noise",
}


@dataclass(frozen=True)
class Brightness(Study):
    """Mean grey of prompts that ask for black, white, dark and bright pictures.

    Question: Do pictures get as dark and as bright as their prompts ask, and which change of
        sampling or training helps?
    Method: Mean luma over the same seeds and prompts of every run, kind by kind of prompts;
        changes cell by cell. Beside it the luma of true pictures of the prompts, where they are
        known, and the figures of Guttenberg 2023. All prompt sets, for nothing is chosen here.
    Null: a change that does nothing: the difference of the same cells, whose interval holds 0.
    n: images; seeds; prompt groups, where a kind has several prompts, else the prompt is fixed.
    Source: Guttenberg 2023, "Diffusion with Offset Noise", crosslabs.org; Lin et al. 2024,
        arXiv:2305.08891; Zhang et al. 2024, arXiv:2403.08381, whose four prompts these are.

    Attributes:
        runs: Name -> folder of another run, from here or from this run's folder; the other arms
            of this run's recipe if empty.
        kinds: Name -> regular expression; a prompt is of the first found in its small letters.
        truth: JSON file, prompt text -> {"mean": luma of true pictures}, as `python -m
            seedling.measure.brightness` writes; relative to here or to the run's folder.
    """

    name: ClassVar[str] = "brightness"
    version: ClassVar[int] = 3

    runs: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(
        default_factory=lambda: {
            "solid black": r"\bsolid black\b",
            "logo on black": r"\bline-art logo on a black\b",
            "dark": r"\bdark\b|lit only by",
            "neutral": rf"^(?!.*\b(solid|logo|bright|sunny|{TONES})\b)",
            "bright": r"\bbright\b|\bsunny\b",
            "logo on white": r"\bline-art logo on a white\b",
            "solid white": r"\bsolid white\b",
        }
    )
    truth: str = ""

    def find(self, run: Run) -> Findings:
        """Measure every run, kind by kind."""
        runs = {BASELINE: run, **other_runs(run, self.runs)}
        samples = aligned({name: _brightness(name, each) for name, each in runs.items()})
        require(len(samples[BASELINE].seeds), LEAST_SEEDS, "seeds in all runs")
        places = self._places(samples[BASELINE])
        truth = read_truth(run, self.truth)
        rows = [
            _row(runs[name], name, kind, chosen, samples, truth)
            for name in runs
            for kind, chosen in places.items()
        ]
        frame = pl.DataFrame(rows, infer_schema_length=None)
        documents = pl.DataFrame(DOCUMENTS, list(DOCUMENT_COLUMNS), orient="row")
        return Findings(
            outcome="; ".join(_sentences(rows)),
            numbers={"means": rows, "documents": documents.to_dicts()},
            tables={
                "means": StudyTable(frame, MEAN_COLUMNS),
                "documents": StudyTable(documents, DOCUMENT_COLUMNS),
            },
            figures={"brightness": _figure(rows)},
            recipes=wanted_recipes(run),
            identities=identities(run, needs=[NEED])
            | {f"run {name}": each.run_id for name, each in runs.items()},
        )

    def _places(self, sample: Sample) -> dict[str, list[int]]:
        """Places of each kind's prompts; kinds without any are left out."""
        found: dict[str, list[int]] = {kind: [] for kind in self.kinds}
        for place, prompt in enumerate(sample.prompts):
            text = prompt.text.casefold()
            kind = next((k for k, pattern in self.kinds.items() if re.search(pattern, text)), "")
            if kind:
                found[kind].append(place)
        there = {kind: places for kind, places in found.items() if places}
        if len(there) < 2:
            raise RunError(
                f"the prompts are of {len(there)} kinds ({', '.join(there) or 'none'}); this study "
                f"needs at least 2 of {', '.join(self.kinds)}: the prompt file `brightness` has all"
            )
        return there


def _brightness(name: str, run: Run) -> Sample:
    try:
        refuse_unmeasured(run, [NEED])
        return read_cells(run, [NEED], sets=[1, 2, 3]).sample([NEED])
    except RunError as error:
        raise RunError(f"{name}: {error}") from error


def read_truth(run: Run, file: str) -> dict[str, float]:
    """What true pictures of prompts have, by the prompt's text; empty if no file is named.

    Raises:
        ConfigError: If the file is missing or is not of this form.
    """
    if not file:
        return {}
    path = run.root / file if (run.root / file).is_file() else Path(file)
    try:
        found = json.loads(path.read_bytes())
        return {str(text): float(row["mean"]) for text, row in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is no file of true brightness ({error}); `python -m "
            f"seedling.measure.brightness` writes one for the small world"
        ) from error


def _row(
    run: Run,
    name: str,
    kind: str,
    places: Sequence[int],
    samples: Mapping[str, Sample],
    truth: Mapping[str, float],
) -> dict[str, Any]:
    sample, own = samples[name], samples[BASELINE]
    values, base = (each.columns[NEED][:, places].astype(np.float64) for each in (sample, own))
    groups = sample.groups[places]
    mean = crossed_share_interval(values, groups)
    change = crossed_mean_interval(values - base, groups)
    known = [truth.get(sample.prompts[place].text) for place in places]
    true = float(np.mean([t for t in known if t is not None])) if None not in known else np.nan
    apart = abs(base.mean() - true)
    first = name == BASELINE
    return {
        "run": name,
        "intervention": intervention_text(run.config.intervention.model_dump(mode="json")),
        "steps": run.config.num_inference_steps,
        "guidance": run.config.guidance_scale,
        "kind": kind,
        "prompts": len(places),
        "n": mean.n,
        "brightness": mean.value,
        "brightness_low": mean.low,
        "brightness_high": mean.high,
        "change": None if first else change.value,
        "change_low": None if first else change.low,
        "change_high": None if first else change.high,
        "truth": None if np.isnan(true) else true,
        "mended": None
        if first or np.isnan(true)
        else 1 - abs(mean.value - true) / max(apart, 1e-9),
    }


def _sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One part a run: its kinds of prompts."""
    found = []
    for name in dict.fromkeys(row["run"] for row in rows):
        own = [row for row in rows if row["run"] == name]
        means = ", ".join(f"{row['kind']} {_value(row)}" for row in own)
        n = sum(row["n"] for row in own)
        found.append(
            f"{name} ({own[0]['intervention']}, {own[0]['steps']} steps, n = {n:,}): {means}"
        )
    return found


def _value(row: Mapping[str, Any]) -> str:
    true = f" (true {row['truth']:.3f})" if row["truth"] is not None else ""
    text = f"{row['brightness']:.3f}{true}"
    if row["change"] is None:
        return text
    return (
        f"{text}, change {row['change']:+.3f} [{row['change_low']:+.3f}, {row['change_high']:+.3f}]"
    )


def _figure(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Every kind in every run beside the truth; brightness against the number of steps."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        left, right = plots.panels(figure, 1, 2)
        _kinds(left, rows)
        _steps(right, rows)

    names = len({row["run"] for row in rows})
    return plots.figure_png(draw, width=11, height=2.5 + 0.12 * len(rows) + 0.2 * names)


def _kinds(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    ordered = sorted(rows, key=lambda row: [r["kind"] for r in rows].index(row["kind"]))
    labels = [f"{row['kind']}, {row['run']}" for row in ordered]
    columns = ([row[f"brightness{end}"] for row in ordered] for end in ("", "_low", "_high"))
    colours = [plots.INK if row["run"] == BASELINE else plots.GOOD for row in ordered]
    for place, row in enumerate(ordered):
        if row["truth"] is not None:
            axes.plot([row["truth"]], [place], "|", color=plots.BAD, markersize=14)
    axes.axvline(0.5, color=plots.QUIET, linewidth=1)
    plots.intervals(axes, labels, *columns, colours=colours)
    axes.set(xlabel="mean luma; red: true pictures, grey line: 0.5", xlim=(-0.02, 1.02))


def _steps(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    alike = [row for row in rows if row["guidance"] == rows[0]["guidance"]]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        for changed in dict.fromkeys(row["intervention"] for row in alike):
            line = sorted(
                (row["steps"], row["brightness"])
                for row in alike
                if (row["kind"], row["intervention"]) == (kind, changed)
            )
            style = "o-" if changed == "none" else "s--"
            if len(line) > 1:
                axes.plot(*zip(*line, strict=True), style, label=f"{kind}, {changed}", markersize=4)
    axes.set(xlabel="steps", ylabel="mean luma", ylim=(-0.02, 1.02))
    if axes.lines:
        axes.legend(fontsize=6, frameon=False, ncols=2)


def wanted_recipes(run: Run) -> dict[str, str]:
    """The same model on the prompts that ask for extremes: interventions, and numbers of steps."""
    measured = {"features": ["appearance"], "metrics": [], "ranking": None}
    changes = {"prompts": {"source": "brightness"}, **measured}
    offset = {"weights": "seedling/weights/offset-noise.safetensors"}
    chosen: dict[str, dict[str, Any]] = {
        f"offset{scale:g}": {"name": "offset_noise", "parameters": {**offset, "scale": scale}}
        for scale in (0.25, 0.5, 1.0)
    }
    first_step = {"weights": "seedling/weights/seedling-singdiffusion"}
    chosen["singdiffusion"] = {"name": "singdiffusion", "parameters": first_step}
    why = "Extreme prompts; then: goldenseed study brightness RUN/baseline"
    arms: dict[str, dict[str, Any]] = {
        "brightness_interventions": {name: {"intervention": i} for name, i in chosen.items()},
        # Apart, since a model that predicts epsilon refuses it, and with it the whole recipe.
        "brightness_zero_snr": {"zero_snr": {"intervention": {"name": "zero_snr"}}},
        "brightness_steps": {f"steps{n}": {"num_inference_steps": n} for n in (1, 2, 5, 10, 50)},
    }
    return {
        name: recipe_like(run, {**changes, "arms": {"baseline": {}, **own}}, note=why)
        for name, own in arms.items()
    }
