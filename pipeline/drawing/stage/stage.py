"""The stage that draws a tile and commits it as an image shard."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.drawing.canary import check_canary, check_token, provenance
from pipeline.drawing.latents import commit_latents
from pipeline.drawing.stage.loading import Loaded, load_run
from pipeline.drawing.stage.rows import to_table, truncated_prompts
from pipeline.drawing.tile import CellImage
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from pipeline.stage import DrawnShard, Outcome, Resources, Sink, combine_resources
from pipeline.storage.schema import STATUS_OK


@dataclass
class GenerateStage:
    """Draws the tiles of one run.

    Attributes:
        run_root: The run folder, as each actor must see it.
        token: The text that its token file must hold.
        resources: The resources of one actor.
        recipe: The recipe of the command that draws.
        sinks: They take each shard that was drawn, while its pixels are in memory.
    """

    run_root: str
    token: str
    resources: Resources
    recipe: Recipe
    sinks: Sequence[Sink] = ()
    name: str = "generate"
    _loaded: Loaded | None = field(default=None, repr=False)

    def setup(self) -> None:
        """Load the model and draw the canary.

        Raises:
            GoldenseedError: If this actor cannot draw the run's images.
        """
        check_token(self.run_root, self.token)
        self._loaded = load_run(Run.open(self.run_root, self.recipe))
        check_canary(self._loaded.run, self._loaded.model, self._loaded.condition_images)
        for sink in self.sinks:
            sink.setup()

    def run(self, task: Tile) -> Outcome:
        """Draw and commit one tile; a tile that is complete is left alone."""
        loaded = self._loaded
        if loaded is None:
            raise RuntimeError("setup() comes before run()")
        started = time.perf_counter()
        receipt = loaded.receipt(task)
        if receipt is not None:
            return Outcome(task.id, receipt.rows, receipt.failed, time.perf_counter() - started)
        cells = loaded.draw(task)
        failed = sum(cell.status != STATUS_OK for cell in cells)
        self._commit(loaded, task, cells, failed=failed, started=started)
        return Outcome(
            task.id,
            len(cells),
            failed,
            time.perf_counter() - started,
            truncated_prompts=truncated_prompts(loaded, task, cells),
        )

    def _commit(
        self,
        loaded: Loaded,
        tile: Tile,
        cells: Sequence[CellImage],
        *,
        failed: int,
        started: float,
    ) -> None:
        """Commit the images and the kept latents of a tile, and pass the pixels to the sinks."""
        table, images = to_table(loaded, tile, cells)
        receipt, same = loaded.run.images.commit(
            tile.id,
            tile.block,
            table,
            run_id=loaded.run.run_id,
            failed=failed,
            provenance=provenance(loaded.run, time.perf_counter() - started),
        )
        if loaded.keep_latents != "none":
            latents = [cell.latents for cell in cells]
            commit_latents(loaded.run, tile, latents, source_sha256=receipt.content_sha256)
        if same:  # otherwise another attempt won with other pixels
            rows = table.drop_columns(["image"])
            self._pass_on(DrawnShard(tile.id, tile.block, receipt.content_sha256, rows, images))

    def _pass_on(self, shard: DrawnShard) -> None:
        for sink in self.sinks:
            if sink.wants(shard.shard_id, shard.block):
                sink.take(shard)


def generate_stage(run: Run, sinks: Sequence[Sink] = ()) -> GenerateStage:
    """Make the stage that draws a run, with the resources that its card and its sinks need."""
    gpus = run.recipe.gpus_per_worker if run.card.gpu else 0.0
    drawing = Resources(cpus=run.recipe.cpus_per_worker, gpus=gpus)
    resources = combine_resources([drawing, *(sink.resources for sink in sinks)])
    return GenerateStage(str(run.root), run.read_token(), resources, run.recipe, tuple(sinks))
