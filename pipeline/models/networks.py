"""Loads pipelines for the families: safetensors from local folders, with the parts of a card."""

import inspect
import logging
from typing import Any

import diffusers
import numpy as np
import numpy.typing as npt
import torch
import transformers
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from pipeline.cards.card import Card, ResolvedCard
from pipeline.cards.card_parts import Part, PipelineStage
from pipeline.cards.foreign_code import refuse_code_arguments, refuse_code_in
from pipeline.cards.json_files import components
from pipeline.cards.other_tools import scheduler_hint
from pipeline.errors import ModelError, nearest
from pipeline.models.embeddings import add_embeddings
from pipeline.models.loras import add_loras
from pipeline.models.single_file import load_component, load_file
from pipeline.settings.config import RunConfig


class Finite:
    """Watches whether the outputs of a decoder are finite, item by item.

    Pipelines clamp pixels before they return them, and an infinity becomes plain white.

    Args:
        decoder: The autoencoder, or None for a pipeline without one; then nothing is watched.
    """

    def __init__(self, decoder: Any) -> None:  # noqa: ANN401 - diffusers is untyped
        self._seen: list[npt.NDArray[np.bool_]] = []
        self._decoder = decoder
        if decoder is not None:
            decoder.decoder.register_forward_hook(self._look)

    def _look(self, module: Any, arguments: Any, output: torch.Tensor) -> None:  # noqa: ANN401
        self._seen.append(torch.isfinite(output).flatten(1).all(1).cpu().numpy())

    def forget(self) -> None:
        """Start a new batch."""
        self._seen.clear()

    def of(self, count: int) -> npt.NDArray[np.bool_]:
        """Say whether each item was finite, shape (count,); all true if nothing was watched."""
        if not self._seen:
            return np.ones(count, bool)
        seen = np.concatenate(self._seen)  # with tiling, each item is decoded in several parts
        if getattr(self._decoder, "use_slicing", False):
            return np.asarray(seen.reshape(count, -1).all(1))
        return np.asarray(seen.reshape(-1, count).all(0))


