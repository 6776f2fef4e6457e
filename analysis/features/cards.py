"""Checkpoint cards of features: which weights, from where, under which licence, and where they lie.

A card is looked for in `cards.yaml` beside this file, or in a YAML file of the user's own that
holds one card. Its weights are taken from, in this order: the card's own `path`, the folder that
the environment variable GOLDENSEED_WEIGHTS names, Hugging Face's cache or hub, the card's URL.
"""

import hashlib
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.cards.checkpoints import Checkpoint
from pipeline.errors import ConfigError, ModelError, nearest
from pipeline.storage.file_hashes import sha256_of_file
from pipeline.storage.yaml_files import read_mapping, validated

CARDS_FILE = Path(__file__).with_name("cards.yaml")
PROJECT = Path(__file__).parents[2]
WEIGHTS_VARIABLE = "GOLDENSEED_WEIGHTS"
"""Environment variable: a folder that holds downloaded checkpoints under their own file names."""

PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
"""What is read of a folder. Other files (a README, a pickle) are not fetched and do not count."""

Option = str | int | float | bool
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class FeatureCard(Checkpoint):
    """One checkpoint that a feature can use; a `path` is relative to the project.

    Attributes:
        feature: The feature that it is for.
        source: Where it is described: a repository or a page.
        licence: Licence of the weights.
        package: Import name of an installed package that holds the weights; `path` is then
            relative to its folder.
        url: Address of the file where it is not on the hub.
        file: Name of the file; empty takes the whole repository as a folder.
        sha256: Of the file, or its first 8 or more digits where the source states no more; lower
            case. Empty where no source beside the card states it: then it is taken from the file
            as it is found, and stands in every result.
        files: Name -> sha256 of each file that is read from a folder.
        pickled: Whether the file is a pickle, which runs code when it is read: refused without
            all 64 digits of its sha256, since fewer can be met by trying.
        options: What else the feature must know, the architecture for example.
        gflop: Floating-point operations (2 per multiply-add) of the network for one image, in
            1e9; None if nobody counted them. Texts, met once per prompt, do not count.
        note: Anything else worth knowing.
    """

    feature: str
    source: str
    licence: str
    package: str = ""
    url: str = ""
    file: str = ""
    sha256: str = Field(default="", pattern="^([0-9a-f]{8,64})?$")
    files: dict[str, Sha256] = Field(default_factory=dict)
    pickled: bool = False
    options: dict[str, Option] = Field(default_factory=dict)
    gflop: float | None = Field(default=None, gt=0)
    note: str = ""


@cache
def cards() -> dict[str, FeatureCard]:
    """All cards of `cards.yaml` by name.

    Raises:
        ConfigError: If the file is malformed.
    """
    fields = read_mapping(CARDS_FILE, "cards")
    return {name: validated(FeatureCard, each, CARDS_FILE) for name, each in fields.items()}


def load_card(name: str, feature: str) -> FeatureCard:
    """Read a card by name, or from a user's own YAML file.

    Args:
        name: A name in `cards.yaml`, or the path of a file ending in .yaml.
        feature: The feature that asks.

    Raises:
        ConfigError: If there is no such card, or it is for another feature.

    Example:
        >>> load_card("inception-2015-12-05", "inception").licence
        'Apache-2.0'
    """
    if name.endswith((".yaml", ".yml")):
        card = validated(FeatureCard, read_mapping(Path(name), "a card"), Path(name))
    else:
        own = {key: each for key, each in cards().items() if each.feature == feature}
        if name not in own:
            raise ConfigError(
                f"feature {feature} has no card {name!r}: {nearest(name, own)} known: "
                f"{', '.join(own) or 'none'}; a file of your own ending in .yaml works too"
            )
        card = own[name]
    if card.feature != feature:
        raise ConfigError(f"card {name} is for feature {card.feature}, not for {feature}")
    return card


def find_weights(card: FeatureCard) -> Path:
    """Where a card's weights lie on this machine, downloaded if need be, and checked.

    Args:
        card: The card.

    Returns:
        The file, or the folder where the card names no file.

    Raises:
        ModelError: If they are not there and cannot be had (the message says how to get them),
            if their sha256 is not the card's, or if they are a pickle that no card pins whole.
    """
    if card.pickled and len(card.sha256) < 64 and not card.files:
        pinned = f"only {len(card.sha256)} of 64 digits of its" if card.sha256 else "no"
        raise ModelError(
            f"{card.file or card.path} is a pickle, which can run any code, and its card pins "
            f"{pinned} sha256: state that of the file that you trust, or take safetensors"
        )
    found = _local(card) or _downloaded(card)
    if card.sha256 and found.is_file():
        _check(card, found, card.sha256)
    for name, sha256 in card.files.items():
        _check(card, found / name, sha256)
    return found


