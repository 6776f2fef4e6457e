"""A run as seen from Python and Jupyter: polars frames and pictures.

Example:
    >>> import goldenseed
    >>> run = goldenseed.open_run("runs/seedling")  # doctest: +SKIP
    >>> run.per_seed.filter(metric="brightness").sort("value")  # doctest: +SKIP
    >>> run.grid(prompts=6, seeds=8)  # doctest: +SKIP
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from analysis.extraction.images import read_images
from analysis.per_seed import read_per_seed
from analysis.pictures.contact_sheet import Row, draw_sheet
from analysis.studies.results import read_study_table, read_summary
from goldenseed.steps.status import Status, status_of
from goldenseed.steps.verify import feature_folders
from pipeline.errors import RunError, nearest
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.layout import FEATURES_FOLDER
from pipeline.runs.run import Run
from pipeline.storage.manifest import receipt_index
from pipeline.storage.shards import ShardFolder


def open_run(path: str | Path) -> "RunView":
    """Open a run folder for reading; needs no torch and changes nothing.

    Args:
        path: The folder that `goldenseed run` or `generate` wrote.

    Raises:
        RunError: If it is not a run, or of another schema version.

    Example:
        >>> open_run("no-such-folder")
        Traceback (most recent call last):
        ...
        pipeline.errors.RunError: no-such-folder is not a run folder: ...
    """
    return RunView(Run.open(path))


class RunView:
    """A run folder, read-only.

    Attributes:
        run: The run itself.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def __repr__(self) -> str:
        """Where it is and how large."""
        status = self.status
        return f"<run {status.run}: {status.drawn:,} of {status.cells:,} images, {status.card}>"

    @property
    def status(self) -> Status:
        """How far the run is now, with what was added to its grid since it was opened."""
        return status_of(Run.open(self.run.root))

    @property
    def seeds(self) -> list[int]:
        """All seeds of the grid."""
        return list(self.run.seeds)

    @property
    def prompts(self) -> list[Prompt]:
        """All prompts of the grid."""
        return list(self.run.prompts.values())

    @property
    def images(self) -> pl.LazyFrame:
        """All committed image rows, read when they are collected; see `schema.IMAGES`.

        polars does not check page checksums; `goldenseed verify` does.
        """
        return _scan(self.run.images)

    def features(self, name: str) -> pl.LazyFrame:
        """All committed rows of a feature.

        Args:
            name: Its name ("appearance") or full identity ("appearance-1a2b3c4d").

        Raises:
            RunError: If the run holds none of this name, or several versions of it.
        """
        found = {f.prefix.removeprefix(f"{FEATURES_FOLDER}/"): f for f in feature_folders(self.run)}
        fitting = [key for key in found if name in (key, key.rpartition("-")[0])]
        if len(fitting) != 1:
            hint = nearest(name, found)
            has = ", ".join(fitting or found) or "no features"
            raise RunError(f"no one feature {name!r} in {self.run.root}; {hint}it holds {has}")
        return _scan(found[fitting[0]])

    @property
    def per_seed(self) -> pl.DataFrame:
        """One row per (seed, metric, prompt set); see `schema.PER_SEED`."""
        return read_per_seed(self.run)

    def study(self, name: str, table: str = "") -> dict[str, Any] | pl.DataFrame:
        """What a study found: its summary, or one of its tables.

        Args:
            name: Name of the study.
            table: Name of a table, one of the summary's `columns`; empty for the summary.

        Raises:
            RunError: If the study was not run on this grid, or has no such table.
        """
        return read_study_table(self.run, name, table) if table else read_summary(self.run, name)

    def image(self, prompt: str, seed: int) -> Image.Image:
        """One image.

        Args:
            prompt: A prompt's id or its text.
            seed: A seed of the run.

        Raises:
            RunError: If the run does not hold that image.
        """
        cell = (self._prompt(prompt).id, seed)
        found = read_images(self.run, [cell])
        if cell not in found:
            raise RunError(
                f"the run holds no image of seed {seed} and {prompt!r}: not drawn, failed or "
                f"not kept"
            )
        return Image.fromarray(found[cell])

    def grid(
        self, prompts: int | Sequence[str] = 6, seeds: int | Sequence[int] = 8
    ) -> "ContactSheet":
        """A picture of a part of the grid: rows = seeds, columns = prompts.

        Args:
            prompts: The first so many, or ids or texts.
            seeds: The first so many, or the seeds themselves.
        """
        chosen = self.prompts[:prompts] if isinstance(prompts, int) else map(self._prompt, prompts)
        columns = list(chosen)
        rows = self.seeds[:seeds] if isinstance(seeds, int) else list(seeds)
        unknown = sorted(set(rows) - set(self.seeds))
        if unknown:
            raise RunError(f"the run has no seed {unknown[0]}; it has {len(self.seeds)} others")
        return ContactSheet(
            draw_sheet(self.run, [Row(f"seed {seed}", seed) for seed in rows], columns)
        )

    def _prompt(self, name: str) -> Prompt:
        for prompt in self.prompts:
            if name in (prompt.id, prompt.text):
                return prompt
        hint = nearest(name, [prompt.text for prompt in self.prompts])
        raise RunError(f"the run has no prompt {name!r}; {hint}")


class ContactSheet:
    """A picture that Jupyter shows.

    Attributes:
        image: The picture.
    """

    def __init__(self, image: Image.Image) -> None:
        self.image = image

    def save(self, path: str | Path) -> None:
        """Write it as a file; the suffix decides the format."""
        self.image.save(path)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.image.save(buffer, "PNG")
        return buffer.getvalue()


def _scan(folder: ShardFolder) -> pl.LazyFrame:
    """All rows that receipts vouch for."""
    receipts = receipt_index(folder).values()
    paths = [folder.store.path(f"{folder.prefix}/{receipt.file}") for receipt in receipts]
    if not paths:
        raise RunError(f"{folder.store.root} holds no {folder.prefix} yet; run `goldenseed run`")
    return pl.scan_parquet(paths)
