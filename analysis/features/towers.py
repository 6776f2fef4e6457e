"""Run the two towers of an open_clip model, which turn images and texts into unit vectors."""

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
"""Number of texts whose vectors are kept; with 1,024 numbers each, they take 256 MiB."""
PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
"""Settings of preprocessing that a pretrained tag of open_clip may state."""


class Towers:
    """An open_clip model with its weights, in evaluation mode, in float32.

    The weights of a card can be a folder in the layout of open_clip (open_clip_config.json, one
    safetensors file, and tokenizer files if the model has its own tokenizer). If they are a single
    file, the card states `architecture`, a name that open_clip knows, and may state `tag`, the
    pretrained tag whose preprocessing fits the weights; without a tag, it is that of OpenAI.

    Args:
        card: The card. Nothing but its weights is downloaded.

    Raises:
        ModelError: If the weights are missing, damaged, or of another architecture.
    """

    def __init__(self, card: FeatureCard) -> None:
        import open_clip

        self.device = device_of(card)
        path = find_weights(card)
        name = f"local-dir:{path}" if path.is_dir() else _architecture(card)
        weights = _in_folder(path) if path.is_dir() else path
        require_safetensors(card, weights)
        loaded = _load(name, weights, _preprocessing(card)).eval()
        if self.device.type == "cpu":
            _attend_through_onednn(loaded)
        self.model: Any = placed(loaded, self.device)
        self.tokenizer = open_clip.get_tokenizer(name)
        self._texts: dict[str, torch.Tensor] = {}

    @property
    def size(self) -> int:
        """Height and width of the images that the image tower takes."""
        size = self.model.visual.image_size
        return int(size[0] if isinstance(size, tuple) else size)

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Preprocessing as open_clip describes it: size, mean, std, interpolation, resize_mode."""
        return dict(self.model.visual.preprocess_cfg)

    def prepared(self, images: Uint8Images) -> "torch.Tensor":
        """Apply the evaluation transform of open_clip to images, shape (B, 3, h, w)."""
        import torch
        from open_clip.transform import PreprocessCfg, image_transform_v2
        from PIL import Image

        transform = image_transform_v2(PreprocessCfg(**self.preprocessing), is_train=False)
        return torch.stack([transform(Image.fromarray(image)) for image in images])

    def images(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """Encode prepared images into vectors of length 1, shape (B, d), on the CPU."""
        import torch

        with torch.inference_mode():
            vectors: torch.Tensor = self.model.encode_image(pixels.to(self.device), normalize=True)
        return vectors.float().cpu()

    def texts(self, texts: Sequence[str]) -> "torch.Tensor":
        """Encode texts into vectors of length 1, shape (B, d); each distinct text only once.

        Each text goes through the tower alone, because the last bits of its vector would depend
        on the other texts of a batch. The tokenizer cuts texts that are too long for the tower.
        """
        import torch

        if len(self._texts) >= TEXTS_KEPT:
            self.forget_texts()
        for text in dict.fromkeys(texts):
            if text not in self._texts:
                self._texts[text] = self._encoded(text)
        return torch.stack([self._texts[text] for text in texts])

    def forget_texts(self) -> None:
        """Drop the vectors of all texts encoded so far."""
        self._texts.clear()

    def _encoded(self, text: str) -> "torch.Tensor":
        import torch

        tokens = self.tokenizer([text]).to(self.device)
        with torch.inference_mode():
            vectors: torch.Tensor = self.model.encode_text(tokens, normalize=True)
        return vectors[0].float().cpu()


def _attend_through_onednn(model: "torch.nn.Module") -> None:
    """Use `OneDnnAttention` in self-attention blocks, which is twice as fast on an AMD EPYC."""
    from open_clip.transformer import ResidualAttentionBlock

    from pipeline.cpu import OneDnnAttention, has_onednn

    if not has_onednn():
        return
    blocks: list[Any] = [m for m in model.modules() if type(m) is ResidualAttentionBlock]
    for block in blocks:
        if block.attn.batch_first and not hasattr(block, "ln_1_kv"):
            block.attn = OneDnnAttention(block.attn)


def _in_folder(folder: Path) -> Path:
    """Find the safetensors file in a folder in open_clip's layout."""
    files = sorted(folder.glob("*.safetensors"))
    named = [file for file in files if file.name.startswith("open_clip")]
    if not (folder / "open_clip_config.json").is_file() or not files:
        raise ModelError(
            f"{folder} holds no open_clip model: open_clip_config.json and a .safetensors file "
            f"are needed"
        )
    return (named or files)[0]


def _architecture(card: FeatureCard) -> str:
    """Read the architecture's name; a folder or a repository in its place is refused."""
    name = option(card, "architecture")
    if ":" in name:
        raise ModelError(
            f"the card's option architecture is {name!r}, which reads a folder or a repository "
            f"that is not checked; wanted a name of open_clip.list_models()"
        )
    return name


def _preprocessing(card: FeatureCard) -> dict[str, Any]:
    """Read the preprocessing of the card's pretrained tag; empty without a tag."""
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
    except Exception as error:  # damaged or foreign files raise many kinds of errors
        raise ModelError(f"{weights} is no checkpoint of open_clip's {name}: {error}") from error
    return model


@contextmanager
def _without_alarm() -> Iterator[None]:
    """Suppress open_clip's warning about random weights, which the file then overwrites."""
    root = logging.getLogger()

    def wanted(record: logging.LogRecord) -> bool:
        return "initialized randomly" not in record.getMessage()

    root.addFilter(wanted)
    try:
        yield
    finally:
        root.removeFilter(wanted)


def texts_of(prompts: Sequence[Any]) -> list[str]:
    """List the texts of a batch's prompts."""
    return [str(prompt["text"]) for prompt in prompts]


def as_float32(vectors: "torch.Tensor") -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Turn a tensor into a float32 array."""
    return np.asarray(vectors.numpy(), dtype=np.float32)
