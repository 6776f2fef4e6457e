"""Say what seeds were drawn with: the model, the size, the scheduler and the noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cards.card import Card, load_cards
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ConfigError
from pipeline.noise import NOISE_SPECS, noise_spec
from pipeline.runs.run import Run

ADDED = ("parts", "stages", "config", "loras", "embeddings", "clip_skip")
"""Fields of a card that make its model more than the checkpoint."""
_STOCHASTIC = ("Ancestral", "SDE", "LCM", "TCD", "DDPM")
"""Parts of the names of diffusers' schedulers that always draw step noise."""


NETWORKS = ("unet", "transformer", "vae", "text_encoder")
"""Components that a pipeline takes in place of the checkpoint's own, whatever its class."""


@dataclass(frozen=True)
class Network:
    """A network that a card takes from elsewhere than its checkpoint.

    Attributes:
        component: Argument of the pipeline: "unet".
        library: "diffusers" or "transformers".
        kind: Class in that library.
        source: Repository, or folder.
        revision: Commit of the repository; empty for a folder.
        subfolder: Folder of the weights in the source.
    """

    component: str
    library: str
    kind: str
    source: str
    revision: str
    subfolder: str


@dataclass(frozen=True)
class Origin:
    """What a list of seeds was drawn with.

    Attributes:
        card: Name of the model's card.
        repo: Its repository on the hub; empty for a local model.
        revision: Commit of the repository; empty for a local model.
        path: Folder of a local model; empty if the list does not know it.
        added: What the card adds to the checkpoint, by the names of its fields.
        networks: Networks that the card takes from elsewhere.
        demonstration: Whether it is one of goldenseed's own small models.
        latents_shape: (C, h, w) of one image's latents.
        noise: Short name of the noise spec.
        sampling: The settings that define an image: `RunConfig.identity`.
    """

    card: str
    repo: str
    revision: str
    demonstration: bool
    latents_shape: tuple[int, int, int]
    noise: str
    sampling: Mapping[str, Any]
    path: str = ""
    added: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.sampling["width"]), int(self.sampling["height"])

    @property
    def scheduler(self) -> str:
        """Diffusers' class of the scheduler."""
        return str(self.sampling["scheduler"])

    @property
    def steps(self) -> int:
        """Denoising steps."""
        return int(self.sampling["num_inference_steps"])

    @property
    def guidance(self) -> float:
        """Scale of classifier-free guidance."""
        return float(self.sampling["guidance_scale"])

    @property
    def scheduler_config(self) -> dict[str, Any]:
        """Settings that override the checkpoint's own scheduler config."""
        return dict(self.sampling.get("scheduler_config", {}))

    @property
    def negative_prompt(self) -> str:
        """Text of the unconditional branch."""
        return str(self.sampling.get("negative_prompt", ""))

    @property
    def eta(self) -> float:
        """DDIM's eta."""
        return float(self.sampling.get("eta", 0.0))

    @property
    def intervention(self) -> str:
        """Name of the change of sampling; empty if there is none."""
        return str(self.sampling.get("intervention", {}).get("name", ""))

    @property
    def draws_step_noise(self) -> bool:
        """Whether the sampler draws noise at its steps, in addition to the starting noise."""
        own = self.scheduler_config.get("algorithm_type", "")
        always = any(part in self.scheduler for part in _STOCHASTIC)
        return bool(always or self.eta > 0 or "sde" in own)

    def is_of(self, model: str) -> bool:
        """Whether a model's name, repository or folder is that of these seeds.

        Args:
            model: Name of a card, a repository, or the folder that a pipeline was loaded from,
                also in the cache of the hub.
        """
        if not model:
            return False
        names = {name for name in (self.card, self.repo) if name}
        cached = f"models--{self.repo.replace('/', '--')}"
        folder = Path(model).expanduser().resolve()
        own = bool(self.path) and (PROJECT_ROOT / self.path).resolve() == folder
        return model in names or own or bool(self.repo and cached in folder.parts)


def run_origin(run: Run) -> Origin:
    """Say what the seeds of a run were drawn with."""
    config, card = run.config, run.card
    return Origin(
        card=card.name,
        repo=card.repo,
        revision=config.revision,
        demonstration=card.demonstration,
        latents_shape=run.latents_shape,
        noise=config.noise,
        sampling=config.identity(),
        path=card.path,
        added=_added(card),
        networks=_networks(card),
    )


def _added(card: Card) -> tuple[str, ...]:
    """Fields by which a card is more than a checkpoint, some of whose networks are replaced."""
    only_networks = len(_networks(card)) == len(card.parts)
    return tuple(n for n in ADDED if getattr(card, n) and not (n == "parts" and only_networks))


def _networks(card: Card) -> tuple[Network, ...]:
    networks = []
    for part in card.parts.values():
        library, _, kind = part.kind.partition(":")
        if part.use == "component" and part.component in NETWORKS and kind and not part.variant:
            source = part.repo or str(PROJECT_ROOT / part.path)
            networks.append(
                Network(part.component, library, kind, source, part.revision, part.subfolder)
            )
    return tuple(networks)


def list_origin(document: Mapping[str, Any]) -> Origin:
    """Read what the seeds of a published list were drawn with.

    Args:
        document: The content of `golden_seeds.json`.

    Raises:
        KeyError: If a field is missing.
        ConfigError: If the noise follows a rule that this version does not know.
    """
    model, noise = document["model"], document["noise"]
    short = {noise_spec(name).name: name for name in NOISE_SPECS}
    if noise["noise_spec"] not in short:
        raise ConfigError(
            f"the noise spec {noise['noise_spec']!r} of this list is unknown to this version; "
            f"known: {', '.join(short)}"
        )
    channels, height, width = noise["latents_shape"]
    card = load_cards().get(model["card"])
    return Origin(
        card=str(model["card"]),
        repo=str(model["repo"]),
        revision=str(model["revision"]),
        demonstration=bool(document["demonstration"]),
        latents_shape=(int(channels), int(height), int(width)),
        noise=short[noise["noise_spec"]],
        sampling=document["sampling"],
        path=card.path if card else "",
        added=_added(card) if card else (),
        networks=_networks(card) if card else (),
    )


@dataclass(frozen=True)
class Wanted:
    """What a user draws with, as far as it is known; None and empty are not compared.

    Attributes:
        model: Name of a card, repository or folder.
        width: Pixels.
        height: Pixels.
        scheduler: Diffusers' class.
    """

    model: str = ""
    width: int | None = None
    height: int | None = None
    scheduler: str = ""


def refuse_other(origin: Origin, wanted: Wanted, *, source: str) -> None:
    """Refuse seeds that were drawn with another model, size or scheduler.

    Raises:
        ConfigError: If one of them differs; the message gives both.
    """
    width, height = origin.size
    differences = []
    if wanted.model and not origin.is_of(wanted.model):
        repo = f" ({origin.repo})" if origin.repo else ""
        differences.append(f"the model {origin.card}{repo}, and yours is {wanted.model}")
    size = (wanted.width or width, wanted.height or height)
    if size != (width, height):
        differences.append(f"{width} x {height} pixels, and you draw {size[0]} x {size[1]}")
    if wanted.scheduler and wanted.scheduler != origin.scheduler:
        differences.append(f"the scheduler {origin.scheduler}, and yours is {wanted.scheduler}")
    if differences:
        raise ConfigError(
            f"the seeds of {source} were drawn with {'; with '.join(differences)}: a seed is "
            f"another image there. Draw with what the list names, or rank seeds of your own with "
            f"`goldenseed init` and `goldenseed run`"
        )
