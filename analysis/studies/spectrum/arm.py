"""The spectrum of one run as rows of tables, and the figure of several runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.monte_carlo import p_value
from analysis.statistics.spectra import crossed_errors
from analysis.studies.spectrum.latents import Transforms
from pipeline.runs.run import Run

Z = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""
THIS = "this run"

STEP_COLUMNS = {
    "step": "0: the starting latents; k: the latents after step k",
    "band": "spatial frequencies, in cycles along a side of the latents; 0 is the mean",
    "log_amplitude": "natural logarithm of the root mean square amplitude; 0 for white noise",
    "low": "lower bound of its 95 % interval (jackknife over seeds and over prompt groups)",
    "high": "upper bound",
}
BAND_COLUMNS = {
    "arm": "the run: this run, or another arm",
    "steps": "sampling steps of that run",
    "intervention": "intervention of that run",
    "band": "spatial frequencies, in cycles along a side of the latents; 0 is the mean",
    "channel": "channel of the latents, from 0; null: mean over the channels",
    "coherence": "magnitude-squared coherence of starting noise and final latents, 0..1",
    "low": "lower bound of its 95 % interval (jackknife over seeds and over prompt groups)",
    "high": "upper bound",
    "null_mean": "mean coherence if the final latents are permuted over seeds by prompt group",
    "null_high": "95th percentile of that null",
    "p": "one-sided p-value: proportion of permuted draws with at least as high a coherence",
    "common": "share of the power of the final latents that is the same for all prompts of a seed",
    "common_low": "lower bound of its 95 % interval",
    "common_high": "upper bound",
    "change": "coherence minus that of this run; null if seeds or prompts differ",
    "change_low": "lower bound of its 95 % interval",
    "change_high": "upper bound",
}


@dataclass(frozen=True, eq=False)
class ArmSpectrum:
    """The spectrum of one run, for C channels, then the mean over channels, and K bands.

    Attributes:
        name: Name of the run in the tables.
        run: The run.
        cells: The transforms of its latents.
        value: Shape (2, C + 1, K): coherence, then common share.
        errors: Shape (2, C + 1, K): their standard errors.
        null: Shape (B, C + 1, K): coherence in B draws of the null.
        change: Shape (2, C + 1, K): coherence minus that of another run, then its standard error;
            None if there is no other run, or it has other cells.
    """

    name: str
    run: Run
    cells: Transforms
    value: Floats
    errors: Floats
    null: Floats
    change: Floats | None = None

    def with_change_from(self, other: "ArmSpectrum") -> "ArmSpectrum":
        """Add the change from another run, if both have the same cells."""
        a, b = self.cells, other.cells
        if (a.seeds, a.prompts) != (b.seeds, b.prompts) or a.end.shape != b.end.shape:
            return self

        def difference(seeds: Indices, prompts: Indices) -> Floats:
            return np.asarray((a.statistic(seeds, prompts) - b.statistic(seeds, prompts))[0])

        error = crossed_errors(difference, a.seeds, a.groups)
        return replace(self, change=np.stack([difference(*a.everything), error]))

    def rows(self) -> list[dict[str, Any]]:
        """One row per channel and band; the mean over channels last."""
        channels: list[int | None] = [*range(self.value.shape[1] - 1), None]
        bands = self.cells.bands.names
        return [
            self._row(i, channel, k, band)
            for i, channel in enumerate(channels)
            for k, band in enumerate(bands)
        ]

    def _row(self, i: int, channel: int | None, k: int, band: str) -> dict[str, Any]:
        coherence, common = self.value[:, i, k]
        error, common_error = Z * self.errors[:, i, k]
        null = self.null[:, i, k]
        estimates: list[float | None] = [None] * 3
        if self.change is not None:
            change, spread = self.change[:, i, k]
            estimates = [float(change), float(change - Z * spread), float(change + Z * spread)]
        return {
            "arm": self.name,
            "steps": self.run.config.num_inference_steps,
            "intervention": self.run.config.intervention.name,
            "band": band,
            "channel": channel,
            "coherence": float(coherence),
            "low": float(coherence - error),
            "high": float(coherence + error),
            "null_mean": float(null.mean()),
            "null_high": float(np.percentile(null, 95)),
            "p": p_value(null, coherence, scale=1.0),
            "common": float(common),
            "common_low": float(common - common_error),
            "common_high": float(common + common_error),
            **dict(zip(("change", "change_low", "change_high"), estimates, strict=True)),
        }

    def step_rows(self) -> list[dict[str, Any]]:
        """One row per kept step and band: its amplitude."""
        cells = self.cells
        values = cells.amplitude(*cells.everything)
        errors = Z * crossed_errors(cells.amplitude, cells.seeds, cells.groups)
        return [
            {
                "step": step,
                "band": band,
                "log_amplitude": float(values[row, k]),
                "low": float(values[row, k] - errors[row, k]),
                "high": float(values[row, k] + errors[row, k]),
            }
            for row, step in enumerate(cells.power)
            for k, band in enumerate(cells.bands.names)
        ]


def spectrum_figure(
    steps: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> DrawnFigure:
    """Draw the amplitudes over the steps, and the coherence of noise and final latents by band."""
    bands = list(dict.fromkeys(str(row["band"]) for row in steps))
    mean = [row for row in rows if row["channel"] is None]

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        amplitude, shared = plots.panels(figure, 1, 2)
        for k, band in enumerate(bands):
            of_band = [row for row in steps if row["band"] == band]
            shade = str(0.75 * k / max(len(bands) - 1, 1))
            x, y = [row["step"] for row in of_band], [row["log_amplitude"] for row in of_band]
            amplitude.plot(x, y, color=shade, marker=".", label=band)
        amplitude.set(xlabel="sampling step", ylabel="log amplitude (0: white noise)")
        amplitude.set_title("amplitude of the latents, by frequency")
        amplitude.legend(title="cycles per side")
        for arm in dict.fromkeys(row["arm"] for row in mean):
            of_arm = [row for row in mean if row["arm"] == arm]
            y, label = [row["coherence"] for row in of_arm], f"{arm} ({of_arm[0]['steps']} steps)"
            shared.plot(bands, y, marker="o", markersize=4, label=label)
        this_run = [row for row in mean if row["arm"] == THIS]
        common = [row["common"] for row in this_run]
        shared.plot(bands, common, "--", color=plots.GOOD, label="common to a seed")
        shared.plot(
            bands, [r["null_high"] for r in this_run], ":", color=plots.QUIET, label="null, 95 %"
        )
        shared.set(xlabel="cycles per side", ylabel="share of power, 0 to 1")
        shared.set_title("coherence of noise and final latents")
        shared.legend(fontsize=7)

    return plots.figure(
        draw,
        title="What is left of the starting noise in the image",
        caption="Left: amplitude of the latents at each sampling step; 0 is white noise. Right: "
        "share of the power of the final latents that the starting noise explains, by frequency; "
        "dashed: what all images of a seed share; dotted: 95 % of the null.",
        width=9,
        height=4.4,
    )
