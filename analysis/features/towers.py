"""The two towers of an open_clip model: pictures and texts to vectors of length 1."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.features.cards import FeatureCard, find_weights
from analysis.features.networks import device_of, option, placed, require_safetensors
from pipeline.errors import ModelError
from pipeline.stage import Uint8Images

if TYPE_CHECKING:
    import torch

TEXTS_KEPT = 65_536
"""Texts whose vectors are kept: at 1,024 numbers each they take 256 MiB."""
PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
"""What a pretrained tag of open_clip says of the pictures it wants."""


class Towers:
    """An open_clip model with its weights, in evaluation mode, float32.

    A card whose weights are a folder names a model in open_clip's own layout
    (open_clip_config.json, one safetensors file, tokenizer files if it needs its own). A card
    whose weights are one file states `architecture`, a name that open_clip knows, and may state
    `tag`, the pretrained tag whose preprocessing the weights want; without it that is OpenAI's.

    Args:
        card: The card; nothing is downloaded beyond its weights.

    Raises:
        ModelError: If the weights are absent, damaged, or of another architecture.
    """

    def __init__(self, card: FeatureCard) -> None:
        import open_clip

        self.device = device_of(card)
        found = find_weights(card)
        name = f"local-dir:{found}" if found.is_dir() else option(card, "architecture")
        weights = _in_folder(found) if found.is_dir() else found
        require_safetensors(card, weights)
        loaded = _load(name, weights, _preprocessing(card)).eval()
        if self.device.type == "cpu":
            _attend_through_onednn(loaded)
        self.model: Any = placed(loaded, self.device)
        self.tokenizer = open_clip.get_tokenizer(name)
        self._texts: dict[str, torch.Tensor] = {}

    @property
    def size(self) -> int:
        """Height and width of the pictures that the image tower takes."""
        size = self.model.visual.image_size
        return int(size[0] if isinstance(size, tuple) else size)

    @property
    def preprocessing(self) -> dict[str, Any]:
        """open_clip's own description: size, mean, std, interpolation, resize_mode."""
        return dict(self.model.visual.preprocess_cfg)

    def prepared(self, images: Uint8Images) -> "torch.Tensor":
        """Pictures as open_clip's own evaluation transform makes them, shape (B, 3, h, w)."""
        import torch
        from open_clip.transform import PreprocessCfg, image_transform_v2
        from PIL import Image

        transform = image_transform_v2(PreprocessCfg(**self.preprocessing), is_train=False)
        return torch.stack([transform(Image.fromarray(image)) for image in images])

    def images(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """Vectors of prepared pictures, shape (B, d), each of length 1, on the CPU."""
        import torch

        with torch.inference_mode():
            vectors: torch.Tensor = self.model.encode_image(pixels.to(self.device), normalize=True)
        return vectors.float().cpu()

    def texts(self, texts: Sequence[str]) -> "torch.Tensor":
        """Vectors of texts, shape (B, d), each of length 1; each distinct text is encoded once.

        Every text goes through the tower alone: beside others its last bits would depend on
        what else was new. Longer texts than the tower takes are cut by its tokenizer.
        """
        import torch

        if len(self._texts) >= TEXTS_KEPT:
            self.forget_texts()
        for text in dict.fromkeys(texts):
            if text not in self._texts:
                self._texts[text] = self._encoded(text)
        return torch.stack([self._texts[text] for text in texts])

    def forget_texts(self) -> None:
        """Drop the vectors of texts met so far."""
        self._texts.clear()

    def _encoded(self, text: str) -> "torch.Tensor":
        import torch

        tokens = self.tokenizer([text]).to(self.device)
        with torch.inference_mode():
            vectors: torch.Tensor = self.model.encode_text(tokens, normalize=True)
        return vectors[0].float().cpu()


def _attend_through_onednn(model: "torch.nn.Module") -> None:
    """Put `OneDnnAttention` into the blocks of self-attention: on an AMD EPYC twice as fast."""
    from open_clip.transformer import ResidualAttentionBlock

    from pipeline.cpu import OneDnnAttention, has_onednn

    if not has_onednn():
        return
    blocks: list[Any] = [m for m in model.modules() if type(m) is ResidualAttentionBlock]
    for block in blocks:
        if block.attn.batch_first and not hasattr(block, "ln_1_kv"):
            block.attn = OneDnnAttention(block.attn)


def _in_folder(folder: Path) -> Path:
    """The safetensors file of a folder in open_clip's layout."""
    files = sorted(folder.glob("*.safetensors"))
    named = [file for file in files if file.name.startswith("open_clip")]
    if not (folder / "open_clip_config.json").is_file() or not files:
        raise ModelError(
            f"{folder} holds no open_clip model: open_clip_config.json and a .safetensors file "
            f"are needed"
        )
    return (named or files)[0]


def _preprocessing(card: FeatureCard) -> dict[str, Any]:
    """What the card's pretrained tag says of preprocessing; empty without one."""
    import open_clip

    tag = str(card.options.get("tag", ""))
    if not tag:
        return {}
    known = open_clip.pretrained.get_pretrained_cfg(option(card, "architecture"), tag)
    if not known:
        raise ModelError(
            f"open_clip knows no tag {tag!r} of {card.options['architecture']}; its tags are in "
            f"open_clip.list_pretrained()"
        )
    return {name: known[name] for name in PREPROCESSING if name in known}


def _load(name: str, weights: Path, preprocessing: dict[str, Any]) -> "torch.nn.Module":
    """Make the model without touching a global random stream, and fill it from the file."""
    import open_clip
    import torch

    try:
        with torch.random.fork_rng(devices=[]), _without_alarm():
            model: torch.nn.Module = open_clip.create_model(
                name,
                load_weights=False,
                pretrained_text=False,
                force_preprocess_cfg=preprocessing or None,
            )
        open_clip.load_checkpoint(model, str(weights), strict=True, weights_only=True)
    except Exception as error:  # what damaged or foreign files raise is of many kinds
        raise ModelError(f"{weights} is no checkpoint of open_clip's {name}: {error}") from error
    return model


@contextmanager
def _without_alarm() -> Iterator[None]:
    """Leave out open_clip's warning of random weights: they are overwritten from the file."""
    root = logging.getLogger()

    def wanted(record: logging.LogRecord) -> bool:
        return "initialized randomly" not in record.getMessage()

    root.addFilter(wanted)
    try:
        yield
    finally:
        root.removeFilter(wanted)


def texts_of(prompts: Sequence[Any]) -> list[str]:
    """The texts of a batch's prompts."""
    return [str(prompt["text"]) for prompt in prompts]


def as_float32(vectors: "torch.Tensor") -> "np.ndarray[Any, np.dtype[np.float32]]":
    """A tensor as a float32 array."""
    return np.asarray(vectors.numpy(), dtype=np.float32)
