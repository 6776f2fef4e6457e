"""Extract `inception`: 2,048 numbers of the network on which FID and KID are defined."""

import io
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from analysis.features.base import Batch, Columns
from analysis.features.cards import find_weights
from analysis.features.networks import NetworkFeature, device_of, require_safetensors
from pipeline.cards.tensor_files import read_tensors
from pipeline.errors import ModelError
from pipeline.storage.schema import Column, vector

WIDTH = 2048
RESIZE = "299 x 299, bilinear as in TensorFlow 1, not antialiased, aspect not kept"


class Inception(NetworkFeature):
    """Pooled features of the Inception network of December 2015, in torch-fidelity's class.

    The network resizes images itself, as the original did, with TensorFlow 1's bilinear resize,
    which is not antialiased. The class of torchmetrics is the same network. It gives the same
    numbers with `antialias=False`; with its default, True, distances are not comparable.

    Source:
        Heusel et al. 2017, arXiv:1706.08500; https://github.com/toshas/torch-fidelity,
        torch_fidelity/feature_extractor_inceptionv3.py.
    """

    name: ClassVar[str] = "inception"
    code_version: ClassVar[int] = 1
    default_card: ClassVar[str] = "inception-2015-12-05"

    @property
    def columns(self) -> tuple[Column, ...]:
        """One vector."""
        return (Column("embedding", vector(WIDTH), "Pooled features, not negative."),)

    @property
    def parameters(self) -> Mapping[str, object]:
        """Resize and options of the card."""
        return {"resize": RESIZE, **super().parameters}

    def setup(self) -> None:
        """Load the network.

        The class reads weights from a file, with no limits on what a pickle may do. The file is
        therefore read here, with limits, and the class receives a copy of its tensors.
        """
        import torch
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        self.device = device_of(self.card)
        copy = io.BytesIO()
        torch.save(self._weights(), copy)
        copy.seek(0)
        try:
            with torch.random.fork_rng(devices=[]):  # layers draw random weights before loading
                network = FeatureExtractorInceptionV3("inception", [str(WIDTH)], copy)
        except RuntimeError as error:
            raise ModelError(f"{find_weights(self.card)} holds another network: {error}") from error
        self._network = network.to(self.device)

    def _weights(self) -> dict[str, Any]:
        file = find_weights(self.card)
        require_safetensors(self.card, file)
        return read_tensors(file)

    def extract(self, batch: Batch) -> Columns:
        """Embed a batch; see `Feature.extract`."""
        import torch

        pixels = torch.from_numpy(np.ascontiguousarray(batch.images.transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            (embedding,) = self._network(pixels.to(self.device))
        return {"embedding": np.asarray(embedding.cpu().numpy(), dtype=np.float32)}
