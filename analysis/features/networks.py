"""What features of published networks share: the device, and refusals in our own words."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from analysis.features.base import CheckpointFeature
from analysis.features.cards import FeatureCard
from pipeline.devices import choose_device
from pipeline.errors import ModelError
from pipeline.stage import Resources

if TYPE_CHECKING:
    import torch

GPU_OPTION = "gpu"
"""A card's option: true runs the network on one GPU, and counts in the feature's identity."""


class NetworkFeature(CheckpointFeature):
    """A feature of a published network: on the CPU, or on one GPU where its card says `gpu`.

    The numbers of a GPU differ from the CPU's in the last bits, so the option is part of the
    identity and is never guessed from the machine.
    """

    resources: ClassVar[Resources] = Resources()

    def __init__(self, card: str = "") -> None:
        super().__init__(card)
        if self.card.options.get(GPU_OPTION):
            self.resources = Resources(gpus=1.0)  # type: ignore[misc]  # of this instance only


def device_of(card: FeatureCard) -> "torch.device":
    """The device that a card asks for.

    Raises:
        ModelError: If it needs a GPU and this process sees none.
    """
    return choose_device(
        gpu=bool(card.options.get(GPU_OPTION)),
        who=f"feature {card.feature}",
        instead=f"take a card without the option `{GPU_OPTION}`",
    )


def placed(network: "torch.nn.Module", device: "torch.device") -> "torch.nn.Module":
    """Move a network to its device; on the CPU its linear layers then run in oneDNN."""
    if device.type == "cpu":
        from pipeline.cpu import use_onednn

        use_onednn(network)
    return network.to(device)


def require_safetensors(card: FeatureCard, weights: Path) -> None:
    """Refuse a file that is no safetensors where the card does not say that it is a pickle.

    Raises:
        ModelError: If it is another kind of file.
    """
    if not card.pickled and weights.suffix != ".safetensors":
        raise ModelError(
            f"{weights} is not a safetensors file, and other formats can run code when they are "
            f"read: convert it, or say `pickled: true` and its sha256 in the card if you trust it"
        )


def option(card: FeatureCard, name: str) -> str:
    """An option that a card must state, as text.

    Raises:
        ModelError: If it does not.
    """
    if name not in card.options:
        raise ModelError(f"the card of feature {card.feature} lacks the option {name!r}")
    return str(card.options[name])
