"""Extract `perceptual`: an embedding by a small residual network trained on the small world.

It is not a general-purpose embedding. The network knows only the objects, colours, places and
tones of the small world, so distances on it are never called FID or KID.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from analysis.features.base import Batch, Columns, Feature
from pipeline.errors import ModelError
from pipeline.stage import Uint8Images
from pipeline.storage.schema import Column, vector

if TYPE_CHECKING:
    import torch

FOLDER = Path(__file__).parents[2] / "seedling" / "weights" / "perceptual"
WEIGHTS, CONFIG, PREPROCESSING = "model.safetensors", "config.json", "preprocessor_config.json"


class Perceptual(Feature):
    """Pooled output of the shipped network: an embedding of at most 32 numbers.

    Pixels become fractions 0..1, are resized to the input of the network unless they have its
    size (bilinear, antialiased, aspect not kept), and are standardised with the mean and standard
    deviation in `preprocessor_config.json` next to the weights.
    """

    name: ClassVar[str] = "perceptual"
    code_version: ClassVar[int] = 1
    folder: ClassVar[Path] = FOLDER

    @property
    def columns(self) -> tuple[Column, ...]:
        """One vector."""
        width = int(self._json(CONFIG)["hidden_sizes"][-1])
        return (Column("embedding", vector(width), "Pooled features of the network."),)

    @cached_property
    def card_sha256(self) -> str:
        """Hash of the weights and of the layout of the network."""
        digest = hashlib.sha256()
        for name in (CONFIG, WEIGHTS):
            digest.update(hashlib.sha256(self._read(name)).digest())
        return digest.hexdigest()

    @property
    def parameters(self) -> Mapping[str, object]:
        """Resize and preprocessing."""
        return {"resize": "bilinear, antialiased", **self._preprocessing}

    @cached_property
    def _preprocessing(self) -> dict[str, Any]:
        fields = self._json(PREPROCESSING)
        return {name: fields[name] for name in ("size", "image_mean", "image_std")}

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise ModelError(
                f"feature {self.name} needs {self.folder / name} ({error.strerror}), which is part "
                f"of the project: restore it, or train it with: python -m seedling.train.perceptual"
            ) from error

    def _json(self, name: str) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self._read(name))
        return fields

    def setup(self) -> None:
        """Load the network in evaluation mode, in float32, on the CPU.

        Torch is imported here, so that a recipe can name the feature without it.
        """
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file
        from transformers import ResNetConfig, ResNetModel

        self._read(WEIGHTS)
        with torch.device("meta"):  # draws no random weights
            network: Any = ResNetModel(ResNetConfig.from_dict(self._json(CONFIG)))
        try:
            network.load_state_dict(load_file(self.folder / WEIGHTS), assign=True)
        except (SafetensorError, RuntimeError) as error:
            raise ModelError(f"{self.folder / WEIGHTS} is damaged: {error}") from error
        self._network = network.float().eval()

    def extract(self, batch: Batch) -> Columns:
        """Embed a batch; see `Feature.extract`."""
        import torch

        with torch.inference_mode():
            pooled = self._network(pixel_values=self.prepared(batch.images)).pooler_output
        return {"embedding": pooled.flatten(1).numpy().astype(np.float32)}

    def prepared(self, images: Uint8Images) -> "torch.Tensor":
        """Resize and standardise pixels, shape (B, 3, height, width), float32."""
        import torch
        from torch.nn import functional

        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255
        size = (self._preprocessing["size"]["height"], self._preprocessing["size"]["width"])
        if tuple(pixels.shape[2:]) != size:
            pixels = functional.interpolate(
                pixels, size, mode="bilinear", antialias=True, align_corners=False
            )
        mean, std = (
            torch.tensor(self._preprocessing[name]).view(1, -1, 1, 1)
            for name in ("image_mean", "image_std")
        )
        return (pixels - mean) / std
