"""Recipes: what a user writes, and the run configurations that follow from it.

A *recipe* is a YAML file, or the name of one below `recipes/`. Each of its *arms* becomes one
`pipeline.settings.config.RunConfig`, with every default resolved.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from pipeline.cards.card import Card, ResolvedCard, find_card
from pipeline.cards.card.fields import MOST_STEPS
from pipeline.cards.other_tools import our_field
from pipeline.errors import ConfigError, nearest
from pipeline.settings.card_settings import changed_card, settings_of
from pipeline.settings.choices import (
    Frozen,
    PromptChoice,
    PromptShare,
    RankingConfig,
    SeedChoice,
    TileShape,
)
from pipeline.settings.config import (
    Attention,
    Compiled,
    Dtype,
    InterventionConfig,
    RunConfig,
    Tf32,
)
from pipeline.settings.own_paths import resolve_paths
from pipeline.settings.weighting import with_version
from pipeline.storage.yaml_files import read_mapping, validated

RECIPES = Path(__file__).parents[1] / "recipes"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


def fit_for_folders(name: str) -> str:
    """Refuse a name that does not suit a folder everywhere; suggest one that does."""
    if NAME.fullmatch(name):
        return name
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    suggested = re.sub(r"[^A-Za-z0-9._-]+", "-", letters).strip(".-")[:64] or "my-recipe"
    raise ValueError(
        f"a name has at most 64 letters a-z, digits, and . _ - (it names folders and releases), "
        f"and does not begin with . or -; write for example {suggested!r}"
    )


Name = Annotated[str, AfterValidator(fit_for_folders)]
"""A recipe's or an arm's name: it names folders and releases."""


class Sampling(Frozen):
    """Overrides of a card's sampling settings; None keeps the card's value.

    Attributes are those of `RunConfig`.
    """

    dtype: Dtype | None = None
    height: int | None = Field(default=None, gt=0)
    width: int | None = Field(default=None, gt=0)
    scheduler: str | None = None
    scheduler_config: dict[str, Any] | None = None
    num_inference_steps: int | None = Field(default=None, ge=1, le=MOST_STEPS)
    guidance_scale: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    negative_prompt: str | None = None
    eta: float | None = Field(default=None, ge=0, le=1)
    noise: str | None = None
    intervention: InterventionConfig | None = None
    compiled: Compiled | None = None
    attention: Attention | None = None
    channels_last: bool | None = None
    tf32: Tf32 | None = None
    vae_dtype: Dtype | Literal[""] | None = None
    clip_skip: int | None = Field(default=None, ge=0)
    prompt_weighting: Literal["", "compel"] | None = None
    prompt_chunks: int | None = Field(default=None, ge=1, le=8)


class Arm(Sampling):
    """One way of drawing in a recipe: overrides of its `sampling`, and perhaps another card.

    Attributes:
        card: Name of a card or path of its file, which replaces the recipe's card; or fields, which
            replace those of the recipe's card. None keeps it.
    """

    card: str | dict[str, Any] | None = None


class Recipe(Frozen):
    """What a user asks for. Sampling settings that are left out come from the card.

    Attributes:
        name: Name of the recipe, by default that of its file; also the name of the run folder.
        card: Name of a card, a path to a YAML file with one, or the card itself. Relative paths
            start at the folder of the recipe's file.
        prompts: The prompts.
        seeds: The seeds.
        tile: Shape of a tile.
        order: The axis that is finished first.
        batch_size: Images drawn together.
        workers: Number of actors; None lets the executor decide.
        cpus_per_worker: CPU cores of a machine that each drawing actor takes.
        gpus_per_worker: The share of a GPU that each drawing actor takes if the card needs one: 0.5
            puts two actors on each GPU.
        long_prompts: What happens to prompts that are longer than the text encoder reads: `refuse`
            them before the first image, or `cut` them and count the tokens in each image's row.
        keep_images: "all", "none", or the number of prompts whose images are kept. Hashes and
            features are always kept.
        keep_latents: "last" keeps the latents that were decoded, "all" also those of the start and
            of each step. Each number costs 4 bytes, so latents are as large as a small image.
        codec: Lossless image format in the shards.
        sampling: Overrides of the card; see `Sampling`.
        arms: Name -> overrides of `sampling`, and perhaps another card; each arm is a separate run.
            Empty means one arm.
        features: Features to measure.
        feature_prompts: Feature -> share of the prompts that it is measured on. Other features are
            measured on all prompts to which they apply.
        measure: When `goldenseed run` measures: while images are drawn, with the pixels still in
            memory, or afterwards, from the shards. The numbers are the same. Images that are not
            kept are always measured while they are drawn.
        metrics: Metrics to compute.
        metric_prompts: Metric -> number of prompts of each set that it uses, the first in the order
            of their ids. Other metrics use all prompts.
        ranking: How seeds are ranked; if it is left out, nothing is ranked.
        analysis_memory_gb: Memory, in GB (10^9 bytes), that one process of an analysis may take: it
            reads as many seeds at a time as fit, and refuses what does not. None for the memory of
            the machine; vectors are then read in blocks of 1 GiB.
    """

    name: Name
    card: str | Card
    prompts: PromptChoice
    seeds: SeedChoice
    tile: TileShape = TileShape()
    order: Literal["seeds", "prompts"] = "seeds"
    batch_size: int = Field(default=32, ge=1)
    workers: int | None = Field(default=None, ge=1)
    cpus_per_worker: float = Field(default=1.0, gt=0, le=1024, allow_inf_nan=False)
    gpus_per_worker: float = Field(default=1.0, gt=0, le=1)
    long_prompts: Literal["refuse", "cut"] = "refuse"
    keep_images: Literal["all", "none"] | Annotated[int, Field(ge=0)] = "all"
    keep_latents: Literal["none", "last", "all"] = "none"
    codec: Literal["webp", "png"] = "webp"
    sampling: Sampling = Sampling()
    arms: dict[Name, Arm] = Field(default_factory=dict)
    features: list[str] = Field(default_factory=lambda: ["perceptual", "appearance"])
    feature_prompts: dict[str, PromptShare] = Field(default_factory=dict)
    measure: Literal["while_drawing", "afterwards"] = "while_drawing"
    metrics: list[str] = Field(default_factory=list)
    metric_prompts: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    ranking: RankingConfig | None = None
    analysis_memory_gb: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @property
    def keeps_all_images(self) -> bool:
        """Whether the images of all prompts are kept, however many there will be."""
        return self.keep_images == "all"

    def kept_prompts(self, count: int) -> int:
        """How many of a run's prompts keep their images.

        Args:
            count: Prompts of the run.
        """
        if isinstance(self.keep_images, str):
            return count if self.keeps_all_images else 0
        return min(count, self.keep_images)

    def run_configs(self, resolved: ResolvedCard) -> dict[str, RunConfig]:
        """Make one run configuration per arm, by the arm's name ("" if there are no arms).

        Args:
            resolved: The card's files on this machine.
        """
        card = self.own_card()
        arms = self.arms or {"": Arm()}
        return {
            name: _resolve_arm(card, resolved, self.batch_size, [self.sampling, arm])
            for name, arm in arms.items()
        }

    def own_card(self) -> Card:
        """Give the recipe's card; arms may have others.

        Raises:
            ConfigError: If there is no card of this name.
        """
        return self.card if isinstance(self.card, Card) else find_card(self.card)

    def by_card(self) -> list["Recipe"]:
        """Divide the recipe into recipes whose arms are all drawn with `own_card`.

        Raises:
            ConfigError: If a card does not exist, or the fields of an arm's card make none.
        """
        base = self.own_card()
        shared = {name: arm for name, arm in self.arms.items() if arm.card is None}
        recipes = [self.model_copy(update={"arms": shared})] if shared or not self.arms else []
        for name, arm in self.arms.items():
            if arm.card is not None:
                own = {"card": changed_card(base, name, arm.card)}
                alone = {name: arm.model_copy(update={"card": None})}
                recipes.append(self.model_copy(update={**own, "arms": alone}))
        return recipes


def _resolve_arm(
    card: Card, resolved: ResolvedCard, batch_size: int, layers: list[Sampling]
) -> RunConfig:
    """Apply the overrides of the recipe and of the arm to the card."""
    names = set(Sampling.model_fields) & set(Card.model_fields)
    settings = {name: getattr(card, name) for name in names}
    for layer in layers:
        settings |= {
            k: getattr(layer, k) for k in layer.model_fields_set if getattr(layer, k) is not None
        }
    card.latents_shape(settings["height"], settings["width"])
    settings["prompt_weighting"] = with_version(settings["prompt_weighting"])
    if "intervention" in settings:
        settings["intervention"] = settings["intervention"].with_source()
    return RunConfig(
        card=card.name,
        card_sha256=resolved.sha256,
        revision=resolved.revision,
        batch_size=batch_size,
        **settings_of(card),
        **settings,
    )


def recipe_names() -> list[str]:
    """List the names of the shipped recipes."""
    return sorted(recipe_files())


def recipe_files() -> dict[str, Path]:
    """Give name -> file of the shipped recipes; the folder of a recipe is not part of its name."""
    return {path.stem: path for path in RECIPES.glob("*/*.yaml")}


def load_recipe(name: str) -> Recipe:
    """Read a shipped recipe by name, or a user's own file by path.

    Relative paths in a user's own file start at its folder. In a shipped recipe they start at the
    working folder, because a user puts no files beside it.

    Raises:
        ConfigError: If there is no such recipe (the nearest names are given), if the YAML is
            malformed (with its line), or if a field is unknown or out of range.

    Example:
        >>> load_recipe("seedling-mini").card
        'seedling-mini'
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else recipe_files().get(name)
    if path is None or not _is_file(path):
        known = recipe_names()
        hint = nearest(name, known)
        raise ConfigError(
            f"no recipe {name!r}; {hint}known: {', '.join(known)}, or a path to a .yaml file"
        )
    fields = read_mapping(path, "a recipe")
    is_shipped = RECIPES in path.absolute().parents
    return parse_recipe(fields if is_shipped else resolve_paths(fields, path.parent), path)


def _is_file(path: Path) -> bool:
    """Whether a path is a file; a name that the file system refuses, as too long, is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def parse_recipe(fields: Mapping[str, Any], path: Path) -> Recipe:
    """Validate the fields of a recipe.

    Args:
        fields: The mapping as read from YAML.
        path: File of the recipe; its stem is the default name.

    Raises:
        ConfigError: If fields are unknown or out of range; the message names all of them, and the
            nearest known fields.
    """
    with_name = {"name": path.stem, **fields}
    card = with_name.get("card")
    if isinstance(card, Mapping):
        own = {"name": with_name["name"], **card}
        where = path.with_name(f"{path.name}, its card")
        with_name["card"] = validated(Card, own, where, synonym=our_field)
    return validated(Recipe, with_name, path, synonym=our_field)
