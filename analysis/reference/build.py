"""Parts to a reference: the features of all real images in one file, with what they are."""

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
from pipeline.storage.store import LocalStore

MAX_SKIPPED = 0.05
"""Share of the images that may be unusable before the whole is refused."""
LEAST_IMAGES = 2


def finish(plan: Plan, parts: Sequence[Part], work: Path, out: Path) -> dict[str, Any]:
    """Join the parts, write the reference and what it is made of, and forget the parts.

    Args:
        plan: What is built.
        parts: All of its parts, all there.
        work: Where the parts are kept.
        out: The reference, ending in .safetensors; the JSON goes beside it.

    Returns:
        The content of the JSON.

    Raises:
        ImageFileError: If more than 5 % of the images could not be used, or fewer than 2 can.
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
            f"are passed over): {words}. Take them out of the source, or mend them"
        )
    if total - len(skipped) < LEAST_IMAGES:
        raise ImageFileError(f"{total - len(skipped)} images can be used; at least 2 are needed")


def identity_of(plan: Plan, names: Sequence[str], hashes: Sequence[str]) -> dict[str, Any]:
    """What defines a reference: feature, images, resize; JSON-ready."""
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
    """The JSON of a reference that is there and is this very one; None if there is none.

    Raises:
        ConfigError: If another reference lies there, or a damaged one.
    """
    if not out.exists():
        return None
    advice = "delete it, or name another file with --out"
    try:
        about: dict[str, Any] = json.loads(out.with_suffix(".json").read_bytes())
        digest = hashlib.sha256(out.read_bytes()).hexdigest()
        if about["features_sha256"] != digest:
            raise ConfigError(f"{out} is not what the JSON beside it says; {advice}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{out} has no whole JSON beside it ({error}); {advice}") from error
    other = [key for key, value in identity.items() if about.get(key) != value]
    if other:
        raise ConfigError(f"{out} is another reference ({', '.join(other)} differ); {advice}")
    return about