def load_stage(
    card: Card,
    resolved: ResolvedCard,
    config: RunConfig,
    stage: PipelineStage,
    *,
    first: Any,  # noqa: ANN401 - pipes have no common type
    last: bool,
) -> Any:  # noqa: ANN401
    """Load one stage's pipeline with its parts.

    Args:
        card: The card.
        resolved: Its files.
        config: The run's dtype, and its scheduler, which the last stage gets.
        stage: The stage.
        first: The pipe of the first stage, for shared components; None for the first stage itself.
        last: Whether this is the last stage.

    Raises:
        ModelError: If the class is unknown, a part is missing (named), or the folder does not
            load.
    """
    quiet()
    refuse_code_arguments(stage.load, f"card {card.name}")
    kind = _class(diffusers, stage.pipeline, "pipeline")
    folder = resolved.parts[stage.part] if stage.part else resolved.folder
    refuse_code_in(folder)
    variant = card.parts[stage.part].variant if stage.part else card.variant
    given = {name: getattr(first, name) for name in stage.shared}
    try:
        given |= _components(card, resolved, config, kind)
        given |= _without_checker(card, kind) | stage.load
        _refuse_missing(card, kind, folder, given)
        if resolved.file and not stage.part:
            pipe = load_file(kind, card, resolved, config, given)
        else:
            pipe = kind.from_pretrained(
                str(folder),
                dtype=getattr(torch, config.dtype),
                variant=variant or None,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                **given,
            )
        _put_adapters(card, resolved, pipe)
        if not stage.part:
            add_loras(pipe, card, resolved)
            add_embeddings(pipe, card, resolved)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"card {card.name}: {folder} does not load: {error}") from error
    if last:
        scheduler = _class(diffusers, config.scheduler, "scheduler")
        pipe.scheduler = scheduler.from_config(pipe.scheduler.config, **config.scheduler_config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_pipeline(card: Card, resolved: ResolvedCard, config: RunConfig, name: str) -> Any:  # noqa: ANN401
    """Load the pipeline of a family that has only one.

    Args:
        card: The card.
        resolved: Its files.
        config: Its dtype and scheduler.
        name: The pipeline's class in diffusers.

    Raises:
        ModelError: In the same cases as `load_stage`.
    """
    stage = PipelineStage(pipeline=name, inputs={})
    return load_stage(card, resolved, config, stage, first=None, last=True)


def quiet() -> None:
    """Switch off progress bars and advice of the libraries."""
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()


def _class(library: Any, name: str, what: str) -> Any:  # noqa: ANN401 - diffusers is untyped
    cls = getattr(library, name, None)
    if cls is None or not (hasattr(cls, "from_config") or hasattr(cls, "from_pretrained")):
        where = library.__name__
        names = [known for known in dir(library) if known.lower().endswith(what)]
        near = scheduler_hint(name) if what == "scheduler" else ""
        near = near or nearest(name, names) or nearest(f"{name}{what.capitalize()}", names)
        advice = f"; {near}".rstrip("; ") if near else f"; write the name of a class in {where}"
        raise ModelError(f"{where} has no {what} {name!r}{advice}")
    return cls


def _components_of(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """List the components that a pipeline's constructor takes, with their defaults."""
    parameters = inspect.signature(kind.__init__).parameters
    return {name: p.default for name, p in parameters.items() if name != "self"}


def _components(card: Card, resolved: ResolvedCard, config: RunConfig, kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """Load the card's parts that this pipeline takes; several for one argument make a list."""
    components: dict[str, list[Any]] = {}
    for name, part in card.parts.items():
        if part.use == "component" and part.component in _components_of(kind):
            loaded = _component(card, resolved, config, name, part)
            components.setdefault(part.component, []).append(loaded)
    return {name: each[0] if len(each) == 1 else each for name, each in components.items()}


def _component(card: Card, resolved: ResolvedCard, config: RunConfig, name: str, part: Part) -> Any:  # noqa: ANN401
    library, _, kind = part.kind.partition(":")
    libraries = {"diffusers": diffusers, "transformers": transformers}
    if library not in libraries:
        raise ModelError(f"card {card.name}: part {name} is of {part.kind!r}; wanted diffusers:...")
    refuse_code_in(resolved.parts[name])
    cls = _class(libraries[library], kind, "model")
    of_networks = {
        "dtype": getattr(torch, config.dtype),
        "variant": part.variant or None,
        "use_safetensors": True,
    }
    more = of_networks if issubclass(cls, torch.nn.Module) else {}
    try:
        if part.config:
            return load_component(cls, resolved.parts[name], part, config)
        inside = str(resolved.parts[name] / part.subfolder)
        return cls.from_pretrained(inside, local_files_only=True, **more)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(f"card {card.name}: its part {name} does not load: {error}") from error


def _without_checker(card: Card, kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """Give the arguments that leave the safety checker out, unless the card wants it."""
    off = {"safety_checker": None, "requires_safety_checker": False}
    components = _components_of(kind)
    return {} if card.safety_checker else {k: v for k, v in off.items() if k in components}


def _refuse_missing(card: Card, kind: Any, folder: Any, given: dict[str, Any]) -> None:  # noqa: ANN401
    """Refuse a pipeline with parts that neither the folder nor the card provides; name them."""
    present = set(components(folder))
    optional = {*getattr(kind, "_optional_components", ()), *given}
    needed = {name for name, d in _components_of(kind).items() if d is inspect.Parameter.empty}
    missing = sorted(needed - present - optional)
    if missing:
        raise ModelError(
            f"card {card.name}: {kind.__name__} needs the part {', '.join(missing)}, which neither "
            f"{folder} nor the card's `parts` provides; add it to the card"
        )


def _put_adapters(card: Card, resolved: ResolvedCard, pipe: Any) -> None:  # noqa: ANN401
    for name, part in card.parts.items():
        if part.use != "ip_adapter":
            continue
        folder = resolved.parts[name]
        refuse_code_in(folder)
        if not (folder / part.subfolder / part.file).is_file():
            raise ModelError(
                f"card {card.name}: its part {name} is missing: no {part.subfolder}/{part.file} in "
                f"{folder}"
            )
        pipe.load_ip_adapter(
            str(folder),
            subfolder=part.subfolder,
            weight_name=part.file,
            image_encoder_folder="image_encoder" if part.image_encoder else None,
            local_files_only=True,
        )
