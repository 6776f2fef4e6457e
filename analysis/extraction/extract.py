"""Extract feature shards from image shards: from disk, or from memory while images are drawn.

Both ways run the same function on the same pixels in the same batches, so they give the same
content hash. The receipt of a feature shard names the content of its image shard. If the two
disagree, the feature counts as missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from analysis.extraction.images import decode_rows
from analysis.extraction.rows import feature_rows, lacks
from analysis.features import load_feature
from analysis.features.base import Feature, refuse_without_mean
from pipeline.errors import ShardError
from pipeline.runs.run import Run, utc_now
from pipeline.settings.recipe import Recipe
from pipeline.stage import DrawnShard, Outcome, Uint8Images, combine_resources, count_reasons
from pipeline.storage.address import Place
from pipeline.storage.open_store import store_at
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import CELL_KEY, PROMPT_FIELDS, STATUS_OK
from pipeline.storage.shards import ShardFolder
from pipeline.usage import Stopwatch

IMAGE_COLUMNS = [
    *(column.name for column in (*CELL_KEY, *PROMPT_FIELDS)),
    *("image", "image_sha256", "status", "reason"),
]
CONDITIONS = "conditions"
"""Folder of a run with the condition images that its prompts name by their sha256."""


@dataclass(frozen=True)
class ExtractTask:
    """An image shard from which features are to be extracted.

    Attributes:
        shard_id: Id of the tile.
        block: Seed block, which names the folder of the receipts.
    """

    shard_id: str
    block: str

    @property
    def id(self) -> str:
        """Id of the shard."""
        return self.shard_id


def run_feature(run: Run, name: str) -> Feature:
    """Make the feature with this name as a run measures it: on the prompts its recipe chooses.

    The choice is part of the identity, so values of different choices never mix.

    Args:
        run: The run.
        name: Name as in the recipe.
    """
    feature = load_feature(name)
    feature.prompt_share = run.recipe.feature_prompts.get(name)
    feature.frames = run.config.frames
    feature.conditions = run.root / CONDITIONS
    refuse_without_mean(feature, run.config.frames)
    return feature


def run_features(run: Run, names: Sequence[str]) -> list[Feature]:
    """Make several features of a run in the given order, each name once."""
    return [run_feature(run, name) for name in dict.fromkeys(names)]


def feature_folder(run: Run, feature: Feature) -> ShardFolder:
    """Return the folder in which a run keeps the shards of a feature."""
    return run.features(feature.identity(), feature.table)


def missing_extractions(run: Run, features: Sequence[str]) -> list[ExtractTask]:
    """List the drawn shards of a run's grid that lack a feature, in the order of drawing.

    Args:
        run: The run.
        features: Names in the feature registry.

    Returns:
        One task per image shard for which the shard of a feature is missing or was extracted
        from other images.
    """
    folders = [feature_folder(run, feature) for feature in run_features(run, features)]
    tasks = []
    for tile in run.tiles():
        receipt = run.images.receipt(tile.id, tile.block)
        if receipt is not None and not all(
            folder.has(tile.id, tile.block, receipt.content_sha256) for folder in folders
        ):
            tasks.append(ExtractTask(tile.id, tile.block))
    return tasks


class _Extractor:
    """Shared by the stage and the sink: a run, its features, and how shards are committed."""

    def __init__(
        self, run_root: str | Place, features: Sequence[str], recipe: Recipe | None = None
    ) -> None:
        self.run_root, self.recipe = store_at(run_root).root, recipe
        self.feature_names = tuple(features)
        self.resources = combine_resources(load_feature(name).resources for name in features)

    @cached_property
    def opened(self) -> Run:
        return Run.open(self.run_root, self.recipe)

    @cached_property
    def features(self) -> list[Feature]:
        return run_features(self.opened, self.feature_names)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what `setup` loads when the object is sent to an actor."""
        return {key: v for key, v in vars(self).items() if key not in ("opened", "features")}

    def setup(self) -> None:
        """Open the run and load the weights of the features, once per actor."""
        _ = self.opened
        for feature in self.features:
            feature.setup()

    def absent(self, shard_id: str, block: str, content_sha256: str) -> list[Feature]:
        return [
            feature
            for feature in self.features
            if not feature_folder(self.opened, feature).has(shard_id, block, content_sha256)
        ]

    def commit(
        self, shard: DrawnShard, kept: Sequence[bool], made: str, watch: Stopwatch
    ) -> list[str]:
        """Extract and commit the missing features of a shard.

        Returns:
            Why cells lack values, for the feature that most cells lack. A feature that does not
            apply to a prompt is no lack.
        """
        reasons: list[str] = []
        for feature in self.absent(shard.shard_id, shard.block, shard.content_sha256):
            with watch.part(feature.name):
                table = feature_rows(feature, shard.rows, shard.images, kept)
            with watch.part("commit"):
                receipt, same = feature_folder(self.opened, feature).commit(
                    shard.shard_id,
                    shard.block,
                    table,
                    run_id=self.opened.run_id,
                    failed=table.num_rows - table["null_reason"].null_count,
                    source_sha256=shard.content_sha256,
                    provenance=_provenance(feature, made),
                )
            watch.written_bytes += receipt.file_bytes if same else 0
            reasons = max(reasons, lacks(table), key=len)
        return reasons


