"""Measuring real images in parts, each written once and whole, so that a stopped work goes on.

A part's name hashes its files, the feature and the resize: what has changed is made anew.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from analysis.features import load_feature
from analysis.features.base import BATCH, Batch, Feature, extract_in_batches
from analysis.reference.sources import Source, open_source
from pipeline.errors import ConfigError, ImageFileError, ShardError
from pipeline.prompts.image_files import DecodedImage, crop_square, decode_image_file
from pipeline.stage import Outcome, Resources, Uint8Images
from pipeline.storage.schema import PROMPT_FIELDS
from pipeline.storage.store import LocalStore

KEY = "features"
"""Name of the (m, d) float32 tensor."""
PER_PART = 16 * BATCH
"""Images of one part: what a kill costs at most."""
NO_PROMPT = {column.name: None for column in PROMPT_FIELDS}
"""A real image was drawn for nothing."""


@dataclass(frozen=True)
class Plan:
    """What is built from what.

    Attributes:
        source: Folder or Parquet.
        feature: Name of the feature, "name" or "name@card".
        size: Side in pixels that the middle square of every image is brought to; 0 leaves
            every image as it is to the feature, which does its own resize.
        column: The feature's column; empty if it has one of vectors only.
        count: How many images of the source, the first by the hash of their names; all if None.
    """

    source: Path
    feature: str
    size: int
    column: str = ""
    count: int | None = None

    @property
    def resize(self) -> dict[str, object]:
        """The resize in words."""
        if not self.size:
            return {"size": 0, "method": "none: the feature resizes every image by itself"}
        method = "middle square, then Pillow's bicubic with antialiasing, on uint8"
        return {"size": self.size, "method": method, "pillow": version("pillow")}


@dataclass(frozen=True)
class Part:
    """Some images of the source that are measured together.

    Attributes:
        id: Hash of the images, the feature and the resize.
        start: The first image.
        names: Names of the images from there on.
        hashes: The sha256 of each, as it was when the parts were planned.
    """

    id: str
    start: int
    names: tuple[str, ...]
    hashes: tuple[str, ...]

    @property
    def stop(self) -> int:
        """The image after the last."""
        return self.start + len(self.names)

    @property
    def key(self) -> str:
        """Where its features are kept."""
        return f"{self.id}.safetensors"


def vector_column(feature: Feature, name: str = "") -> str:
    """The column of a feature that a reference is made of.

    Raises:
        ConfigError: If there is none, several and none is named, or it needs a prompt.
    """
    reason = feature.applies(NO_PROMPT)
    if reason:
        raise ConfigError(f"feature {feature.name} cannot measure real images: {reason}")
    found = [one.name for one in feature.columns if pa.types.is_fixed_size_list(one.type)]
    chosen = [name] if name else found
    if len(chosen) != 1 or chosen[0] not in found:
        raise ConfigError(
            f"feature {feature.name} has the vector columns {', '.join(found) or 'none'}; "
            f"wanted one{f', not {name!r}' if name else ', named by --column'}"
        )
    return chosen[0]


def plan_parts(plan: Plan, names: Sequence[str], hashes: Sequence[str]) -> list[Part]:
    """Cut the images of a source into parts.

    Args:
        plan: What is built.
        names: The images' names.
        hashes: The sha256 of each.
    """
    what = [load_feature(plan.feature).identity(), plan.column, plan.resize]
    parts = []
    for start in range(0, len(names), PER_PART):
        own = slice(start, start + PER_PART)
        text = json.dumps([what, list(names[own]), list(hashes[own])])
        digest = hashlib.sha256(text.encode()).hexdigest()[:24]
        parts.append(Part(digest, start, tuple(names[own]), tuple(hashes[own])))
    return parts


class ReferenceStage:
    """Measures real images; a `pipeline.stage.Stage`.

    Args:
        plan: What is built.
        work: Where parts are kept.
    """

    name: str = "reference"

    def __init__(self, plan: Plan, work: Path) -> None:
        feature = load_feature(plan.feature)
        self.plan = plan
        self.column = vector_column(feature, plan.column)
        self.store = LocalStore(work)
        self.resources: Resources = feature.resources
        self._ready: tuple[Feature, Source] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Travel to an actor without what `setup` made."""
        return {**vars(self), "_ready": None}

    def setup(self) -> None:
        """Load the feature's weights, once per actor."""
        feature = load_feature(self.plan.feature)
        feature.setup()
        self._ready = (feature, open_source(self.plan.source, self.plan.count))

    def run(self, task: Part) -> Outcome:
        """Measure and keep one part; done already, it costs a look."""
        start = perf_counter()
        if self._ready is None:
            self.setup()
        if not self.store.exists(task.key):
            self.store.put_if_absent(task.key, self._measure(task))
        skipped = len(read_notes(self.store, task)["skipped"])
        return Outcome(task.id, task.stop - task.start, skipped, perf_counter() - start)

    def _measure(self, part: Part) -> bytes:
        assert self._ready is not None
        feature, source = self._ready
        if tuple(source.names[part.start : part.stop]) != part.names:
            raise ImageFileError(
                f"{self.plan.source} holds other images than when the command began: leave it as "
                f"it is while it is read"
            )
        notes: dict[str, Any] = {"skipped": [], "converted": 0, "enlarged": 0}
        images = _images(part, source.read(part.start, part.stop), self.plan.size, notes)
        rows = [
            extract_in_batches(feature, Batch(batch, [NO_PROMPT] * len(batch)))[self.column]
            for batch in _batches(images, 1 if self.plan.size == 0 else BATCH)
        ]
        width = _width(feature, self.column)
        features = np.concatenate([np.zeros((0, width), np.float32), *rows])
        if not np.isfinite(features).all():
            raise ShardError(f"{feature.name} is not finite for an image of {part.names[0]} ...")
        return save({KEY: features.astype(np.float32)}, {"notes": json.dumps(notes)})


