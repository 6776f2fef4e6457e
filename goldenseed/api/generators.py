"""Give generators that draw the noise of golden seeds in a pipeline of diffusers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldenseed.api.lists import names_folder
from goldenseed.steps.seed_lists.origin import Wanted
from goldenseed.steps.seed_lists.source import find_seeds
from pipeline.errors import ConfigError
from pipeline.noise import make_generators, noise_spec

if TYPE_CHECKING:
    import torch


def generators(
    model: Any,  # noqa: ANN401 - pipelines of diffusers have no common type without importing it
    k: int | None = None,
    *,
    source: str | Path | None = None,
    diverse: str = "",
    width: int | None = None,
    height: int | None = None,
    scheduler: str = "",
) -> "list[torch.Generator]":
    """Make one generator for each golden seed of a model, to pass on as `generator=`.

    Args:
        model: A loaded pipeline of diffusers, whose model, size and scheduler are compared with
            those of the list; or the model's card, repository or folder.
        k: Number of seeds; None for all golden seeds, or 4 diverse ones.
        source: A run folder or a release folder; None for the lists that come with goldenseed.
        diverse: "style" or "composition" for seeds that differ most, instead of golden seeds.
        width: Width that you draw at, in pixels; None for the pipeline's own.
        height: Height that you draw at, in pixels; None for the pipeline's own.
        scheduler: Diffusers' class of your scheduler; empty for the pipeline's own.

    Returns:
        One generator per seed, on the CPU. A generator is used up by one image: make new ones for
        the next.

    Raises:
        ConfigError: If no model is named; if the seeds were drawn with another model, size,
            scheduler or rule of noise; or if there are fewer than k.
        RunError: If the source is neither a run nor a release.

    Example:
        >>> import goldenseed
        >>> generators = goldenseed.generators(pipe, 4, source="runs/mine")  # doctest: +SKIP
        >>> images = pipe(["a fox"] * 4, generator=generators).images  # doctest: +SKIP
    """
    name = model if isinstance(model, str | Path) else ""
    wanted = Wanted(width=width, height=height, scheduler=scheduler)
    if not name and model is not None and not isinstance(model, str):
        name, wanted = _read_pipeline(model, wanted)
    if source is None and names_folder(str(name)):
        name, source = "", name
    found = find_seeds(str(name), source, diverse=diverse, k=k, wanted=wanted)
    if not noise_spec(found.origin.noise).step_noise:
        raise ConfigError(
            f"the seeds of {found.source} follow the rule of noise {found.origin.noise}, which no "
            f"generator on a CPU draws: pass `latents=goldenseed.draw_noise(seeds, shape, "
            f"spec={found.origin.noise!r})[0]` instead"
        )
    return make_generators(found.seeds)


def _read_pipeline(pipe: Any, wanted: Wanted) -> tuple[str, Wanted]:  # noqa: ANN401
    """Read the model, the size and the scheduler of a pipeline, where the caller gave none.

    Raises:
        ConfigError: If the pipeline does not say where its model comes from.
    """
    name = getattr(pipe, "name_or_path", "")
    if not isinstance(name, str) or not name:
        raise ConfigError(
            f"name the model: this {type(pipe).__name__} does not say where its model comes from. "
            f"Pass its name, for example goldenseed.generators('stabilityai/sdxl-turbo', 4)"
        )
    width, height = _default_size(pipe)
    scheduler = wanted.scheduler or type(pipe.scheduler).__name__
    return name, Wanted(
        width=wanted.width or width, height=wanted.height or height, scheduler=scheduler
    )


def _default_size(pipe: Any) -> tuple[int | None, int | None]:  # noqa: ANN401
    """Read width and height that a pipeline draws unless told otherwise; None if unknown."""
    network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    sample = getattr(getattr(network, "config", None), "sample_size", None)
    factor = getattr(pipe, "vae_scale_factor", None)
    if not isinstance(factor, int) or not isinstance(sample, int | tuple | list):
        return None, None
    rows, columns = (sample, sample) if isinstance(sample, int) else sample
    return columns * factor, rows * factor
