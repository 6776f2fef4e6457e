"""`spectrum`: which frequencies of the starting noise survive in the final latents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from analysis.statistics.owners import permute_owners
from analysis.statistics.spectra import coherence, crossed_errors
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.spectrum.arm import (
    BAND_COLUMNS,
    STEP_COLUMNS,
    THIS,
    ArmSpectrum,
    spectrum_figure,
)
from analysis.studies.spectrum.latents import read_transforms, with_mean
from analysis.study_tools.measured import require
from analysis.study_tools.other_runs import other_arms
from analysis.study_tools.recipes import recipe_like
from pipeline.noise import noise_spec
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 8, 4
SETS = (1, 2)
"""Both ranking sets are used, because no seed is chosen here; set 3 is reserved for gains."""
STEP_COUNTS = (1, 5, 10, 20, 40)


@dataclass(frozen=True)
class Spectrum(Study):
    """Measure how much of the starting noise is left in the final latents, by frequency.

    Question: Why does one seed give related images? Which frequencies of its noise survive?
    Method: The run keeps its latents. The study measures their amplitude per octave of spatial
        frequency over the sampling steps. Per octave and channel, over all cells, it measures the
        coherence of a seed's starting noise with its final latents, and the share of the final
        power that a seed's latents have in common across prompts; each prompt's mean over seeds is
        subtracted first. If both numbers agree, the noise passes through, and the noise is what a
        seed's images share. Common power beyond that comes from other channels and frequencies of
        the noise. Other runs of the checkpoint that keep latents (other step counts,
        interventions) are measured in the same way.
    Null: Within each prompt group, the final latents are permuted over the seeds.
    n: One cell per seed and prompt of sets 1 and 2. The variance of an interval is the sum of a
        jackknife over seeds and a jackknife over prompt groups, which is conservative.
    Source: Ours. Coherence: Carter, Knapp and Nuttall 1973. Amplitudes over the steps: Si et al.
        2023, "FreeU", arXiv:2309.11497, figure 3. That low frequencies of the noise stay: Lin et
        al. 2024, "Common diffusion noise schedules and sample steps are flawed",
        arXiv:2305.08891.

    Attributes:
        arms: Folder with other runs of this checkpoint, absolute or relative to this run's folder.
        permutations: Number of draws of the null.
        prompts: Number of prompts to read, in the order of their ids; all if 0.
    """

    name: ClassVar[str] = "spectrum"
    version: ClassVar[int] = 2
    libraries: ClassVar[tuple[str, ...]] = ("torch",)

    arms: str = ".."
    permutations: int = 100
    prompts: int = 0

    def find(self, run: Run) -> Findings:
        """Measure this run and the other runs of its checkpoint."""
        this = self._measured(run, THIS)
        others = [
            self._measured(arm, name)
            for name, arm in other_arms(run, self.arms).items()
            if next(arm.latents.receipts(), None) is not None
        ]
        arms = [this, *(other.with_change_from(this) for other in others)]
        rows = [row for arm in arms for row in arm.rows()]
        steps = this.step_rows()
        return Findings(
            outcome=_sentence(arms),
            numbers={"bands": [row for row in rows if row["channel"] is None]},
            tables={
                "steps": StudyTable(pl.DataFrame(steps), STEP_COLUMNS),
                "bands": StudyTable(pl.DataFrame(rows, infer_schema_length=None), BAND_COLUMNS),
            },
            figures={"spectrum": spectrum_figure(steps, rows)},
            recipes=_recipes(run),
            identities={"noise": noise_spec(run.config.noise).name},
        )

    def _measured(self, run: Run, name: str) -> ArmSpectrum:
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
            permuted = np.asarray(permute_owners(cells.end, cells.groups, rng))
            null.append(with_mean(coherence(cells.start, permuted, cells.bands)))
        errors = crossed_errors(cells.statistic, cells.seeds, cells.groups)
        return ArmSpectrum(name, run, cells, value, errors, np.stack(null))


def _sentence(arms: Sequence[ArmSpectrum]) -> str:
    this = arms[0]
    rows = [row for row in this.rows() if row["channel"] is None]
    bands = ", ".join(
        f"{row['band']}: {row['coherence']:.2f} [{row['low']:.2f}, {row['high']:.2f}] (null "
        f"{row['null_mean']:.2f}; common to a seed's latents {row['common']:.2f})"
        for row in rows
    )
    others = "; ".join(f"{arm.name} {arm.value[0, -1].mean():.2f}" for arm in arms[1:])
    cells = this.cells
    return (
        f"coherence of starting noise and final latents by cycles per side: {bands}; "
        f"{len(cells.seeds):,} seeds x {len(cells.prompts):,} prompts in "
        f"{len(set(cells.groups))} groups, {this.run.config.num_inference_steps} steps"
        + (f"; mean over bands {this.value[0, -1].mean():.2f}; {others}" if others else "")
    )


def _recipes(run: Run) -> dict[str, str]:
    arms = {f"steps_{count}": {"num_inference_steps": count} for count in STEP_COUNTS}
    factors = {"version": 1, "b1": 1.2, "b2": 1.4, "s1": 0.9, "s2": 0.2}
    interventions = {
        "none": {},
        "freeu": {"intervention": {"name": "freeu", "parameters": factors}},
        "zero_snr": {"intervention": {"name": "zero_snr", "parameters": {}}},
        "seed_scramble": {"intervention": {"name": "seed_scramble"}},
    }
    note = "Study any of its arms: the study compares it with the other arms."
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
            {"arms": interventions, "keep_latents": "all"},
            note=f"Changes of sampling. {note}{weights}",
        ),
    }
