"""Find out what kind of model a user names, and what its files say."""

from pathlib import Path

from goldenseed.steps.init.parts import base_parts, embedding_fields, lora_fields, vae_part
from goldenseed.steps.init.request import Request
from pipeline.cards.adapters import REPOSITORY
from pipeline.cards.card import Card, load_cards
from pipeline.cards.checkpoints import PROJECT_ROOT, Checkpoint, fetch
from pipeline.cards.facts.checkpoint_file import file_facts
from pipeline.cards.facts.fact import Fact, Facts
from pipeline.cards.facts.folder import (
    folder_facts,
    pipeline_files_alike,
    repository_facts,
)
from pipeline.cards.facts.tensors import PICKLES
from pipeline.cards.loaded_files import TEXTS, refuse_pickled_networks
from pipeline.errors import ModelError, nearest

OF_TWIN = ("scheduler", "num_inference_steps", "guidance_scale", "demonstration", "licence")
"""Fields that a folder gets from the shipped card with the same files."""

FILES = (".safetensors", *PICKLES)
"""Endings of names that are files, not repositories."""


def model_facts(request: Request) -> Facts:
    """Collect what the files of a model say.

    Args:
        request: Names the model.

    Raises:
        ModelError: If there is no such model, or it is one that goldenseed cannot draw.
    """
    facts = _of_files(request)
    if request.vae:
        config = facts.known.get("config", facts.known.get("path"))
        part = vae_part(request.vae, str(config.value) if config else "")
        facts.known.setdefault("parts", Fact({}, "--vae")).value["vae"] = part
        if "lacking" in facts.known and facts.value("lacking") == ["vae"]:
            facts.unknown.pop("parts", None)
    if request.loras:
        facts.say("loras", lora_fields(request.loras, facts.value("text_width")), "--lora")
    if request.embeddings:
        facts.say("embeddings", embedding_fields(request.embeddings), "--embedding")
    return facts


def _of_files(request: Request) -> Facts:
    """Collect what the model's own files say."""
    path = Path(request.model)
    if request.model and path.is_dir():
        facts = folder_facts(path, _facts_of_twin(path))
        refuse_pickled_networks(path, ["vae"] if request.vae else [])
        return facts
    if not request.model or not path.exists():
        return _hub_facts(request)
    facts = file_facts(path, request.prediction, request.config)
    if "lacking" in facts.known and request.base:
        parts = base_parts(request.base, facts.value("lacking"), request.model)
        facts.say("parts", parts, "--base")
    return facts


def _hub_facts(request: Request) -> Facts:
    """Collect what the configs of a repository say; its weights are not fetched."""
    if not REPOSITORY.fullmatch(request.model) or request.model.endswith(FILES):
        raise _no_model(request.model)
    checkpoint = Checkpoint(repo=request.model, revision=request.revision)
    folder, commit = fetch(checkpoint, TEXTS, who=f"--model {request.model}")
    facts = Facts()
    facts.say("repo", request.model, "--model")
    facts.say("revision", commit, "--revision" if request.revision else "the newest commit")
    repository_facts(folder, facts)
    return facts


def _facts_of_twin(folder: Path) -> Facts:
    """Collect what the shipped card says whose files are those of a folder, if there is one."""
    facts = Facts()
    if not (folder / "model_index.json").is_file():
        return facts
    twins = [card for card in load_cards().values() if _ships_whole(card)]
    same = [c for c in twins if pipeline_files_alike(PROJECT_ROOT / c.path, folder)]
    for field in OF_TWIN if same else ():
        facts.say(field, getattr(same[0], field), f"its files are those of card {same[0].name}")
    return facts


def _ships_whole(card: Card) -> bool:
    """Whether a card's files ship with goldenseed, without parts from elsewhere."""
    plain = card.path and not card.parts and not card.conditions and card.demonstration
    return bool(plain) and (PROJECT_ROOT / card.path / "model_index.json").is_file()


def _no_model(model: str) -> ModelError:
    if model in load_cards():
        return ModelError(
            f"{model} is a card that ships: name it in a recipe, `card: {model}` (docs/recipes.md)"
        )
    return ModelError(
        f"no model {model!r}: there is no such folder or file; {nearest(model, load_cards())}"
        f"wanted a folder in the diffusers layout, a .safetensors file, or OWNER/NAME of a "
        f"repository on Hugging Face"
    )
