"""Recipes and run configurations: what is drawn, and the name that follows from it.

A *recipe* is what a user writes: a YAML file, or the name of one in `recipes/`. Each of its
*arms* becomes one *run configuration*, frozen and validated, with every default resolved. The
`run_id` hashes an explicit list of what defines a cell's image and nothing else: where a run
is drawn and how fast is provenance, and which seeds and prompts it holds is its grid, which
may grow.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from pipeline import interventions, models
from pipeline.cards import Card, ResolvedCard, find_card
from pipeline.choices import (
    Frozen,
    PromptChoice,
    PromptShare,
    RankingConfig,
    SeedChoice,
    TileShape,
)
from pipeline.errors import ConfigError, nearest
from pipeline.registry import is_user_path, load, source_sha256
from pipeline.weights import weights_sha256
from pipeline.yaml_files import problems, read_mapping

IDENTITY_VERSION = 1
"""Version of the list in `RunConfig.identity`; a change renames every run."""

RECIPES = Path(__file__).parent / "recipes"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$")]
"""A recipe's or an arm's name: it names folders and releases."""

Dtype = Literal["float32", "float16", "bfloat16"]


class InterventionConfig(Frozen):
    """Which intervention, with which parameters.

    Attributes:
        name: Name in the intervention registry, or a dotted path of the user's own class.
        parameters: Its parameters.
        source_sha256: Hash of the source file of a user's own class, filled in when the run
            begins; empty for the ones that ship.
        weights_sha256: Hash of the files of each parameter that names weights, filled in when
            the run begins.
    """

    name: str = "none"
    parameters: dict[str, Any] = Field(default_factory=dict)
    source_sha256: str = ""
    weights_sha256: dict[str, str] = Field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """What of it defines an image; weights by what they are, not by where they lie."""
        own = {"source_sha256": self.source_sha256} if self.source_sha256 else {}
        return {"name": self.name, "parameters": self.parameters | self.weights_sha256, **own}

    def with_source(self) -> "InterventionConfig":
        """The same with the hashes of source and weights as they are now."""
        sha256 = own_source_sha256(interventions.INTERVENTIONS, self.name, "intervention")
        weights = weights_sha256(self.parameters)
        return self.model_copy(update={"source_sha256": sha256, "weights_sha256": weights})


def own_source_sha256(family: Mapping[str, str], name: str, what: str) -> str:
    """Hash of the source file of a user's own class; empty for a name that ships."""
    return source_sha256(load(family, name, what)) if is_user_path(name) else ""


