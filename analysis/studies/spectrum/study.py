"""`spectrum`: which frequencies of the starting noise are still there in the picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from analysis.pictures import plots
from analysis.statistics.arrays import Floats
from analysis.statistics.nulls import permute_within_prompt
from analysis.statistics.spectra import coherence, crossed_errors
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.spectrum.latents import Transforms, read_transforms, with_mean
from analysis.study_tools.measured import require
from analysis.study_tools.other_runs import arms_beside
from analysis.study_tools.recipes import recipe_like
from pipeline.noise import noise_spec
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 8, 4
SETS = (1, 2)
"""Nothing is chosen here, so both serve; set 3 is kept for reporting gains."""
Z = float(stats.norm.ppf(0.975))
THIS = "this run"
STEP_COUNTS = (1, 5, 10, 20, 40)

STEP_COLUMNS = {
    "step": "0: the start; k: what the k-th step left",
    "band": "spatial frequencies, in cycles along a side of the latents; 0 is the mean",
    "log_amplitude": "natural logarithm of the root mean square amplitude; white noise has 0",
    "low": "lower end of its 95 % interval (jackknife over seeds and over prompt groups)",
    "high": "upper end",
}
BAND_COLUMNS = {
    "arm": "the run: this one, or the arm beside it",
    "steps": "sampling steps of that run",
    "intervention": "change of sampling of that run",
    "band": "spatial frequencies, in cycles along a side of the latents; 0 is the mean",
    "channel": "channel of the latents, from 0; null: mean over the channels",
    "coherence": "magnitude-squared coherence of starting noise and final latents, 0..1",
    "low": "lower end of its 95 % interval (jackknife over seeds and over prompt groups)",
    "high": "upper end",
    "null_mean": "the same where it is permuted within prompts which seed owns which latents",
    "null_high": "95th percentile of that",
    "p": "share of permuted draws with as high a coherence",
    "common": "share of the power that pictures of one seed have in common across prompts",
    "common_low": "lower end of its 95 % interval",
    "common_high": "upper end",
    "change": "coherence less that of this run; null where seeds or prompts differ",
    "change_low": "lower end of its 95 % interval",
    "change_high": "upper end",
}


@dataclass(frozen=True)
class Spectrum(Study):
    """How much of the starting noise is left in the final latents, by frequency.

    Question: Why does one seed give related pictures? Which frequencies of its noise survive?
    Method: The run keeps its latents. Their amplitude per octave of spatial frequency over the
        steps. Per octave and channel, over all cells, the coherence of a seed's starting noise
        with its final latents, and the share of the final power that pictures of one seed have
        in common across prompts; each less its prompt's mean over seeds. Where both agree, the
        noise passes through, and that is what the pictures share; what is common beyond it is
        what the network makes of other channels and frequencies of the noise. The same for runs
        beside this one that keep latents: other step counts, interventions.
    Null: Within each prompt it is permuted which seed owns which final latents.
    n: One cell per seed and prompt of sets 1 and 2. Intervals add a jackknife over seeds and one
        over prompt groups, which is on the wide side.
    Source: Ours. Coherence: Carter, Knapp and Nuttall 1973. Amplitudes over the steps: Si et al.
        2023, "FreeU", arXiv:2309.11497, figure 3; that low frequencies of the noise stay: Lin et
        al. 2024, "Common diffusion noise schedules and sample steps are flawed",
        arXiv:2305.08891.

    Attributes:
        arms: Folder with further runs of this checkpoint, relative to this run's, or absolute.
        permutations: Draws of the null.
        prompts: Only the first so many, in the order of their ids; all if 0.
    """

    name: ClassVar[str] = "spectrum"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ("torch",)

    arms: str = ".."
    permutations: int = 100
    prompts: int = 0

    def find(self, run: Run) -> Findings:
        """Measure this run and those beside it."""
        own = self._measured(run, THIS)
        others = [
            self._measured(arm, name)
            for name, arm in arms_beside(run, self.arms).items()
            if next(arm.latents.receipts(), None) is not None
        ]
        compared = [own, *(one.against(own) for one in others)]
        rows = [row for one in compared for row in one.rows()]
        steps = own.step_rows()
        return Findings(
            outcome=_sentence(compared),
            numbers={"bands": [row for row in rows if row["channel"] is None]},
            tables={
                "steps": StudyTable(pl.DataFrame(steps), STEP_COLUMNS),
                "bands": StudyTable(pl.DataFrame(rows, infer_schema_length=None), BAND_COLUMNS),
            },
            figures={"spectrum": _figure(steps, rows)},
            recipes=_recipes(run),
            identities={"noise": noise_spec(run.config.noise).name},
        )

    def _measured(self, run: Run, name: str) -> "_Measured":
        if next(run.latents.receipts(), None) is None:
            raise NotDrawnError(
                f"{run.root} keeps no latents; this study needs them: draw a run with "
                f"`keep_latents: all` in its recipe (goldenseed run seedling-spectrum)",
                _recipes(run),
            )
        chosen = sorted((p for p in run.prompts.values() if p.set in SETS), key=lambda p: p.id)
        cells = read_transforms(run, sorted(run.seeds), chosen[: self.prompts or None])
        require(len(cells.seeds), LEAST_SEEDS, "seeds")
        require(len(set(cells.groups)), LEAST_GROUPS, "prompt groups in sets 1 and 2")
        value = cells.statistic(*cells.everything)
        null, rng = [], self.rng(run, name)
        for _ in range(self.permutations):
            permuted = np.asarray(permute_within_prompt(cells.end, rng))
            null.append(with_mean(coherence(cells.start, permuted, cells.bands)))
        errors = crossed_errors(cells.statistic, cells.seeds, cells.groups)
        return _Measured(name, run, cells, value, errors, np.stack(null))


@dataclass(frozen=True, eq=False)
class _Measured:
    """What one run gave.

    Attributes:
        value: (2, C + 1, K): coherence, common share.
        errors: As value.
        null: (B, C + 1, K), coherence.
        change: (2, C + 1, K), coherence less the first run's, and its error; None without.
    """

    name: str
    run: Run
    cells: Transforms
    value: Floats
    errors: Floats
    null: Floats
    change: Floats | None = None

    def against(self, own: "_Measured") -> "_Measured":
        """The same with the difference from another run, where both have the same cells."""
        one, two = self.cells, own.cells
        if (one.seeds, one.prompts) != (two.seeds, two.prompts) or one.end.shape != two.end.shape:
            return self

        def apart(seeds: NDArray[np.intp], prompts: NDArray[np.intp]) -> Floats:
            return np.asarray((one.statistic(seeds, prompts) - two.statistic(seeds, prompts))[0])

        error = crossed_errors(apart, one.seeds, one.groups)
        return replace(self, change=np.stack([apart(*one.everything), error]))

    def rows(self) -> list[dict[str, Any]]:
        """A row per channel and band; the mean over channels last."""
        channels: list[int | None] = [*range(self.value.shape[1] - 1), None]
        bands = self.cells.bands.names
        return [
            self._row(place, channel, at, band)
            for place, channel in enumerate(channels)
            for at, band in enumerate(bands)
        ]

    def _row(self, place: int, channel: int | None, at: int, band: str) -> dict[str, Any]:
        found, common = self.value[:, place, at]
        error, common_error = Z * self.errors[:, place, at]
        null = self.null[:, place, at]
        ends: list[float | None] = [None] * 3
        if self.change is not None:
            change, spread = self.change[:, place, at]
            ends = [float(change), float(change - Z * spread), float(change + Z * spread)]
        return {
            "arm": self.name,
            "steps": self.run.config.num_inference_steps,
            "intervention": self.run.config.intervention.name,
            "band": band,
            "channel": channel,
            "coherence": float(found),
            "low": float(found - error),
            "high": float(found + error),
            "null_mean": float(null.mean()),
            "null_high": float(np.percentile(null, 95)),
            "p": (1 + int((null >= found).sum())) / (len(null) + 1),
            "common": float(common),
            "common_low": float(common - common_error),
            "common_high": float(common + common_error),
            **dict(zip(("change", "change_low", "change_high"), ends, strict=True)),
        }

    def step_rows(self) -> list[dict[str, Any]]:
        """Amplitudes of every kept step."""
        cells = self.cells
        values = cells.amplitude(*cells.everything)
        errors = Z * crossed_errors(cells.amplitude, cells.seeds, cells.groups)
        return [
            {
                "step": step,
                "band": band,
                "log_amplitude": float(values[row, at]),
                "low": float(values[row, at] - errors[row, at]),
                "high": float(values[row, at] + errors[row, at]),
            }
            for row, step in enumerate(cells.power)
            for at, band in enumerate(cells.bands.names)
        ]


def _sentence(compared: Sequence[_Measured]) -> str:
    own = compared[0]
    rows = [row for row in own.rows() if row["channel"] is None]
    told = ", ".join(
        f"{row['band']}: {row['coherence']:.2f} [{row['low']:.2f}, {row['high']:.2f}] (null "
        f"{row['null_mean']:.2f}; common to a seed's pictures {row['common']:.2f})"
        for row in rows
    )
    others = "; ".join(f"{one.name} {one.value[0, -1].mean():.2f}" for one in compared[1:])
    cells = own.cells
    return (
        f"coherence of starting noise and final latents by cycles per side: {told}; "
        f"{len(cells.seeds):,} seeds x {len(cells.prompts):,} prompts in "
        f"{len(set(cells.groups))} groups, {own.run.config.num_inference_steps} steps"
        + (f"; mean over bands {own.value[0, -1].mean():.2f}; {others}" if others else "")
    )


def _figure(steps: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> bytes:
    bands = list(dict.fromkeys(str(row["band"]) for row in steps))
    mean = [row for row in rows if row["channel"] is None]

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        amplitude, shared = plots.panels(figure, 1, 2)
        for place, band in enumerate(bands):
            mine = [row for row in steps if row["band"] == band]
            shade = str(0.75 * place / max(len(bands) - 1, 1))
            x, y = [row["step"] for row in mine], [row["log_amplitude"] for row in mine]
            amplitude.plot(x, y, color=shade, marker=".", label=band)
        amplitude.set(xlabel="step", ylabel="log amplitude")
        amplitude.legend(title="cycles per side", fontsize=8, frameon=False)
        for arm in dict.fromkeys(row["arm"] for row in mean):
            mine = [row for row in mean if row["arm"] == arm]
            y, label = [row["coherence"] for row in mine], f"{arm} ({mine[0]['steps']} steps)"
            shared.plot(bands, y, marker="o", markersize=4, label=label)
        own = [row for row in mean if row["arm"] == THIS]
        shared.plot(bands, [r["common"] for r in own], "--", color=plots.GOOD, label="common")
        shared.plot(
            bands, [r["null_high"] for r in own], ":", color=plots.QUIET, label="null, 95 %"
        )
        shared.set(xlabel="cycles per side", ylabel="coherence of noise and final latents")
        shared.legend(fontsize=7, frameon=False)

    return plots.figure_png(draw, width=11, height=4.4)


def _recipes(run: Run) -> dict[str, str]:
    arms = {f"steps_{count}": {"num_inference_steps": count} for count in STEP_COUNTS}
    factors = {"version": 1, "b1": 1.2, "b2": 1.4, "s1": 0.9, "s2": 0.2}
    changed = {
        "none": {},
        "freeu": {"intervention": {"name": "freeu", "parameters": factors}},
        "zero_snr": {"intervention": {"name": "zero_snr", "parameters": {}}},
        "seed_scramble": {"intervention": {"name": "seed_scramble"}},
    }
    note = "Study any one of them: it compares with those beside it."
    weights = (
        "\nArms of offset_noise and singdiffusion need weights of this checkpoint:\n"
        "  offset_noise: {intervention: {name: offset_noise, parameters: {weights: FILE}}}\n"
        "  singdiffusion: {intervention: {name: singdiffusion, parameters: {weights: FOLDER}}}"
    )
    return {
        "step_counts": recipe_like(
            run, {"arms": arms, "keep_latents": "all"}, note=f"Other step counts. {note}"
        ),
        "interventions": recipe_like(
            run,
            {"arms": changed, "keep_latents": "all"},
            note=f"Changes of sampling. {note}{weights}",
        ),
    }
