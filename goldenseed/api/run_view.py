"""Read a run in Python or Jupyter, as polars frames and images.

Example:
    >>> import goldenseed
    >>> run = goldenseed.open_run("runs/seedling")  # doctest: +SKIP
    >>> run.per_seed.filter(metric="brightness").sort("value")  # doctest: +SKIP
    >>> run.grid(prompts=6, seeds=8)  # doctest: +SKIP
"""

from collections.abc import Sequence
from dataclasses import asdict
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from PIL import Image

from analysis.extraction.images import read_images
from analysis.per_seed import read_per_seed
from analysis.pictures.contact_sheet import Row, draw_sheet
from analysis.ranking.rank import read_ranking
from analysis.ranking.result import Ranking
from analysis.studies.results import read_study_table, read_summary
from goldenseed.api import queries
from goldenseed.api.atlas import write_atlas
from goldenseed.api.html import ContactSheet, ZoomView, rows_html
from goldenseed.api.queries import named_features
from goldenseed.api.saved_images import save_images
from goldenseed.steps.status import Status, status_of
from pipeline import registry
from pipeline.errors import RunError, nearest
from pipeline.imported.write import rest_folder
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.storage.schema import IMAGES

if TYPE_CHECKING:
    import pandas as pd


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
        images = f"{status.drawn:,} of {status.cells:,} images"
        return f"<run {self.run.root.name}: {images}, {status.card}>"

    def _repr_html_(self) -> str:
        status = self.status
        sets = [prompt.set for prompt in self.prompts]
        rows = {
            "model": status.card,
            "images": f"{status.drawn:,} of {status.cells:,} drawn",
            "seeds": f"{len(self.seeds):,}",
            "prompts": f"{len(sets):,}; in set 1, 2, 3: "
            f"{', '.join(str(sets.count(number)) for number in (1, 2, 3))}",
            "features": ", ".join(named_features(self.run)) or "none measured",
            "lists": self._verdict(),
        }
        return rows_html(f"run {self.run.root.name}", rows)

    def _verdict(self) -> str:
        try:
            return self.ranking.verdict
        except RunError as error:
            return str(error).replace(str(self.run.root), self.run.root.name)

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
        return queries.scan(self.run, self.run.images, IMAGES)

    @property
    def rest(self) -> pl.LazyFrame:
        """All imported images outside the grid, because their prompts or seeds are incomplete."""
        return queries.scan(self.run, rest_folder(self.run), IMAGES)

    def features(self, name: str) -> pl.LazyFrame:
        """All committed rows of a feature.

        Args:
            name: Name of the feature ("appearance") or its full identity ("appearance-1a2b3c4d").

        Raises:
            RunError: If the run holds no feature of this name, or several versions of it.
        """
        return queries.scan(self.run, queries.feature_folder(self.run, name))

    @property
    def per_seed(self) -> pl.DataFrame:
        """One row per (seed, metric, prompt set); see `schema.PER_SEED`."""
        return read_per_seed(self.run)

    @property
    def ranking(self) -> Ranking:
        """The ranking that was saved last.

        Raises:
            RunError: If there is none, or the grid has grown since.
        """
        return read_ranking(Run.open(self.run.root))

    @property
    def lists(self) -> pl.DataFrame:
        """All ranked seeds, best on set 2 first, with the list that each is on ("" for none).

        Raises:
            RunError: If the run is not ranked.
        """
        ranking = self.ranking
        on = {seed: "golden" for seed in ranking.golden.seeds}
        on |= {seed: "bad" for seed in ranking.bad.seeds}
        rows = [{"list": on.get(row.seed, ""), **asdict(row)} for row in ranking.seeds]
        return pl.DataFrame(rows)

    def sql(self, query: str) -> pl.DataFrame:
        """Ask with SQL, answered by DuckDB.

        Only committed shards are seen, those that have a receipt.

        Args:
            query: A SELECT. Tables are `images`, `per_seed`, and each feature by its name
                (`appearance`); they join on `prompt_id` and `seed`.

        Raises:
            ConfigError: If DuckDB is not installed (`pip install 'goldenseed[notebook]'`), or
                refuses the query.
        """
        return queries.query(self.run, query)

    def to_pandas(self) -> "pd.DataFrame":
        """Give one row per image: prompt, seed, status, and each number of its features.

        Raises:
            ConfigError: If pandas is not installed (`pip install 'goldenseed[notebook]'`).
            RunError: If nothing is drawn yet.
        """
        return queries.to_pandas(self.run)

    def to_atlas(
        self, path: str | Path, *, feature: str = "", seeds: Sequence[int] | None = None
    ) -> Path:
        """Write a Parquet file for Embedding Atlas (apple/embedding-atlas).

        Open it with `embedding-atlas FILE --x x --y y --text text --image image`. x and y are the
        first two principal components of a feature; `--vector vector` instead of --x and --y
        computes another map from the same numbers.

        Args:
            path: The file, which must not exist; its name ends in .parquet.
            feature: Feature whose vectors place the images; the first that has vectors if empty.
            seeds: Seeds to write; all if None. A file holds at most 20,000 images.

        Returns:
            The file: one row per image, with x, y, vector, text, image, seed and the numbers of all
            features.

        Raises:
            ConfigError: If the file exists, or there are too many images or no such feature.
            RunError: If the run kept no images, or measures no vectors.
        """
        chosen = self.seeds if seeds is None else self._known_seeds(seeds)
        return write_atlas(self.run, Path(path), feature=feature, seeds=chosen)

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

    def zoom(self, prompts: int | Sequence[str] = 12, seeds: int | Sequence[int] = 16) -> ZoomView:
        """Show a contact sheet to zoom into; see `grid` for the arguments.

        For all images of a run, see `goldenseed grid RUN`.

        Raises:
            RunError: If the run has no such prompt or seed.
        """
        return ZoomView(self.grid(prompts, seeds).image)

    def grid(
        self, prompts: int | Sequence[str] = 6, seeds: int | Sequence[int] = 8
    ) -> ContactSheet:
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
        rows = (
            self.seeds[: int(seeds)]
            if isinstance(seeds, int | Integral)
            else self._known_seeds(seeds)
        )
        return ContactSheet(
            draw_sheet(self.run, [Row(f"seed {seed}", seed) for seed in rows], columns)
        )

    def _known_seeds(self, seeds: Sequence[int]) -> list[int]:
        unknown = sorted(set(seeds) - set(self.seeds))
        if unknown:
            raise RunError(
                f"the run has no seed {unknown[0]}; give some of its {len(self.seeds)} seeds"
            )
        return [int(seed) for seed in seeds]

    def _prompt(self, name: str) -> Prompt:
        for prompt in self.prompts:
            if name in (prompt.id, prompt.text):
                return prompt
        hint = nearest(name, [prompt.text for prompt in self.prompts])
        raise RunError(f"the run has no prompt {name!r}; {hint}")