def _check(card: FeatureCard, file: Path, sha256: str) -> None:
    if not file.is_file():
        raise ModelError(f"{file} is missing; get it from {card.source}")
    actual = sha256_of_file(file)
    if not actual.startswith(sha256):
        raise ModelError(
            f"{file} has sha256 {actual}; its card says {sha256}: the file is damaged or "
            f"another one. Delete it and get it again from {card.url or card.repo or card.source}"
        )


def weights_sha256(card: FeatureCard) -> str:
    """The sha256 of a card's weights: as the card pins it, else of the files as they are found.

    Raises:
        ModelError: As `find_weights`, where nothing is pinned.
    """
    if card.sha256:
        return card.sha256
    if card.files:
        return _joined([f"{name} {sha256}" for name, sha256 in sorted(card.files.items())])
    found = find_weights(card)
    if found.is_file():
        return sha256_of_file(found)
    files = sorted(path for pattern in PATTERNS for path in found.glob(pattern))
    return _joined([f"{path.name} {sha256_of_file(path)}" for path in files])


def commit_of(card: FeatureCard) -> str:
    """The commit of the hub that a card's weights are of; empty where they lie elsewhere.

    Raises:
        ModelError: As `find_weights`.
    """
    if not card.repo:
        return ""
    found = find_weights(card)
    places = (found, *found.parents)
    return next((place.name for place in places if place.parent.name == "snapshots"), "")


def _joined(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _local(card: FeatureCard) -> Path | None:
    """The weights where they lie without a download, if they do."""
    if card.package:
        return _package_folder(card) / card.path
    places = [PROJECT / card.path] if card.path else []
    folder = os.environ.get(WEIGHTS_VARIABLE)
    if folder:
        named = Path(folder) / card.repo.rpartition("/")[2]
        places += [named / card.file, Path(folder) / card.file] if card.file else [named]
    # Without a repository `named` is the folder itself: a file is wanted, where one is named.
    found = next((p for p in places if p.is_file() or (p.is_dir() and not card.file)), None)
    if found is None and card.path and not (card.repo or card.url):
        raise ModelError(
            f"weights of feature {card.feature} are missing: {places[0]}; see {card.source}"
        )
    return found


def _package_folder(card: FeatureCard) -> Path:
    """The folder of the package that holds the weights; the package's code is not run."""
    found = find_spec(card.package)
    if found is None or not found.submodule_search_locations:
        raise ModelError(
            f"feature {card.feature} takes its weights from the package {card.package}, which is "
            f"not installed here: {card.source}"
        )
    return Path(found.submodule_search_locations[0])


def _downloaded(card: FeatureCard) -> Path:
    """The weights from the hub's cache, the hub, or the card's URL."""
    try:
        return _from_hub(card) if card.repo else _from_url(card)
    except ModelError:
        raise
    except (OSError, ValueError) as error:
        name = card.file or card.repo.rpartition("/")[2]
        raise ModelError(
            f"feature {card.feature} needs {name}, which is not here and cannot be downloaded "
            f"({type(error).__name__}: {error}). Get it from {card.url or card.source} on a "
            f"machine with a network, put it into a folder and name that folder in "
            f"{WEIGHTS_VARIABLE}"
        ) from error


def _from_hub(card: FeatureCard) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download

    if card.file:
        return Path(hf_hub_download(card.repo, card.file, revision=card.commit))
    found = snapshot_download(card.repo, revision=card.commit, allow_patterns=list(PATTERNS))
    return Path(found)


def _from_url(card: FeatureCard) -> Path:
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    target = folder / card.file
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(card.url, str(target), hash_prefix=card.sha256 or None)
        except RuntimeError as error:  # torch's own of a wrong hash; it keeps nothing of the file
            raise ModelError(
                f"{card.url} gave another file than its card says ({error}): it is damaged or "
                f"another one, and is not kept. Try again, or get it from {card.source}"
            ) from error
    return target
