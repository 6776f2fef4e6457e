"""Checks of libraries, weights and environment variables."""

import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from goldenseed.steps.doctor.finding import Finding, State
from pipeline.cards.checkpoints import PROJECT_ROOT

LIBRARIES: Final = ("torch", "diffusers", "transformers", "ray", "pyarrow")


def libraries() -> Finding:
    """Name the versions of Python and of the libraries that decide what an image looks like."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return Finding("libraries", State.OK, f"Python {platform.python_version()}, {versions}")


def shipped_models() -> Finding:
    """Look for the weights of the small models."""
    from pipeline.cards.card import load_cards

    folders = {name: card.path for name, card in load_cards().items() if card.demonstration}
    missing = [name for name, path in folders.items() if not (PROJECT_ROOT / path).exists()]
    if missing:
        advice = "its trained weights are not shipped; docs/models.md says how to train them"
        return Finding("small models", State.NOTE, f"without weights: {', '.join(missing)}", advice)
    return Finding("small models", State.OK, f"{len(folders)}, complete")


def hub() -> Finding:
    """Look which cards have weights in the cache of the hub, where those of other models lie."""
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE

    from pipeline.cards.card import load_cards

    repos = {name: card.repo for name, card in load_cards().items() if card.repo}
    cached = [name for name, repo in repos.items() if _in_cache(repo, Path(HF_HUB_CACHE))]
    names = f": {', '.join(cached)}" if cached else ""
    found = f"files of {len(cached)} of {len(repos)} cards in {HF_HUB_CACHE}{names}"
    if HF_HUB_OFFLINE:
        advice = "HF_HUB_OFFLINE is set, so only these can be used; unset it to download others"
        return Finding("Hugging Face cache", State.NOTE, found, advice)
    return Finding("Hugging Face cache", State.OK, f"{found}; a run downloads what it lacks")


def _in_cache(repo: str, cache: Path) -> bool:
    snapshots = cache / f"models--{repo.replace('/', '--')}" / "snapshots"
    return snapshots.is_dir() and any(snapshots.iterdir())


def fonts() -> Finding:
    """Look for fonts of the scripts that prompts may be written in."""
    from analysis.pictures.lettering import coarse_scripts

    coarse = coarse_scripts()
    if coarse:
        advice = (
            "contact sheets and figures show such letters in a coarse font that ships; install a "
            "finer one, for example of the Noto fonts, if your prompts have them"
        )
        return Finding(
            "fonts", State.NOTE, f"no font of this machine for {', '.join(coarse)}", advice
        )
    return Finding("fonts", State.OK, "for all scripts that were looked for")


def unicode_output() -> Finding:
    """Look whether the terminal can show prompts in any script."""
    encoding = sys.stdout.encoding or "unknown"
    if encoding.lower().replace("-", "") == "utf8":
        return Finding("text", State.OK, encoding)
    advice = "other scripts are printed as numbers; set PYTHONIOENCODING=utf-8 or LANG=C.UTF-8"
    return Finding("text", State.NOTE, encoding, advice)
