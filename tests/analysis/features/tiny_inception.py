"""Make the FID Inception with random weights. Its class has only one size: 2048 wide, 96 MB."""

import io
from pathlib import Path

import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from tests.analysis.features.card_files import file_sha256, write_card_file


class Untrained(FeatureExtractorInceptionV3):  # type: ignore[misc]
    """The network without weights from a file, which its class otherwise requires."""

    def __init__(self) -> None:
        empty = io.BytesIO()
        torch.save({}, empty)
        empty.seek(0)
        super().__init__("untrained", ["2048"], feature_extractor_weights_path=empty)

    def load_state_dict(self, *_: object) -> None:  # type: ignore[override]
        """Keep the initial weights of the layers."""


def random_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """Draw weights that keep the scale of activations (He et al. 2015), so that images differ."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        state = Untrained().state_dict()
    for name, values in state.items():
        if values.ndim > 1:
            scale = (2 / values[0].numel()) ** 0.5
            state[name] = torch.randn(values.shape, generator=generator) * scale
    return state


def write_card(folder: Path) -> Path:
    """Write the weights as a pickle, as their publishers do, and a card that pins it."""
    weights = folder / "inception.pth"
    torch.save(random_weights(), weights)
    return write_card_file(folder, "inception", weights, sha256=file_sha256(weights), pickled=True)
