"""Extract the features of real images in parts, so that a stopped command can continue.

Each part is written once and as a whole. Its name is a hash of its files, the feature and the
resize, so a part is made again if any of them changes.
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
from pipeline.storage.local_store import LocalStore
from pipeline.storage.schema import PROMPT_FIELDS
from pipeline.storage.store import Store

KEY = "features"
"""Name of the (m, d) float32 tensor."""
PER_PART = 16 * BATCH
"""Images per part. If a process is killed, at most the part that it works on is lost."""
NO_PROMPT = {column.name: None for column in PROMPT_FIELDS}
"""Fields of the prompt of a real image, which has none."""


@dataclass(frozen=True)
class Plan:
    """The images and the feature that a reference is built from.

    Attributes:
        source: Folder or Parquet file.
        feature: Name of the feature, "name" or "name@card".
        size: Side in pixels to which the central square of each image is resized; with 0, images
            go unchanged to the feature, which resizes them itself.
        column: Column of the feature; may be empty if only one column holds vectors.
        count: Number of images to use, chosen by the hash of their names; all if None.
    """

    source: Path
    feature: str
    size: int
    column: str = ""
    count: int | None = None

    @property
    def resize(self) -> dict[str, object]:
        """Description of the resize."""
        if not self.size:
            return {"size": 0, "method": "none: the feature resizes every image by itself"}
        method = "middle square, then Pillow's bicubic with antialiasing, on uint8"
        return {"size": self.size, "method": method, "pillow": version("pillow")}


@dataclass(frozen=True)
class Part:
    """Consecutive images of the source that are measured together.

    Attributes:
        id: Hash of the images, the feature and the resize.
        start: Index of the first image.
        names: Names of the images.
        hashes: The sha256 of each image when the parts were planned.
    """

    id: str
    start: int
    names: tuple[str, ...]
    hashes: tuple[str, ...]

    @property
    def stop(self) -> int:
        """Index after the last image."""
        return self.start + len(self.names)

    @property
    def key(self) -> str:
        """Name of the file that holds the features of the part."""
        return f"{self.id}.safetensors"


def vector_column(feature: Feature, name: str = "") -> str:
    """Find the column of a feature from which a reference is made.

    Raises:
        ConfigError: If no column holds vectors, if several do and none is named, or if the
            feature needs a prompt.
    """
    reason = feature.applies(NO_PROMPT)
    if reason:
        raise ConfigError(f"feature {feature.name} cannot measure real images: {reason}")
    vectors = [c.name for c in feature.columns if pa.types.is_fixed_size_list(c.type)]
    wanted = [name] if name else vectors
    if len(wanted) != 1 or wanted[0] not in vectors:
        raise ConfigError(
            f"feature {feature.name} has the vector columns {', '.join(vectors) or 'none'}; "
            f"wanted one{f', not {name!r}' if name else ', named by --column'}"
        )
    return wanted[0]


def plan_parts(plan: Plan, names: Sequence[str], hashes: Sequence[str]) -> list[Part]:
    """Cut the images of a source into parts.

    Args:
        plan: What is built.
        names: Names of the images.
        hashes: The sha256 of each image.
    """
    measured = [load_feature(plan.feature).identity(), plan.column, plan.resize]
    parts = []
    for start in range(0, len(names), PER_PART):
        rows = slice(start, start + PER_PART)
        text = json.dumps([measured, list(names[rows]), list(hashes[rows])])
        digest = hashlib.sha256(text.encode()).hexdigest()[:24]
        parts.append(Part(digest, start, tuple(names[rows]), tuple(hashes[rows])))
    return parts


class ReferenceStage:
    """Extracts the features of real images; a `pipeline.stage.Stage`.

    Args:
        plan: What is built.
        work: Folder in which parts are kept.
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
        """Leave out what `setup` loads when the object is sent to an actor."""
        return {**vars(self), "_ready": None}

    def setup(self) -> None:
        """Load the weights of the feature, once per actor."""
        feature = load_feature(self.plan.feature)
        feature.setup()
        self._ready = (feature, open_source(self.plan.source, self.plan.count))

    def run(self, task: Part) -> Outcome:
        """Extract and store the features of a part, unless they are stored already."""
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
                f"{self.plan.source} holds other images than when the command began: do not change "
                f"it while the command runs"
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
    (vector_type,) = [c.type for c in feature.columns if c.name == column]
    return int(vector_type.list_size)


def _images(
    part: Part, files: Iterator[bytes], size: int, notes: dict[str, Any]
) -> Iterator[Uint8Images]:
    """Yield the usable images in the wanted size, and count problems in the notes."""
    for name, sha256, data in zip(part.names, part.hashes, files, strict=True):
        _refuse_changed(name, data, sha256)
        try:
            decoded = decode_image_file(data)
        except ImageFileError as error:
            notes["skipped"].append([name, str(error)])
            continue
        notes["converted"] += bool(decoded.converted)
        notes["enlarged"] += min(decoded.image.size) < size
        yield _pixels(decoded, size)


def _refuse_changed(name: str, data: bytes, sha256: str) -> None:
    """Refuse an image whose content changed after the parts were planned."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ImageFileError(
            f"{name} changed while the command ran: do not change it, and start the command again"
        )


def _pixels(decoded: DecodedImage, size: int) -> Uint8Images:
    return np.asarray(crop_square(decoded.image, size) if size else decoded.image)


def _batches(images: Iterator[Uint8Images], count: int) -> Iterator[Uint8Images]:
    batch: list[Uint8Images] = []
    for image in images:
        batch.append(image)
        if len(batch) == count:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def read_notes(store: Store, part: Part) -> dict[str, Any]:
    """Read the notes of a part: which images were skipped, converted or enlarged.

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


def read_features(store: Store, part: Part) -> NDArray[np.float32]:
    """Read the features of a part's usable images, (m, d)."""
    features: NDArray[np.float32] = load(store.read(part.key))[KEY]
    return features
