"""Read a run in Python or Jupyter, as polars frames and images.

Example:
    >>> import goldenseed
    >>> run = goldenseed.open_run("runs/seedling")  # doctest: +SKIP
    >>> run.per_seed.filter(metric="brightness").sort("value")  # doctest: +SKIP
    >>> run.grid(prompts=6, seeds=8)  # doctest: +SKIP
"""

import io
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from analysis.extraction.images import read_images
from analysis.per_seed import read_per_seed
from analysis.pictures.contact_sheet import Row, draw_sheet
from analysis.studies.results import read_study_table, read_summary
from goldenseed.api.saved_images import save_images
from goldenseed.steps.status import Status, status_of
from pipeline import registry
from pipeline.errors import RunError, nearest
from pipeline.imported.write import rest_folder
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.layout import FEATURES_FOLDER
from pipeline.runs.run import Run, feature_folders
from pipeline.storage.manifest import receipt_index
from pipeline.storage.schema import IMAGES, Table
from pipeline.storage.shards import ShardFolder


def open_run(path: str | Path, *, allow_code: bool = False) -> "RunView":
    """Open a run folder for reading. Needs no torch and changes nothing.

    Args:
        path: The folder that `goldenseed run` or `goldenseed generate` wrote.
        allow_code: Whether classes that a run names by their dotted path may be imported, from now
            on, in this process. Importing runs their modules, so say so only for runs that you
            trust.

    Raises:
        RunError: If the folder is not a run, or has another schema version.

    Example:
        >>> open_run("no-such-folder")
        Traceback (most recent call last):
        ...
        pipeline.errors.RunError: no-such-folder is not a run folder: ...
    """
    registry.allow_code(allowed=allow_code)
    return RunView(Run.open(path))


class RunView:
    """A run folder, read-only.

    The grid (seeds and prompts) is read once, when the run is opened. Images, features and `status`
    are read each time they are used.

    Attributes:
        run: The run itself.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def __repr__(self) -> str:
        """Show the run's folder, size and card."""
        status = self.status
        return f"<run {status.run}: {status.drawn:,} of {status.cells:,} images, {status.card}>"

    @property
    def status(self) -> Status:
        """The progress of the run now, including seeds and prompts that were added to its grid."""
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
        """All committed image rows, read when the frame is collected; see `schema.IMAGES`.

        Polars does not check page checksums; `goldenseed verify` does.
        """
        return _scan(self.run.images, IMAGES)

    @property
    def rest(self) -> pl.LazyFrame:
        """All imported images outside the grid, because their prompts or seeds are incomplete."""
        return _scan(rest_folder(self.run), IMAGES)

    def features(self, name: str) -> pl.LazyFrame:
        """All committed rows of a feature.

        Args:
            name: Name of the feature ("appearance") or its full identity ("appearance-1a2b3c4d").

        Raises:
            RunError: If the run holds no feature of this name, or several versions of it.
        """
        prefix = f"{FEATURES_FOLDER}/"
        folders = {
            folder.prefix.removeprefix(prefix): folder for folder in feature_folders(self.run.store)
        }
        matches = [
            identity for identity in folders if name in (identity, identity.rpartition("-")[0])
        ]
        if len(matches) > 1:
            raise RunError(
                f"{self.run.root} holds several versions of feature {name!r}; give the full "
                f"identity: {', '.join(matches)}"
            )
        if not matches:
            features = ", ".join(folders) or "no features"
            hint = nearest(name, folders)
            raise RunError(f"{self.run.root} holds no feature {name!r}; {hint}it holds {features}")
        return _scan(folders[matches[0]])

    @property
    def per_seed(self) -> pl.DataFrame:
        """One row per (seed, metric, prompt set); see `schema.PER_SEED`."""
        return read_per_seed(self.run)

    def study(self, name: str, table: str = "") -> dict[str, Any] | pl.DataFrame:
        """Read the summary of a study, or one of its tables.

        Args:
            name: Name of the study.
            table: Name of a table, which is a key of the summary's `columns`; empty for the
                summary.

        Raises:
            RunError: If the study was not run on this grid, or has no such table.
        """
        return read_study_table(self.run, name, table) if table else read_summary(self.run, name)

    def image(self, prompt: str, seed: int) -> Image.Image:
        """Read one image.

        Args:
            prompt: A prompt's id or its text.
            seed: A seed of the run.

        Raises:
            RunError: If the run does not hold that image.
        """
        cell = (self._prompt(prompt).id, seed)
        images = read_images(self.run, [cell])
        if cell not in images:
            raise RunError(
                f"the run holds no image of seed {seed} and prompt {prompt!r}: it was not drawn, "
                f"failed or was not kept"
            )
        return Image.fromarray(images[cell])

    def save_images(
        self,
        folder: str | Path,
        prompts: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
    ) -> list[Path]:
        """Save images as PNG files that say how they were drawn; see `save_images`.

        Args:
            folder: Where to write `<prompt id>_seed_<seed>.png`; such files are replaced.
            prompts: Ids or texts of prompts; all if None.
            seeds: Seeds; all if None.

        Returns:
            The files that were written.

        Raises:
            RunError: If the run has no such prompt.
            StoreError: If a file cannot be written.
        """
        chosen = self.prompts if prompts is None else [self._prompt(name) for name in prompts]
        return save_images(self.run, Path(folder), chosen, self.seeds if seeds is None else seeds)

    def grid(
        self, prompts: int | Sequence[str] = 6, seeds: int | Sequence[int] = 8
    ) -> "ContactSheet":
        """Draw a contact sheet of a part of the grid: one row per seed, one column per prompt.

        Args:
            prompts: Number of prompts, counted from the first, or their ids or texts.
            seeds: Number of seeds, counted from the first, or the seeds themselves.

        Raises:
            RunError: If the run has no such prompt or seed.
        """
        columns = (
            self.prompts[: int(prompts)]
            if isinstance(prompts, int | Integral)
            else [self._prompt(name) for name in prompts]
        )
        rows = self.seeds[: int(seeds)] if isinstance(seeds, int | Integral) else list(seeds)
        unknown = sorted(set(rows) - set(self.seeds))
        if unknown:
            raise RunError(
                f"the run has no seed {unknown[0]}; give some of its {len(self.seeds)} seeds"
            )
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
    """A contact sheet; Jupyter displays it.

    Attributes:
        image: The sheet as an image.
    """

    def __init__(self, image: Image.Image) -> None:
        self.image = image

    def save(self, path: str | Path) -> None:
        """Write the sheet to a file. The suffix decides the format."""
        self.image.save(path)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.image.save(buffer, "PNG")
        return buffer.getvalue()


def _scan(folder: ShardFolder, table: Table | None = None) -> pl.LazyFrame:
    """Scan all rows that have a receipt; a column that old shards lack is null there."""
    receipts = receipt_index(folder).values()
    paths = [folder.data_path(receipt) for receipt in receipts]
    if not paths:
        raise RunError(f"{folder.store.root} holds no {folder.prefix} yet; run `goldenseed run`")
    if table is None:
        return pl.scan_parquet(paths)
    schema = pl.DataFrame(table.arrow().empty_table()).schema
    return pl.scan_parquet(paths, schema=schema, missing_columns="insert")
