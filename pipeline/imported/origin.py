"""Reads how an image was made: from its metadata, or from its name."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from PIL import Image
from sd_parsers import ParserManager
from sd_parsers.data import PromptInfo, Sampler

NOISE_CHUNK = "goldenseed:noise"
"""Key of the text chunk in which goldenseed's own images say what they are, as JSON."""
SAMPLER_SETTINGS = ("scheduler", "steps", "cfg_scale", "denoise", "ensd", "sharpness")
OTHER_SETTINGS = (
    "Clip skip", "VAE", "RNG", "Eta", "Denoising strength", "Hires upscale", "Hires steps",
    "Hires upscaler", "Lora hashes", "Refiner", "performance", "styles", "loras", "vae",
    "clip_skip", "refiner_model", "rand_device", "generation_mode",
)  # fmt: skip
"""Settings that define an image, by the names that programs write. Others, such as the time or a
version, may differ between images of one setting."""
VARIATIONS = ("Variation seed strength", "Variation strength")
"""How much of a second seed there is, as AUTOMATIC1111 and SD.Next (modules/processing_info.py) say
it."""
SEED_IN_NAME = re.compile(r"(?:^|[^A-Za-z])seed[ _=-]*(-?\d{1,20})$", re.IGNORECASE)
FOLDED = ("ComfyUI", "Fooocus")
"""Programs with seeds of 64 bits, whose noise torch draws on the CPU: it keeps 32 of them."""


@dataclass(frozen=True)
class Origin:
    """How an image was made, as far as it is known.

    Attributes:
        tool: The program that drew it; empty if unknown.
        prompt: The prompt; empty if unknown.
        seed: The seed as written; None if unknown.
        settings: Name -> value of what else defines the image, sorted by name.
        labels: Category, challenge, group and own negative prompt of the prompt, where known.
    """

    tool: str = ""
    prompt: str = ""
    seed: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


class OriginReader:
    """Reads the metadata of images, one after another.

    Nothing of a file is executed, and its pixels are decoded only to reach text behind them.
    """

    def __init__(self) -> None:
        self._parsers = ParserManager()
        self._last: Image.Image | None = None

    def read(self, image: Image.Image, name: str) -> Origin:
        """Read how an image was made.

        Args:
            image: The image, opened, of a size that may be decoded.
            name: Its name relative to the folder, which is read where there is no metadata.
        """
        # The parser remembers the metadata of the last image by its address in memory, so that
        # image must live until the next one has another address.
        self._last = image
        own = _own_chunk(image)
        if own is not None:
            return own
        try:
            info = self._parsers.parse(image)
        except Exception:
            info = None
        return (_from_info(info) if info else None) or from_name(name)


def _own_chunk(image: Image.Image) -> Origin | None:
    try:
        fields = json.loads(image.info[NOISE_CHUNK])
        settings = {str(k): str(v) for k, v in fields["settings"].items()}
        labels = {"negative": str(fields["negative"])} if fields.get("negative") else {}
        prompt, seed = str(fields["prompt"]), int(fields["seed"])
        return Origin("goldenseed", prompt, seed, _sorted(settings), labels)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def _from_info(info: PromptInfo) -> Origin | None:
    """Make an origin of what the parsers found; of several samplers, the first starts the image."""
    samplers = [sampler for sampler in info.samplers if _seed_of(sampler) is not None]
    if not samplers:
        return None
    first = samplers[0]
    tool = "SD.Next" if "SD.Next" in str(info.metadata.get("App", "")) else info.generator.value
    return Origin(
        tool,
        # Not `full_prompt`: Fooocus adds words to that which depend on the seed.
        ", ".join(prompt.value for prompt in first.prompts),
        _seed_of(first),
        _sorted({**_sampler_settings(samplers), **_other_settings(info.metadata)}),
    )


def _sampler_settings(samplers: Iterable[Sampler]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for index, sampler in enumerate(samplers):
        own = {"sampler": sampler.name}
        own |= {k: sampler.parameters[k] for k in SAMPLER_SETTINGS if k in sampler.parameters}
        own["negative"] = ", ".join(prompt.value for prompt in sampler.negative_prompts)
        if sampler.model:
            own |= {"model": sampler.model.name or "", "model_hash": sampler.model.hash or ""}
        end = f"_{index + 1}" if index else ""
        settings |= {f"{k}{end}": str(value) for k, value in own.items() if value not in ("", None)}
    return settings


def _other_settings(metadata: Mapping[Any, Any]) -> dict[str, str]:
    settings = {k: str(metadata[k]) for k in OTHER_SETTINGS if metadata.get(k) not in (None, "")}
    if any(metadata.get(name) not in (None, "", "0") for name in VARIATIONS):
        settings["variation_seed"] = str(metadata.get("Variation seed", ""))
    return settings


def _seed_of(sampler: Sampler) -> int | None:
    return whole(sampler.parameters.get("seed", sampler.parameters.get("noise_seed")))


def whole(value: object) -> int | None:
    """Read a whole number of at most 20 digits; None for anything else.

    Example:
        >>> whole("12"), whole(-1), whole("1.5"), whole(True)
        (12, -1, None, None)
    """
    text = "" if isinstance(value, bool) else str(value).strip()
    return int(text) if re.fullmatch(r"-?[0-9]{1,20}", text) else None


def from_name(name: str) -> Origin:
    """Read prompt and seed from a name, as in `a red horse_seed_7.png` or `a red horse/seed7.png`.

    Example:
        >>> origin = from_name("a red horse/seed_7.png")
        >>> origin.prompt, origin.seed
        ('a red horse', 7)
    """
    path = PurePosixPath(name)
    found = SEED_IN_NAME.search(path.stem)
    if found is None:
        return Origin()
    text = path.stem[: found.start()] or path.parent.name
    text = text if " " in text else text.replace("_", " ")
    return Origin("name", text.strip(" _-"), int(found.group(1)))


def _sorted(settings: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(settings.items()))