def _provenance(feature: Feature, made: str) -> Mapping[str, object]:
    return {
        "feature": feature.identity(),
        "code_version": feature.code_version,
        "card_sha256": feature.card_sha256,
        "commit": feature.commit,
        "parameters": dict(feature.parameters),
        "made": made,
        "created": utc_now(),
    }


class ExtractStage(_Extractor):
    """Extracts features from image shards on disk; a `pipeline.stage.Stage`.

    Args:
        run_root: The run folder.
        features: Names in the feature registry.
        recipe: The recipe of the command that measures; None for that of the last command.
    """

    name: str = "extract"

    def run(self, task: ExtractTask) -> Outcome:
        """Read and decode a shard, then extract and commit its missing features.

        Raises:
            ShardError: If the image shard is missing, or an image in it is damaged.
        """
        watch, reasons = Stopwatch(), list[str]()
        receipt = self.opened.images.receipt(task.shard_id, task.block)
        if receipt is None:
            raise ShardError(f"shard {task.shard_id} of {self.run_root} is not drawn")
        if self.absent(task.shard_id, task.block, receipt.content_sha256):
            with watch.part("read"):
                rows, images, kept = self._pixels(receipt)
            shard = DrawnShard(task.shard_id, task.block, receipt.content_sha256, rows, images)
            reasons = self.commit(shard, kept, "from the shard", watch)
        return Outcome(
            task.id,
            receipt.rows,
            len(reasons),
            watch.elapsed,
            reasons=count_reasons(reasons),
            usage=watch.usage(self.opened.run_id),
        )

    def _pixels(self, receipt: Receipt) -> tuple[pa.Table, Uint8Images, list[bool]]:
        """Read the rows of an image shard, their pixels, and which rows have pixels."""
        config = self.opened.config
        rows = self.opened.images.read(receipt, IMAGE_COLUMNS)
        try:
            images, kept = decode_rows(rows, height=config.height, width=config.width)
        except ShardError as error:
            raise ShardError(
                f"{error} (shard {receipt.shard_id}); `goldenseed repair {self.run_root}` makes it "
                f"again"
            ) from error
        _refuse_lost_images(rows, kept, self.run_root)
        return rows, images, kept


def _refuse_lost_images(rows: pa.Table, kept: Sequence[bool], root: Place) -> None:
    """Refuse to extract from images that are gone: their nulls would count as final values."""
    states = zip(rows["status"].to_pylist(), kept, strict=True)
    lost = sum(status == STATUS_OK and not has_pixels for status, has_pixels in states)
    if lost:
        raise ShardError(
            f"{lost} images of this shard were not kept and their features are missing; "
            f"`goldenseed run RECIPE --out {root}` draws them again and measures them"
        )


class FeatureSink(_Extractor):
    """Extracts features from shards while they are drawn; a `pipeline.stage.Sink`.

    For images that are not kept, this is the only way.

    Args:
        run_root: The run folder.
        features: Names in the feature registry.
        recipe: The recipe of the command that draws; None for that of the last command.
    """

    def wants(self, shard_id: str, block: str) -> bool:
        """Whether a feature of this shard is missing; true if the shard is not drawn yet."""
        receipt = self.opened.images.receipt(shard_id, block)
        return receipt is None or bool(self.absent(shard_id, block, receipt.content_sha256))

    def take(self, shard: DrawnShard, watch: Stopwatch) -> None:
        """Extract and commit the missing features of a shard."""
        self.commit(shard, [True] * shard.rows.num_rows, "while drawing", watch)
