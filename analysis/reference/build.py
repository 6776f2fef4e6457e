"""Join parts into a reference: the features of all real images, and a description of them."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from analysis.features import load_feature
from analysis.reference.parts import KEY, Part, Plan, read_features, read_notes, vector_column
from analysis.reference.sources import files_sha256
from pipeline.errors import ConfigError, ImageFileError
from pipeline.prompts.image_files import reasons_in_words
from pipeline.storage.local_store import LocalStore

MAX_SKIPPED = 0.05
"""A reference is refused if more than this share of the images cannot be used."""
LEAST_IMAGES = 2


def finish(plan: Plan, parts: Sequence[Part], work: Path, out: Path) -> dict[str, Any]:
    """Join the parts, write the reference and its description, and delete the parts.

    Args:
        plan: The plan of the reference.
        parts: All parts of the plan; each must be complete.
        work: Folder that holds the parts.
        out: File of the reference, ending in .safetensors; the JSON is written next to it.

    Returns:
        The content of the JSON.

    Raises:
        ImageFileError: If more than 5 % of the images are unusable, or fewer than 2 are usable.
    """
    store = LocalStore(work)
    names = [name for part in parts for name in part.names]
    hashes = [sha256 for part in parts for sha256 in part.hashes]
    notes = [read_notes(store, part) for part in parts]
    skipped = [(name, reason) for note in notes for name, reason in note["skipped"]]
    _refuse_skipped(skipped, len(hashes))
    features = np.concatenate([read_features(store, part) for part in parts])
    data = save({KEY: features})
    about = {
        **identity_of(plan, names, hashes),
        "n": len(features),
        "width": features.shape[1],
        "files": len(hashes),
        "count": plan.count,
        "skipped": [{"name": name, "reason": reason} for name, reason in skipped],
        "converted_to_rgb": sum(note["converted"] for note in notes),
        "enlarged": sum(note["enlarged"] for note in notes),
        "same_content": len(hashes) - len(set(hashes)),
        "features_sha256": hashlib.sha256(data).hexdigest(),
    }
    target = LocalStore(out.absolute().parent)
    target.replace(out.name, data)
    target.replace(out.with_suffix(".json").name, (json.dumps(about, indent=1) + "\n").encode())
    for part in parts:
        store.remove(part.key)
    return about


def _refuse_skipped(skipped: Sequence[tuple[str, str]], total: int) -> None:
    words = reasons_in_words(skipped)
    if len(skipped) > MAX_SKIPPED * total:
        raise ImageFileError(
            f"{len(skipped):,} of {total:,} images could not be used (at most {MAX_SKIPPED:.0%} "
            f"are skipped): {words}. Remove them from the source, or repair them"
        )
    if total - len(skipped) < LEAST_IMAGES:
        raise ImageFileError(f"{total - len(skipped)} images can be used; at least 2 are needed")


def identity_of(plan: Plan, names: Sequence[str], hashes: Sequence[str]) -> dict[str, Any]:
    """Return what defines a reference: feature, images and resize; JSON-ready."""
    feature = load_feature(plan.feature)
    return {
        "feature": plan.feature,
        "feature_identity": feature.identity(),
        "card_sha256": feature.card_sha256,
        "column": vector_column(feature, plan.column),
        "files_sha256": files_sha256(names, hashes),
        "resize": plan.resize,
        "exif_orientation": "not applied",
    }


def already_built(out: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Read the JSON of a reference that exists and has this identity; None if there is no file.

    Raises:
        ConfigError: If the file is another reference, or is damaged.
    """
    if not out.exists():
        return None
    advice = "delete it, or name another file with --out"
    try:
        about: dict[str, Any] = json.loads(out.with_suffix(".json").read_bytes())
        digest = hashlib.sha256(out.read_bytes()).hexdigest()
        if about["features_sha256"] != digest:
            raise ConfigError(f"{out} is not the file that the JSON next to it describes; {advice}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{out} has no complete JSON next to it ({error}); {advice}") from error
    changed = [key for key, value in identity.items() if about.get(key) != value]
    if changed:
        raise ConfigError(f"{out} is another reference ({', '.join(changed)} differ); {advice}")
    return about
