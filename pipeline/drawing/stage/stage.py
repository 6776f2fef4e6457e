"""The stage that draws a tile and commits it as an image shard."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from pipeline.drawing.canary import check_canary, check_token, provenance
from pipeline.drawing.latents import commit_latents
from pipeline.drawing.stage.loading import DrawnTile, Loaded, load_run
from pipeline.drawing.stage.rows import image_table
from pipeline.drawing.tile import CellImage
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from pipeline.stage import DrawnShard, Outcome, Resources, Sink, combine_resources
from pipeline.storage.schema import STATUS_OK


@dataclass
class GenerateStage:
    """Draws the tiles of one run.

    If the resources grant threads beside the device, images are encoded and hashed in them while
    the next batch is drawn, and a tile is committed and measured while the next tile is drawn.

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
        self._loaded = load_run(Run.open(self.run_root, self.recipe), self.resources.beside)
        check_canary(self._loaded.run, self._loaded.drawer.model, self._loaded.condition_images)
        for sink in self.sinks:
            sink.setup()

    def run(self, task: Tile) -> Outcome:
        """Draw and commit one tile; a tile that is complete is left alone."""
        return self.begin(task)()

    def begin(self, task: Tile) -> Callable[[], Outcome]:
        """Draw one tile; the function that is returned commits it, in any thread.

        If a sink needs the GPU, the tile is committed at once, because nothing else may use the
        device while images are drawn.
        """
        loaded = self._loaded
        if loaded is None:
            raise RuntimeError("setup() comes before run()")
        started = time.perf_counter()
        receipt = loaded.receipt(task)
        if receipt is not None:
            seconds = time.perf_counter() - started
            outcome = Outcome(task.id, receipt.rows, receipt.failed, seconds)
            return lambda: outcome
        finish = partial(self._finish, loaded, task, loaded.draw(task), started)
        if any(sink.resources.gpus for sink in self.sinks):
            committed = finish()
            return lambda: committed
        return finish

    def _finish(self, loaded: Loaded, tile: Tile, drawn: DrawnTile, started: float) -> Outcome:
        """Commit the images and the kept latents of a tile, and pass the pixels to the sinks."""
        cells = drawn.cells
        table = image_table(
            [loaded.prompts[prompt_id] for prompt_id, _ in tile.cells],
            [seed for _, seed in tile.cells],
            cells,
            [wait() for wait in drawn.encoded],
            [loaded.cut_of(prompt_id) for prompt_id, _ in tile.cells],
        )
        failed = sum(cell.status != STATUS_OK for cell in cells)
        receipt, same = loaded.run.images.commit(
            tile.id,
            tile.block,
            table,
            run_id=loaded.run.run_id,
            failed=failed,
            provenance=provenance(loaded.run, time.perf_counter() - started),
        )
        if loaded.drawer.keep_latents != "none":
            latents = [cell.latents for cell in cells]
            commit_latents(loaded.run, tile, latents, source_sha256=receipt.content_sha256)
        if same:  # otherwise another attempt won with other pixels
            rows, sha256 = table.drop_columns(["image"]), receipt.content_sha256
            self._pass_on(DrawnShard(tile.id, tile.block, sha256, rows, drawn.images))
        return Outcome(
            tile.id,
            len(cells),
            failed,
            time.perf_counter() - started,
            truncated_prompts=_truncated_prompts(loaded, tile, cells),
        )

    def _pass_on(self, shard: DrawnShard) -> None:
        for sink in self.sinks:
            if sink.wants(shard.shard_id, shard.block):
                sink.take(shard)


def _truncated_prompts(loaded: Loaded, tile: Tile, cells: Sequence[CellImage]) -> tuple[str, ...]:
    """Ids of the tile's prompts that a text encoder cut off, or whose negative prompt it did."""
    pairs = zip(tile.cells, cells, strict=True)
    cut = {key for (key, _), cell in pairs if cell.truncated_tokens + loaded.cut_of(key)}
    return tuple(sorted(cut))


def generate_stage(run: Run, sinks: Sequence[Sink] = ()) -> GenerateStage:
    """Make the stage that draws a run, with the resources that its card and its sinks need."""
    gpus = run.recipe.gpus_per_worker if run.card.gpu else 0.0
    cpus = run.recipe.cpus_per_worker
    drawing = Resources(cpus=cpus, gpus=gpus, beside=max(0, math.ceil(cpus) - 1))
    resources = combine_resources([drawing, *(sink.resources for sink in sinks)])
    return GenerateStage(str(run.root), run.read_token(), resources, run.recipe, tuple(sinks))
