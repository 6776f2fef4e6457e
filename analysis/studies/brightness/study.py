"""`brightness`: how dark and how bright images get, and which changes help."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.cells.cells import Sample, read_cells
from analysis.statistics.crossed import crossed_mean_interval, crossed_share_interval
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.brightness.figures import brightness_figure
from analysis.studies.brightness.truth import read_truth
from analysis.studies.brightness.wanted_recipes import wanted_recipes
from analysis.study_tools.measured import identities, refuse_unmeasured, require
from analysis.study_tools.other_runs import align, intervention_text, other_runs
from pipeline.errors import RunError
from pipeline.runs.run import Run

NEED, BASELINE, LEAST_SEEDS = "appearance.brightness", "this run", 4
TONES = r"night|sunset|black and white|sketch|drawing|watercolour|oil painting"

DOCUMENTS = (
    ("dark", "A dark alleyway in a rainstorm", 0.301, 0.032),
    ("dark", "A town square lit only by torchlight", 0.452, 0.031),
    ("bright", "A snow-covered ski slope on a sunny day", 0.641, 0.858),
    ("logo on white", "Monochrome line-art logo on a white background", 0.709, 0.974),
)
"""Four images in Guttenberg 2023: Stable Diffusion before and after training with offset noise."""

MEAN_COLUMNS = {
    "run": "name of the run",
    "intervention": "change of the sampling or of the weights",
    "steps": "number of steps",
    "guidance": "guidance scale",
    "kind": "kind of prompts",
    "prompts": "prompts of this kind that all runs share",
    "n": "images",
    "brightness": "mean luma of the images, 0 is black, 1 is white",
    "brightness_low": "lower end of its 95 % interval, over seeds and prompt groups",
    "brightness_high": "upper end",
    "change": "brightness minus this run's, same seeds and prompts; null for this run itself",
    "change_low": "lower end of the 95 % interval of the paired difference",
    "change_high": "upper end",
    "truth": "mean luma of true images of the same prompts; null where it is not known",
    "mended": "share of this run's distance from the truth that the change removes; null without "
    "a truth",
}
DOCUMENT_COLUMNS = {
    "kind": "kind of prompts that the prompt belongs to",
    "prompt": "the prompt",
    "before": "mean brightness of one image, Stable Diffusion as published",
    "after": "the same after training with offset noise",
}


@dataclass(frozen=True)
class Brightness(Study):
    """Mean brightness of prompts that ask for black, white, dark and bright images.

    Question: Do images get as dark and as bright as their prompts ask, and which changes of the
        sampling or the training help?
    Method: The mean luma of each kind of prompts in each run, over the seeds and prompts that all
        runs share. Changes are paired differences: the same seed and prompt in both runs. The luma
        of true images of the prompts is given where it is known, and so are the values of
        Guttenberg 2023. All prompt sets are used, because nothing is selected.
    Null: The change has no effect: the interval of the paired difference contains 0.
    n: Images; seeds; prompt groups where a kind has several prompts, otherwise the prompt is fixed.
    Source: Guttenberg 2023, "Diffusion with Offset Noise", crosslabs.org; Lin et al. 2024,
        arXiv:2305.08891; Zhang et al. 2024, arXiv:2403.08381, the source of the four prompts.

    Attributes:
        runs: Name -> folder of another run, relative to the current folder or to this run's; if
            empty, the other arms of this run's recipe.
        kinds: Name -> regular expression; a prompt belongs to the first kind whose expression
            matches its text in lower case.
        truth: JSON file, prompt text -> {"mean": luma of true images}, as `python -m
            seedling.measure.brightness` writes it; relative to the current folder or to the run's.
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
        """Measure every kind of prompts in every run."""
        runs = {BASELINE: run, **other_runs(run, self.runs)}
        samples = align({name: _brightness(name, other) for name, other in runs.items()})
        require(len(samples[BASELINE].seeds), LEAST_SEEDS, "seeds in all runs")
        kinds = self._prompts_by_kind(samples[BASELINE])
        truth = read_truth(run, self.truth)
        rows = [
            _row(runs[name], name, kind, columns, samples, truth)
            for name in runs
            for kind, columns in kinds.items()
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
            figures={"brightness": brightness_figure(rows, BASELINE)},
            recipes=wanted_recipes(run),
            identities=identities(run, needs=[NEED])
            | {f"run {name}": other.run_id for name, other in runs.items()},
        )

    def _prompts_by_kind(self, sample: Sample) -> dict[str, list[int]]:
        """Indices of each kind's prompts; kinds without a prompt are left out."""
        indices: dict[str, list[int]] = {kind: [] for kind in self.kinds}
        for index, prompt in enumerate(sample.prompts):
            text = prompt.text.casefold()
            kind = next((k for k, pattern in self.kinds.items() if re.search(pattern, text)), "")
            if kind:
                indices[kind].append(index)
        present = {kind: columns for kind, columns in indices.items() if columns}
        if len(present) < 2:
            raise RunError(
                f"the prompts are of {len(present)} kinds ({', '.join(present) or 'none'}); this "
                f"study needs at least 2 of {', '.join(self.kinds)}: draw the prompt file "
                f"`brightness`, which has all of them"
            )
        return present