def _width(feature: Feature, column: str) -> int:
    (kind,) = [one.type for one in feature.columns if one.name == column]
    return int(kind.list_size)


def _images(
    part: Part, files: Iterator[bytes], size: int, notes: dict[str, Any]
) -> Iterator[Uint8Images]:
    """The usable images at the size wanted; what was found goes into the notes."""
    for name, sha256, data in zip(part.names, part.hashes, files, strict=True):
        _refuse_changed(name, data, sha256)
        try:
            picture = decode_image_file(data)
        except ImageFileError as error:
            notes["skipped"].append([name, str(error)])
            continue
        notes["converted"] += bool(picture.converted)
        notes["enlarged"] += min(picture.image.size) < size
        yield _pixels(picture, size)


def _refuse_changed(name: str, data: bytes, sha256: str) -> None:
    """Keep a reference from holding other images than its identity says."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ImageFileError(
            f"{name} changed while the command ran: leave it as it is, and start the command again"
        )


def _pixels(picture: DecodedImage, size: int) -> Uint8Images:
    return np.asarray(crop_square(picture.image, size) if size else picture.image)


def _batches(images: Iterator[Uint8Images], count: int) -> Iterator[Uint8Images]:
    batch: list[Uint8Images] = []
    for image in images:
        batch.append(image)
        if len(batch) == count:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def read_notes(store: LocalStore, part: Part) -> dict[str, Any]:
    """What measuring a part found: skipped, converted, enlarged.

    Raises:
        ShardError: If the part is damaged; the message says what to delete.
    """
    path = store.path(part.key)
    try:
        with safe_open(path, "numpy") as file:
            notes: dict[str, Any] = json.loads((file.metadata() or {})["notes"])
            return notes
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ShardError(f"{path} is damaged ({error}); delete it") from error


def read_features(store: LocalStore, part: Part) -> NDArray[np.float32]:
    """The features of a part's usable images, (m, d)."""
    features: NDArray[np.float32] = load(store.read(part.key))[KEY]
    return features