class RunConfig(Frozen):
    """Everything that defines the image of a cell, resolved; one arm of a recipe.

    Attributes:
        card: Name of the card.
        card_sha256: Hash of the checkpoint's files.
        revision: Commit of a hub card; empty for a local one. Not identity: the files are.
        dtype: Torch dtype of the networks.
        decoder: What turns latents into pixels.
        height: Pixels.
        width: Pixels.
        scheduler: Diffusers scheduler class.
        scheduler_config: Settings over the checkpoint's own.
        num_inference_steps: Steps.
        guidance_scale: Classifier-free guidance.
        negative_prompt: The text of the unconditional branch.
        eta: DDIM's eta; at 0 a generator gives nothing but the starting noise.
        noise: Short name of the noise spec.
        intervention: Change of sampling.
        batch_size: Images drawn together; the shape is fixed because the company of an image
            moves the last bits of a float.
        compiled: Whether the networks run through torch.compile.
        safety_checker: Whether the checkpoint's safety checker may replace images.
        family_sha256: Hash of the source of a user's own model family.
        frames: Frames of a video, one below the other in an image.
        stages: How the card's pipelines are called, where it says so; see `PipelineStage`.
    """

    card: str
    card_sha256: str
    revision: str = ""
    dtype: Dtype
    decoder: str = "vae"
    height: int
    width: int
    scheduler: str
    scheduler_config: dict[str, Any] = Field(default_factory=dict)
    num_inference_steps: int
    guidance_scale: float
    negative_prompt: str = ""
    eta: float = 0.0
    noise: str = "torch-cpu"
    intervention: InterventionConfig = InterventionConfig()
    batch_size: int
    compiled: bool = False
    safety_checker: bool = False
    family_sha256: str = ""
    stages: list[dict[str, Any]] = Field(default_factory=list)
    frames: int = 1

    def identity(self) -> dict[str, Any]:
        """The explicit list that names the run; fields at their default are left out.

        So a field that is added later, at its default, renames no old run.
        """
        always = {
            "identity_version": IDENTITY_VERSION,
            "card_sha256": self.card_sha256,
            "dtype": self.dtype,
            "height": self.height,
            "width": self.width,
            "scheduler": self.scheduler,
            "num_inference_steps": self.num_inference_steps,
            "guidance_scale": self.guidance_scale,
            "batch_size": self.batch_size,
        }
        optional = {
            "decoder": self.decoder,
            "scheduler_config": self.scheduler_config,
            "negative_prompt": self.negative_prompt,
            "eta": self.eta,
            "noise": self.noise,
            "compiled": self.compiled,
            "safety_checker": self.safety_checker,
            "family_sha256": self.family_sha256,
            "stages": self.stages,
            "frames": self.frames,
        }
        fields = type(self).model_fields
        changed = {
            k: v
            for k, v in optional.items()
            if v != fields[k].get_default(call_default_factory=True)
        }
        if self.intervention != InterventionConfig():
            changed["intervention"] = self.intervention.identity()
        return always | changed

    @property
    def run_id(self) -> str:
        """Name of the run: 16 hex digits of the identity's sha256."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Recipe(Frozen):
    """What a user asks for. Sampling fields left out come from the card.

    Attributes:
        name: The recipe's name, by default that of its file; names the run folder.
        card: Name of a card, or a path to a YAML file with one.
        prompts: Which prompts.
        seeds: Which seeds.
        tile: Shape of a tile.
        order: Which axis is finished first.
        batch_size: Images drawn together.
        workers: Actors; None lets the executor decide.
        keep_images: "all", "none", or the number of prompts whose images are kept. Hashes and
            features are always kept.
        keep_latents: "last" keeps the latents that were decoded, "all" those of every step and
            the start too; each costs 4 bytes a number, as much as a small picture.
        codec: Lossless image format in the shards.
        sampling: Overrides of the card, see `Sampling`.
        arms: Name -> overrides of `sampling`; each is a run of its own. Empty: one arm.
        features: Features to measure.
        feature_prompts: Feature -> the share of the prompts it is measured on; a feature that
            is not named is measured on all to which it applies.
        measure: When `goldenseed run` measures: while images are drawn, with pixels still in
            memory, or afterwards, from the shards. The numbers are the same. Images that are
            not kept are always measured while they are drawn.
        metrics: Metrics to compute.
        metric_prompts: Metric -> how many prompts of each set it uses, the first in the order of
            their ids; a metric that is not named uses all.
        ranking: How seeds are ranked; None if the recipe has no quality metric.
    """

    name: Name
    card: str
    prompts: PromptChoice
    seeds: SeedChoice
    tile: TileShape = TileShape()
    order: Literal["seeds", "prompts"] = "seeds"
    batch_size: int = Field(default=32, ge=1)
    workers: int | None = Field(default=None, ge=1)
    keep_images: Literal["all", "none"] | Annotated[int, Field(ge=0)] = "all"
    keep_latents: Literal["none", "last", "all"] = "none"
    codec: Literal["webp", "png"] = "webp"
    sampling: "Sampling" = Field(default_factory=lambda: Sampling())
    arms: dict[Name, "Sampling"] = Field(default_factory=dict)
    features: list[str] = Field(default_factory=lambda: ["perceptual", "appearance"])
    feature_prompts: dict[str, PromptShare] = Field(default_factory=dict)
    measure: Literal["while_drawing", "afterwards"] = "while_drawing"
    metrics: list[str] = Field(default_factory=list)
    metric_prompts: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    ranking: RankingConfig | None = RankingConfig()

    def run_configs(self, resolved: ResolvedCard) -> dict[str, RunConfig]:
        """One run configuration per arm, by the arm's name ("" when there is one only).

        Args:
            resolved: The card's files on this machine.
        """
        card = find_card(self.card)
        arms = self.arms or {"": Sampling()}
        return {
            name: _resolve_arm(card, resolved, self.batch_size, [self.sampling, arm])
            for name, arm in arms.items()
        }


class Sampling(Frozen):
    """Overrides of a card's sampling settings; None keeps the card's value.

    Attributes are those of `RunConfig`.
    """

    dtype: Dtype | None = None
    height: int | None = Field(default=None, gt=0)
    width: int | None = Field(default=None, gt=0)
    scheduler: str | None = None
    scheduler_config: dict[str, Any] | None = None
    num_inference_steps: int | None = Field(default=None, ge=1)
    guidance_scale: float | None = Field(default=None, ge=0)
    negative_prompt: str | None = None
    eta: float | None = Field(default=None, ge=0, le=1)
    noise: str | None = None
    intervention: InterventionConfig | None = None
    compiled: bool | None = None


def _resolve_arm(
    card: Card, resolved: ResolvedCard, batch_size: int, layers: list[Sampling]
) -> RunConfig:
    """Lay the recipe's and the arm's overrides over the card."""
    names = set(Sampling.model_fields) & set(Card.model_fields)
    settings = {name: getattr(card, name) for name in names}
    for layer in layers:
        settings |= {
            k: getattr(layer, k) for k in layer.model_fields_set if getattr(layer, k) is not None
        }
    card.latents_shape(settings["height"], settings["width"])
    if "intervention" in settings:
        settings["intervention"] = settings["intervention"].with_source()
    return RunConfig(
        card=card.name,
        card_sha256=resolved.sha256,
        revision=resolved.revision,
        batch_size=batch_size,
        safety_checker=card.safety_checker,
        family_sha256=own_source_sha256(models.MODELS, card.family, "model family"),
        stages=[stage.identity() for stage in card.stages],
        frames=card.frames,
        **settings,
    )


def recipe_names() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load_recipe(name: str) -> Recipe:
    """Read a shipped recipe by name, or a user's own file by path.

    Raises:
        ConfigError: If there is no such recipe (the nearest names are given), if the YAML is
            malformed (with its line), or if a field is unknown or out of range.

    Example:
        >>> load_recipe("seedling-mini").card
        'seedling-mini'
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else RECIPES / f"{name}.yaml"
    if not path.is_file():
        known = recipe_names()
        hint = nearest(name, known)
        raise ConfigError(
            f"no recipe {name!r}; {hint}known: {', '.join(known)}, or a path to a .yaml file"
        )
    return parse_recipe(read_mapping(path, "a recipe"), path)


def parse_recipe(fields: Mapping[str, Any], path: Path) -> Recipe:
    """Validate the fields of a recipe.

    Args:
        fields: The mapping as read from YAML.
        path: Where it is from; its stem is the default name.

    Raises:
        ConfigError: For unknown fields (with the nearest) and values out of range, all at once.
    """
    try:
        return Recipe(**{"name": path.stem, **fields})
    except ValidationError as error:
        raise problems(error, path, {*Recipe.model_fields, *Sampling.model_fields}) from error
