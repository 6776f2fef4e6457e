"""Find out what kind of model a user names, and what its files say."""

from pathlib import Path

from goldenseed.steps.init.parts import base_parts, embedding_fields, lora_fields, vae_part
from goldenseed.steps.init.request import Request
from pipeline.cards.adapters import REPOSITORY
from pipeline.cards.card import load_cards
from pipeline.cards.checkpoints import Checkpoint, fetch
from pipeline.cards.facts.checkpoint_file import file_facts
from pipeline.cards.facts.fact import Fact, Facts
from pipeline.cards.facts.folder import folder_facts, repository_facts
from pipeline.cards.facts.tensors import PICKLES
from pipeline.cards.loaded_files import TEXTS
from pipeline.errors import ModelError, nearest

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
    if path.is_dir():
        return folder_facts(path)
    if not path.exists():
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


def _no_model(model: str) -> ModelError:
    return ModelError(
        f"no model {model!r}: there is no such folder or file; {nearest(model, load_cards())}"
        f"wanted a folder in the diffusers layout, a .safetensors file, or OWNER/NAME of a "
        f"repository on Hugging Face"
    )
