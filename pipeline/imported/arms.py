"""Turns settings into arms: a name, a card, a run configuration, and the cells of each."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.cards.card import IMPORTED, Card
from pipeline.imported.balanced import balanced_part
from pipeline.imported.collect import Collected, ImportedImage, Setting
from pipeline.settings.config import RunConfig

MAX_ARMS = 100
"""Settings that become runs, those with most images first."""
TILE_PIXELS = 2**26
"""Pixels of a tile: 200 MB of RGB."""

NAMING = ("tool", "model", "sampler", "scheduler", "steps", "cfg_scale", "width", "height")
"""Settings that arms are named by, the first ones first."""
SPEAKING = ("tool", "model", "sampler", "scheduler")
"""Settings whose values need no name before them."""


@dataclass(frozen=True)
class ImportedArm:
    """One setting: a run.

    Attributes:
        name: What sets it apart from the others; empty if it is alone.
        settings: What was found, by name.
        prompt_ids: The prompts of the balanced part.
        seeds: The seeds of the balanced part, ascending.
        cells: (prompt id, seed) -> image, all of them.
    """

    name: str
    settings: Mapping[str, str]
    prompt_ids: Sequence[str]
    seeds: Sequence[int]
    cells: Mapping[tuple[str, int], ImportedImage]

    @property
    def rest(self) -> list[tuple[str, int]]:
        """The cells outside the balanced part, sorted."""
        prompts, seeds = set(self.prompt_ids), set(self.seeds)
        return sorted(c for c in self.cells if not (c[0] in prompts and c[1] in seeds))

    @property
    def content_sha256(self) -> str:
        """Hash of all cells with the contents of their files."""
        digest = hashlib.sha256()
        for (prompt, seed), image in sorted(self.cells.items()):
            digest.update(f"{prompt} {seed} {image.sha256.hex()}\n".encode())
        return digest.hexdigest()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the images."""
        return int(self.settings["width"]), int(self.settings["height"])

    def tile_side(self) -> int:
        """Seeds, and prompts, of a tile whose images fit into memory."""
        width, height = self.size
        return max(1, min(32, int((TILE_PIXELS / (width * height)) ** 0.5)))

    def card(self) -> Card:
        """Describe the model as far as the images name it."""
        width, height = self.size
        return Card(
            name=self.settings.get("model", IMPORTED),
            family=IMPORTED,
            dtype="float32",
            scheduler=self.settings.get("sampler", "unknown"),
            num_inference_steps=_number(self.settings.get("steps", "")),
            guidance_scale=float(_number(self.settings.get("cfg_scale", ""))),
            height=height,
            width=width,
            latent_channels=1,
            vae_factor=1,
            gpu=False,
            licence="unknown: the images were drawn elsewhere",
            note="imported; the settings of the images are in the run's `imported`",
        )

    def config(self) -> RunConfig:
        """Make the run configuration; the hash of the images stands for that of a model."""
        card = self.card()
        return RunConfig(
            card=card.name,
            card_sha256=self.content_sha256,
            dtype=card.dtype,
            height=card.height,
            width=card.width,
            scheduler=card.scheduler,
            num_inference_steps=card.num_inference_steps,
            guidance_scale=card.guidance_scale,
            negative_prompt=self.settings.get("negative", ""),
            noise="unknown",
            batch_size=1,
            imported=dict(self.settings),
        )


def _number(text: str) -> int:
    found = re.fullmatch(r"[0-9]{1,6}", text.partition(".")[0])
    return int(found.group()) if found else 0


def make_arms(collected: Collected) -> list[ImportedArm]:
    """Make an arm of each setting with at least two seeds, most images first.

    The settings without an arm are added to what was skipped. If no setting has two seeds, each
    becomes an arm all the same: such images can be measured, though not ranked.
    """
    by_size = sorted(collected.settings.items(), key=lambda item: (-len(item[1]), item[0]))
    by_size = [(setting, cells) for setting, cells in by_size if cells]
    many = [item for item in by_size if len({seed for _, seed in item[1]}) > 1]
    chosen = (many or by_size)[:MAX_ARMS]
    for setting, cells in by_size:
        if all(setting != kept for kept, _ in chosen):
            for image in cells.values():
                collected.skipped.add("setting with a single seed, or too few images", image.file)
    names = _names([setting for setting, _ in chosen])
    return [
        _arm(name, setting, cells) for name, (setting, cells) in zip(names, chosen, strict=True)
    ]


def _arm(
    name: str, setting: Setting, cells: Mapping[tuple[str, int], ImportedImage]
) -> ImportedArm:
    grid = defaultdict[str, set[int]](set)
    for prompt, seed in cells:
        grid[prompt].add(seed)
    prompt_ids, seeds = balanced_part(dict(sorted(grid.items())))
    return ImportedArm(name, dict(setting), prompt_ids, seeds, cells)


def _names(settings: Sequence[Setting]) -> list[str]:
    """Name each setting by the values that set it apart: no more of them than are needed."""
    fields = [dict(setting) for setting in settings]
    keys = dict.fromkeys([*NAMING, *(key for setting in fields for key in setting)])
    differing = [key for key in keys if len({setting.get(key) for setting in fields}) > 1]
    for count in range(len(differing) + 1):
        names = [_name(setting, differing[:count]) for setting in fields]
        if len({name.casefold() for name in names}) == len(names) and (all(names) or count == 0):
            return names
    return [f"{number}-{name}"[:64] for number, name in enumerate(names, start=1)]


def _name(setting: Mapping[str, str], keys: Sequence[str]) -> str:
    words = (value if key in SPEAKING else f"{key}{value}" for key, value in setting.items()
             if key in keys)  # fmt: skip
    return re.sub(r"[^A-Za-z0-9.-]+", "_", "-".join(words)).strip("._")[:60].rstrip(".")
