"""The stage that draws a tile and commits it as an image shard."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from pipeline.drawing.canary import check_canary, check_token, provenance
from pipeline.drawing.latents import commit_latents
from pipeline.drawing.stage.loading import DrawnTile, Loaded, load_run
from pipeline.drawing.stage.rows import image_table
from pipeline.drawing.tile import CellImage
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from pipeline.stage import (
    DrawnShard,
    Outcome,
    Resources,
    Sink,
    combine_resources,
    count_reasons,
)
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import STATUS_OK
from pipeline.usage import Stopwatch


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
    _free_since: float = field(default=0.0, repr=False)

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
        self._free_since = time.perf_counter()

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
        watch = Stopwatch()
        receipt = loaded.receipt(task)
        if receipt is not None:
            outcome = Outcome(task.id, receipt.rows, receipt.failed, watch.elapsed)
            return lambda: outcome
        finish = partial(self._finish, loaded, task, self._draw(loaded, task, watch), watch)
        if any(sink.resources.gpus for sink in self.sinks):
            committed = finish()
            return lambda: committed
        return finish

    def _draw(self, loaded: Loaded, tile: Tile, watch: Stopwatch) -> DrawnTile:
        """Draw a tile, and measure how long this thread had nothing to draw before."""
        with watch.part("draw"):
            drawn = loaded.draw(tile)
        now = time.perf_counter()
        watch.idle = 1 - watch.seconds["draw"] / (now - self._free_since)
        self._free_since = now
        return drawn

    def _finish(self, loaded: Loaded, tile: Tile, drawn: DrawnTile, watch: Stopwatch) -> Outcome:
        """Commit the images and the kept latents of a tile, and pass the pixels to the sinks."""
        cells = drawn.cells
        with watch.part("encode"):
            encoded = [wait() for wait in drawn.encoded]
        table = image_table(
            [loaded.prompts[prompt_id] for prompt_id, _ in tile.cells],
            [seed for _, seed in tile.cells],
            cells,
            encoded,
            [loaded.cut_of(prompt_id) for prompt_id, _ in tile.cells],
        )
        with watch.part("commit"):
            receipt, same = self._commit(loaded, tile, table, drawn, watch)
        if same:  # otherwise another attempt won with other pixels
            rows, sha256 = table.drop_columns(["image"]), receipt.content_sha256
            self._pass_on(DrawnShard(tile.id, tile.block, sha256, rows, drawn.images), watch)
        return Outcome(
            tile.id,
            len(cells),
            receipt.failed,
            watch.elapsed,
            truncated_prompts=_truncated_prompts(loaded, tile, cells),
            reasons=count_reasons(f"{c.status}: {c.reason}" for c in cells if c.reason),
            usage=watch.usage(loaded.run.run_id),
        )

    def _commit(
        self, loaded: Loaded, tile: Tile, table: pa.Table, drawn: DrawnTile, watch: Stopwatch
    ) -> tuple[Receipt, bool]:
        """Commit the images of a tile, and its latents if they are kept; see `ShardFolder`."""
        receipt, same = loaded.run.images.commit(
            tile.id,
            tile.block,
            table,
            run_id=loaded.run.run_id,
            failed=sum(cell.status != STATUS_OK for cell in drawn.cells),
            provenance=provenance(loaded.run, watch.elapsed),
        )
        if loaded.drawer.keep_latents != "none":
            latents = [cell.latents for cell in drawn.cells]
            commit_latents(loaded.run, tile, latents, source_sha256=receipt.content_sha256)
        watch.written_bytes += receipt.file_bytes if same else 0
        return receipt, same

    def _pass_on(self, shard: DrawnShard, watch: Stopwatch) -> None:
        for sink in self.sinks:
            if sink.wants(shard.shard_id, shard.block):
                sink.take(shard, watch)


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
