"""Collects the images of a folder into cells: one image for each prompt, seed and setting."""

import hashlib
import io
import logging
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from pipeline.errors import ImageFileError, PromptError
from pipeline.imported.files import image_names, read_file
from pipeline.imported.listing import Listed, joined, read_listing
from pipeline.imported.origin import FOLDED, Origin, OriginReader
from pipeline.imported.skipped import Skipped
from pipeline.prompts.image_files import FORMATS, decode_image_file
from pipeline.prompts.prompt import Prompt
from pipeline.settings.choices import SEED_LIMIT

PROGRESS = logging.getLogger("goldenseed.progress")
PROGRESS_S = 10.0
Setting = tuple[tuple[str, str], ...]
"""Names and values, sorted; equal for all images of an arm."""


@dataclass(frozen=True, slots=True)
class ImportedImage:
    """An image of a cell.

    Attributes:
        file: Its name, relative to the folder.
        sha256: Hash of its file.
    """

    file: str
    sha256: bytes


@dataclass
class Collected:
    """The images of a folder.

    Attributes:
        folder: The folder that the names are relative to.
        files: Number of image files.
        prompts: All prompts by id.
        settings: Setting -> (prompt id, seed) -> image.
        skipped: What was left out, and why.
        notes: What was imported with a change, and which.
    """

    folder: Path
    files: int = 0
    prompts: dict[str, Prompt] = field(default_factory=dict)
    settings: dict[Setting, dict[tuple[str, int], ImportedImage]] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=Skipped)
    notes: Skipped = field(default_factory=Skipped)

    def add(self, name: str, data: bytes, origin: Origin, size: tuple[int, int]) -> None:
        """Add an image, unless it cannot be a cell."""
        seed = self._seed(origin, name)
        if seed is None or not self._has_prompt(origin, name):
            return
        try:
            prompt = Prompt(origin.prompt, **origin.labels)
        except PromptError as error:
            self.skipped.add(f"prompt that cannot be used ({str(error)[:80]})", name)
            return
        prompt = self.prompts.setdefault(prompt.id, prompt)
        setting = _setting(origin, size)
        cells = self.settings.setdefault(setting, {})
        image = ImportedImage(name, hashlib.sha256(data).digest())
        first = cells.setdefault((prompt.id, seed), image)
        if first is image:
            return
        same = first.sha256 == image.sha256
        reason = "the same file again" if same else "another image of the same prompt and seed"
        self.skipped.add(f"{reason}; the first by name was kept", name)

    def _has_prompt(self, origin: Origin, name: str) -> bool:
        if not origin.prompt.strip():
            self.skipped.add("no prompt in the metadata or the name", name)
        return bool(origin.prompt.strip())

    def _seed(self, origin: Origin, name: str) -> int | None:
        """Check a seed, and keep 32 bits of it where its program does so."""
        seed = origin.seed
        if "variation_seed" in origin.settings:
            self.skipped.add("variation seed: two seeds decide the image", name)
        elif seed is None:
            self.skipped.add("no seed in the metadata or the name", name)
        elif seed < 0:
            self.skipped.add(f"seed {seed}, which stands for a random seed", name)
        elif seed >= SEED_LIMIT and origin.tool in FOLDED:
            self.notes.add(
                f"seed of 2**32 or more, imported by its last 32 bits, which alone decide the "
                f"noise of {origin.tool}", f"{name} ({seed} -> {seed % SEED_LIMIT})",
            )  # fmt: skip
            return seed % SEED_LIMIT
        elif seed >= SEED_LIMIT:
            self.skipped.add("seed of 2**32 or more", f"{name} ({seed})")
        else:
            return seed
        return None


def _setting(origin: Origin, size: tuple[int, int]) -> Setting:
    tool = () if origin.tool in ("", "name", "table") else (("tool", origin.tool),)
    return (*tool, ("width", str(size[0])), ("height", str(size[1])), *origin.settings.items())


def collect(source: Path) -> Collected:
    """Read all images of a folder, or of a table, one after another.

    Each file is read and decoded once, after its size was checked; nothing of it is kept but its
    name, its hash and how it was made.

    Args:
        source: A folder, or a .csv (see `read_listing`).

    Raises:
        ImageFileError: If there is no such folder or table, or none of its images can be used.
    """
    table = source.suffix.lower() == ".csv" and source.is_file()
    collected = Collected(source.parent if table else source)
    listed = _listed(source, collected.skipped, table=table)
    collected.files = len(listed)
    reader = OriginReader()
    for item in _with_progress(listed):
        try:
            data = read_file(collected.folder / item.file)
            size, origin, note = _read(data, item.file, reader)
        except ImageFileError as error:
            collected.skipped.add(_reason(error), item.file)
            continue
        if note:
            collected.notes.add(note, item.file)
        collected.add(item.file, data, joined(item.origin, origin) if table else origin, size)
    if not any(collected.settings.values()):
        raise ImageFileError(
            f"{source}: none of {collected.files:,} images can be used; "
            f"{'; '.join(collected.skipped.words)}. Without metadata, give a .csv with the columns "
            f"file, prompt, seed"
        )
    return collected


def _listed(source: Path, skipped: Skipped, *, table: bool) -> list[Listed]:
    if table:
        return read_listing(source, skipped)
    return [Listed(name, Origin()) for name in image_names(source, skipped)]


def _reason(error: ImageFileError) -> str:
    """Give a reason without the numbers of one file, so that files with it are counted together."""
    return str(error).partition(":")[0].partition(" at ")[0][:80]


def _read(data: bytes, name: str, reader: OriginReader) -> tuple[tuple[int, int], Origin, str]:
    """Decode an image, and read how it was made; the last value says how it was converted."""
    decoded = decode_image_file(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged EXIF data, which is then no metadata
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        origin = reader.read(image, name)
    if image.format == "JPEG":
        return decoded.image.size, origin, "JPEG, stored as the pixels it decodes to, without loss"
    if decoded.converted:
        note = f"converted to RGB from {decoded.converted}"
        return decoded.image.size, origin, note
    return decoded.image.size, origin, ""


def _with_progress(items: Iterable[Listed]) -> Iterator[Listed]:
    last = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - last >= PROGRESS_S:
            last = time.monotonic()
            PROGRESS.info("import: %s images read", f"{number:,}")
        yield item
