"""Find the files of a card on this machine, or fetch them, and hash them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pipeline import models
from pipeline.cards import adapters
from pipeline.cards.card.fields import IMPORTED, Card, ResolvedCard
from pipeline.cards.card_parts import Part
from pipeline.cards.checkpoints import PROJECT_ROOT, Checkpoint, fetch
from pipeline.cards.facts.tensors import refuse_pickle
from pipeline.cards.foreign_code import refuse_code_in
from pipeline.cards.json_files import components
from pipeline.cards.known_hashes import known_sha256
from pipeline.cards.loaded_files import (
    components_without,
    download_patterns,
    pipeline_sha256,
    refuse_pickled_networks,
)
from pipeline.cards.single_files import config_folder, single_file, single_file_sha256
from pipeline.errors import ModelError, nearest
from pipeline.registry import is_user_path
from pipeline.storage.file_hashes import sha256_of_files


def check_drawable(card: Card) -> None:
    """Refuse a card of an unknown family, or whose local folder cannot be loaded.

    That is a folder without a model, with code of its own, or with weights that are pickles.

    Nothing is fetched or hashed, so a plan can warn of what would stop the run.

    Raises:
        ModelError: If the card cannot be drawn on this machine.
    """
    if card.family == IMPORTED:
        raise ModelError(
            f"the images of card {card.name} were imported: they were drawn elsewhere, so "
            f"goldenseed cannot draw more of them; `goldenseed import` makes a run of more images, "
            f"and `goldenseed init` begins one with the model itself"
        )
    if card.family not in models.MODELS and not is_user_path(card.family):
        raise ModelError(
            f"card {card.name} is of the family {card.family}, which this version can plan but "
            f"not draw: {nearest(card.family, models.MODELS)}families that can be drawn: "
            f"{', '.join(models.MODELS)}; a class of your own works by its dotted path"
        )
    if not card.path and not card.repo:
        raise ModelError(
            f"card {card.name} has neither `path` nor `repo`: give the path of a folder in the "
            f"diffusers layout, or a repository on Hugging Face"
        )
    adapters.check_local((*card.loras, *card.embeddings), f"card {card.name}")
    if card.config:
        single_file(card)
    elif card.path:
        refuse_code_in(_local(card))
        given = [part.component for part in card.parts.values()]
        refuse_pickled_networks(_local(card), given)
    for part in card.parts.values():
        if part.path and not part.config:
            refuse_code_in(PROJECT_ROOT / part.path)


def resolve(card: Card, revision: str = "") -> ResolvedCard:
    """Find (for a hub card: fetch) a card's files and hash them.

    Args:
        card: The card.
        revision: The commit that a run started with; empty for the card's own.

    Raises:
        ModelError: If the card's family cannot be drawn (checked before anything is fetched), the
            folder is missing or names code of its own, it is ambiguous which of its weights are
            loaded, or the hub cannot be reached.
    """
    check_drawable(card)
    part_commits = dict(item.split("=") for item in revision.split()[1:])
    card_commit = revision.split()[0] if revision.split() else ""
    file = single_file(card) if card.config else None
    folder, commit = (
        (config_folder(card.config) if file else _local(card), "")
        if card.path
        else _fetch_pipeline(card, card.variant, f"card {card.name}", card_commit)
    )
    refuse_code_in(folder)
    sha256 = single_file_sha256(file, folder) if file else pipeline_sha256(folder, card.variant)
    parts, revisions = {}, [commit or "local"]
    for name, part in card.parts.items():
        parts[name], part_commit = _resolve_part(card, name, part, part_commits.get(name, ""))
        revisions += [f"{name}={part_commit}"] if part_commit else []
        refuse_code_in(parts[name])
        joined = f"{sha256}\0{name}\0{_part_sha256(parts[name], part)}"
        sha256 = hashlib.sha256(joined.encode()).hexdigest()
    found = adapters.find_all(card.loras, card.embeddings, f"card {card.name}", part_commits)
    revisions += found.commits
    sha256 = found.joined_sha256(sha256)
    revision = " ".join(revisions) if len(revisions) > 1 else commit
    return ResolvedCard(
        folder=folder, file=file, revision=revision, sha256=sha256, parts=parts,
        loras=found.loras, embeddings=found.embeddings,
    )  # fmt: skip


def _resolve_part(card: Card, name: str, part: Part, revision: str) -> tuple[Path, str]:
    """Find a part's folder and its commit ("" for a local folder)."""
    if not part.path and not part.repo:
        raise ModelError(f"card {card.name}: part {name} has neither path nor repo; add one")
    if not part.path:
        who = f"card {card.name}, part {name},"
        if part.use == "pipeline":
            return _fetch_pipeline(part, part.variant, who, revision)
        return fetch(part, part.patterns(), who=who, commit=revision)
    folder = PROJECT_ROOT / part.path
    if part.config:
        refuse_pickle(folder)
        return folder, ""
    if not folder.is_dir():
        raise ModelError(
            f"card {card.name}: its part {name} is missing: no folder {folder}. {card.note}"
        )
    return folder, ""


def _fetch_pipeline(
    checkpoint: Checkpoint, variant: str, who: str, commit: str
) -> tuple[Path, str]:
    """Fetch a pipeline; for networks without files of the variant, those without a variant."""
    patterns = download_patterns(variant)
    folder, commit = fetch(checkpoint, patterns, who=who, commit=commit)
    others = [f"{name}/*.safetensors" for name in components_without(folder, variant)]
    if others:
        folder, commit = fetch(checkpoint, [*patterns, *others], who=who, commit=commit)
    return folder, commit


def _part_sha256(folder: Path, part: Part) -> str:
    """Hash the files that a part is loaded from."""
    if part.config:
        return single_file_sha256(folder, config_folder(part.config) / part.component)
    if part.use == "pipeline":
        return pipeline_sha256(folder, part.variant)
    return sha256_of_files(folder, part.files(folder), file_sha256=known_sha256)


def _local(card: Card) -> Path:
    folder = PROJECT_ROOT / card.path
    if not (folder / "model_index.json").is_file():
        missing = "holds no model_index.json" if folder.is_dir() else "is no folder"
        raise ModelError(
            f"card {card.name}: {folder} {missing}; `path` is a folder in the diffusers layout; a "
            f"relative path starts at the folder of the card's file"
        )
    return folder


def files_sha256(folder: Path, patterns: Sequence[str]) -> str:
    """Hash the names and contents of the files that define the model in a diffusers folder.

    Only the components that its `model_index.json` names count, so other files in the folder
    change nothing.

    Args:
        folder: The folder.
        patterns: Patterns of file names, for example "*.json".

    Returns:
        sha256 as hex.
    """
    files = [folder / "model_index.json"]
    files += [p for name in components(folder) for t in patterns for p in (folder / name).glob(t)]
    return sha256_of_files(folder, files, file_sha256=known_sha256)
