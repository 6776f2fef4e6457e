"""The position, size and depth of the object in every image, and their means per seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.cells.vectors import LAYOUT
from analysis.metrics.layout import fill_not_found
from analysis.statistics.arrays import Floats
from pipeline.prompts.prompt_sets import Prompt


@dataclass(frozen=True, eq=False)
class Layouts:
    """The layout of every seed's images.

    Attributes:
        seeds: The S seeds.
        prompts: The P prompts.
        values: x, y, size and depth -> shape (S, P), fractions; NaN where no object was found.
    """

    seeds: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    values: dict[str, Floats]

    @classmethod
    def of(cls, sample: Sample, needs: Sequence[str]) -> "Layouts":
        """Take the layouts from a sample; `needs` are its four columns."""
        columns = [np.asarray(sample.columns[need], dtype=np.float64) for need in needs]
        return cls(sample.seeds, sample.prompts, dict(zip(LAYOUT, columns, strict=True)))

    @classmethod
    def joined(cls, sets: Sequence["Layouts"]) -> "Layouts":
        """Join the layouts of the same seeds in several prompt sets."""
        values = {
            name: np.concatenate([part.values[name] for part in sets], axis=1) for name in LAYOUT
        }
        prompts = tuple(prompt for part in sets for prompt in part.prompts)
        return cls(sets[0].seeds, prompts, values)

    @property
    def groups(self) -> NDArray[np.str_]:
        """The group of each prompt, shape (P,)."""
        return np.array([prompt.group for prompt in self.prompts], dtype=np.str_)

    @property
    def objects(self) -> NDArray[np.str_]:
        """The object of each prompt, shape (P,); empty for a prompt without an object."""
        return np.array([prompt.object or "" for prompt in self.prompts], dtype=np.str_)

    @property
    def found(self) -> float:
        """Share of the images that show the object."""
        return float(np.isfinite(self.values["x"]).mean())

    def filled(self, name: str) -> Floats:
        """Shape (S, P); gaps are filled with the mean over the other seeds for that prompt."""
        return fill_not_found(self.values[name])

    def seed_means(self, name: str) -> Floats:
        """Mean of each seed after gaps are filled, shape (S,)."""
        return np.asarray(self.filled(name).mean(axis=1))

    def of_object(self, name: str, object_name: str) -> Floats:
        """Mean over each seed's images of an object, shape (S,); NaN if none shows it."""
        values = self.values[name][:, self.objects == object_name]
        found = np.isfinite(values)
        total = np.where(found, values, 0.0).sum(axis=1)
        counts = found.sum(axis=1)
        return np.asarray(
            np.divide(total, counts, where=counts > 0, out=np.full(len(values), np.nan))
        )
