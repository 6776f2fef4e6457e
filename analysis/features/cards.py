"""Read the checkpoint cards of features, and find or download their weights.

A card is an entry of `cards.yaml` next to this file, or a YAML file of the user's own that holds a
single card. Weights are looked for in this order: the card's own `path`, the folder that the
environment variable GOLDENSEED_WEIGHTS names, the cache or hub of Hugging Face, the card's URL.
"""

import hashlib
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.cards.checkpoints import Checkpoint
from pipeline.cards.foreign_code import refuse_code_in
from pipeline.cards.own_paths import beside
from pipeline.errors import ConfigError, ModelError, nearest
from pipeline.storage.file_hashes import sha256_of_file
from pipeline.storage.yaml_files import read_mapping, validated

CARDS_FILE = Path(__file__).with_name("cards.yaml")
PROJECT = Path(__file__).parents[2]
WEIGHTS_VARIABLE = "GOLDENSEED_WEIGHTS"
"""Environment variable: a folder that holds downloaded checkpoints under their own file names."""

PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
"""Files that are read from a folder. Others (a README, a pickle) are neither fetched nor hashed."""

Option = str | int | float | bool
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class FeatureCard(Checkpoint):
    """One checkpoint that a feature can use. Its `path` is relative to the project.

    Attributes:
        feature: The feature that the checkpoint is for.
        source: Repository or page that describes it.
        licence: Licence of the weights.
        package: Import name of an installed package that holds the weights; `path` is then
            relative to the folder of the package.
        url: Address of the file if it is not on the hub.
        file: Name of the file; if empty, the whole repository is used as a folder.
        sha256: Hash of the file in lower case, or at least its first 8 digits if the source
            states no more. If empty, the hash is computed from the file, and every result
            states it.
        files: Name -> sha256 of each file that is read from a folder.
        pickled: Whether the file is a pickle, which can run code when it is read. It is refused
            without all 64 digits of its sha256, because a shorter hash can be forged.
        options: Whatever else the feature must know, for example the architecture.
        gflop: Floating-point operations (2 per multiply-add) of the network for one image, in
            1e9; None if they were not counted. Texts do not count: each is encoded only once.
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
    """Read all cards of `cards.yaml`, by name.

    Raises:
        ConfigError: If the file is malformed.
    """
    fields = read_mapping(CARDS_FILE, "cards")
    return {name: validated(FeatureCard, card, CARDS_FILE) for name, card in fields.items()}


def load_card(name: str, feature: str) -> FeatureCard:
    """Read a card by name, or from a user's own YAML file.

    Args:
        name: A name in `cards.yaml`, or the path of a file ending in .yaml.
        feature: The feature that the card must be for.

    Raises:
        ConfigError: If there is no such card, or it is for another feature.

    Example:
        >>> load_card("inception-2015-12-05", "inception").licence
        'Apache-2.0'
    """
    if name.endswith((".yaml", ".yml")):
        card = validated(FeatureCard, read_mapping(Path(name), "a card"), Path(name))
        if not card.package:
            card = card.model_copy(update={"path": beside(card.path, Path(name).parent)})
    else:
        known = {key: card for key, card in cards().items() if card.feature == feature}
        if name not in known:
            raise ConfigError(
                f"feature {feature} has no card {name!r}: {nearest(name, known)} known: "
                f"{', '.join(known) or 'none'}; a file of your own ending in .yaml works too"
            )
        card = known[name]
    if card.feature != feature:
        raise ConfigError(f"card {name} is for feature {card.feature}, not for {feature}")
    return card


def find_weights(card: FeatureCard) -> Path:
    """Find a card's weights on this machine, download them if necessary, and check their hash.

    Args:
        card: The card.

    Returns:
        The file, or the folder if the card names no file.

    Raises:
        ModelError: If the weights are missing and cannot be downloaded (the message says how to
            get them), if their sha256 is not that of the card, if they are a pickle without a
            complete sha256 in the card, or if their folder names code of its own.
    """
    if card.pickled and len(card.sha256) < 64 and not card.files:
        pinned = f"only {len(card.sha256)} of 64 digits of its" if card.sha256 else "no"
        raise ModelError(
            f"{card.file or card.path} is a pickle, which can run any code, and its card pins "
            f"{pinned} sha256: state the sha256 of the file that you trust, or use safetensors"
        )
    weights = local_weights(card) or _downloaded(card)
    if weights.is_dir():
        refuse_code_in(weights)
    if card.sha256 and weights.is_file():
        _check(card, weights, card.sha256)
    for name, sha256 in card.files.items():
        _check(card, weights / name, sha256)
    return weights


def _check(card: FeatureCard, file: Path, sha256: str) -> None:
    if not file.is_file():
        raise ModelError(f"{file} is missing; get it from {card.source}")
    actual = sha256_of_file(file)
    if not actual.startswith(sha256):
        raise ModelError(
            f"{file} has sha256 {actual}; its card says {sha256}: the file is damaged or another "
            f"file. Delete it and get it again from {card.url or card.repo or card.source}"
        )


def weights_sha256(card: FeatureCard) -> str:
    """Return the sha256 of a card's weights: as pinned, or else computed from the files.

    Raises:
        ModelError: As `find_weights`, if nothing is pinned.
    """
    if card.sha256:
        return card.sha256
    if card.files:
        return _joined([f"{name} {sha256}" for name, sha256 in sorted(card.files.items())])
    weights = find_weights(card)
    if weights.is_file():
        return sha256_of_file(weights)
    files = sorted(path for pattern in PATTERNS for path in weights.glob(pattern))
    return _joined([f"{path.name} {sha256_of_file(path)}" for path in files])


def commit_of(card: FeatureCard) -> str:
    """Return the commit on the hub that a card's weights come from; empty for other sources.

    Raises:
        ModelError: As `find_weights`.
    """
    if not card.repo:
        return ""
    weights = find_weights(card)
    paths = (weights, *weights.parents)
    return next((path.name for path in paths if path.parent.name == "snapshots"), "")


def _joined(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def local_weights(card: FeatureCard) -> Path | None:
    """Find a card's weights without a download; None if they are not on this machine.

    Raises:
        ModelError: If they are missing and there is nowhere to download them from.
    """
    if card.package:
        return _package_folder(card) / card.path
    paths = [PROJECT / card.path] if card.path else []
    folder = os.environ.get(WEIGHTS_VARIABLE)
    if folder:
        named = Path(folder) / card.repo.rpartition("/")[2]
        paths += [named / card.file, Path(folder) / card.file] if card.file else [named]
    # Without a repository, `named` is the folder itself, which is no answer if a file is wanted.
    weights = next((p for p in paths if p.is_file() or (p.is_dir() and not card.file)), None)
    if weights is None and card.path and not (card.repo or card.url):
        raise ModelError(
            f"weights of feature {card.feature} are missing: {paths[0]}; see {card.source}"
        )
    return weights


def _package_folder(card: FeatureCard) -> Path:
    """Find the folder of the package that holds the weights, without running its code."""
    spec = find_spec(card.package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"feature {card.feature} takes its weights from the package {card.package}, which is "
            f"not installed here: {card.source}"
        )
    return Path(spec.submodule_search_locations[0])


def _downloaded(card: FeatureCard) -> Path:
    """Get the weights from the cache of the hub, the hub, or the card's URL."""
    try:
        return _from_hub(card) if card.repo else _from_url(card)
    except ModelError:
        raise
    except (OSError, ValueError) as error:
        name = card.file or card.repo.rpartition("/")[2]
        raise ModelError(
            f"feature {card.feature} needs {name}, which is not here and cannot be downloaded "
            f"({type(error).__name__}: {error}). Get it from {card.url or card.source} on a "
            f"machine with a network, put it into a folder and set {WEIGHTS_VARIABLE} to that "
            f"folder"
        ) from error


def _from_hub(card: FeatureCard) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download

    if card.file:
        return Path(hf_hub_download(card.repo, card.file, revision=card.commit))
    folder = snapshot_download(card.repo, revision=card.commit, allow_patterns=list(PATTERNS))
    return Path(folder)


def _from_url(card: FeatureCard) -> Path:
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    target = folder / card.file
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(card.url, str(target), hash_prefix=card.sha256 or None)
        except RuntimeError as error:  # the hash is wrong; torch has deleted the file
            raise ModelError(
                f"{card.url} gave another file than its card says ({error}): it is damaged or "
                f"another file, and is not kept. Try again, or get it from {card.source}"
            ) from error
    return target