def _brightness(name: str, run: Run) -> Sample:
    try:
        refuse_unmeasured(run, [NEED])
        return read_cells(run, [NEED], sets=[1, 2, 3]).sample([NEED])
    except RunError as error:
        raise RunError(f"{name}: {error}") from error


def _row(
    run: Run,
    name: str,
    kind: str,
    columns: Sequence[int],
    samples: Mapping[str, Sample],
    truth: Mapping[str, float],
) -> dict[str, Any]:
    """The row of one kind of prompts in one run."""
    sample = samples[name]
    values, base = (
        each.columns[NEED][:, columns].astype(np.float64) for each in (sample, samples[BASELINE])
    )
    groups = sample.groups[columns]
    mean = crossed_share_interval(values, groups)
    change = crossed_mean_interval(values - base, groups)
    true = _true_mean([truth.get(sample.prompts[column].text) for column in columns])
    distance = abs(base.mean() - true)
    is_baseline = name == BASELINE
    return {
        "run": name,
        "intervention": intervention_text(run.config.intervention.model_dump(mode="json")),
        "steps": run.config.num_inference_steps,
        "guidance": run.config.guidance_scale,
        "kind": kind,
        "prompts": len(columns),
        "n": mean.n,
        "brightness": mean.value,
        "brightness_low": mean.low,
        "brightness_high": mean.high,
        "change": None if is_baseline else change.value,
        "change_low": None if is_baseline else change.low,
        "change_high": None if is_baseline else change.high,
        "truth": None if np.isnan(true) else true,
        "mended": None
        if is_baseline or np.isnan(true)
        else 1 - abs(mean.value - true) / max(distance, 1e-9),
    }


def _true_mean(known: Sequence[float | None]) -> float:
    """Mean of the true values of a kind's prompts; NaN unless all of them are known."""
    values = [value for value in known if value is not None]
    return float(np.mean(values)) if len(values) == len(known) else np.nan


def _sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One part per run, with all its kinds of prompts."""
    sentences = []
    for name in dict.fromkeys(row["run"] for row in rows):
        of_run = [row for row in rows if row["run"] == name]
        means = ", ".join(f"{row['kind']} {_value_text(row)}" for row in of_run)
        n, first = sum(row["n"] for row in of_run), of_run[0]
        sentences.append(
            f"{name} ({first['intervention']}, {first['steps']} steps, n = {n:,}): {means}"
        )
    return sentences


def _value_text(row: Mapping[str, Any]) -> str:
    true = f" (true {row['truth']:.3f})" if row["truth"] is not None else ""
    text = f"{row['brightness']:.3f}{true}"
    if row["change"] is None:
        return text
    return (
        f"{text}, change {row['change']:+.3f} [{row['change_low']:+.3f}, {row['change_high']:+.3f}]"
    )
