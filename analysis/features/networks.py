"""Share what features of published networks need: devices, precision and options of cards."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from analysis.features.base import Batch, CheckpointFeature, Columns
from analysis.features.cards import FeatureCard
from pipeline.devices import choose_device
from pipeline.errors import ConfigError, ModelError
from pipeline.stage import Resources

if TYPE_CHECKING:
    import torch
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")
Extract = Callable[[Any, Batch], Columns]
GPU_OPTION = "gpu"
"""Option of a card: true runs the network on one GPU. It is part of the feature's identity."""


class NetworkFeature(CheckpointFeature):
    """A feature of a published network: on the CPU, or on one GPU if its card says `gpu`.

    The numbers of a GPU differ from those of a CPU in the last bits, so the option is part of the
    identity and is never guessed from the machine. On both, `extract` runs in full float32. On the
    CPU it touches no setting of the process, so images may be drawn on the GPU at the same time.
    """

    resources: ClassVar[Resources] = Resources()

    def __init_subclass__(cls) -> None:
        """Make each `extract` on a GPU run without TF32."""
        super().__init_subclass__()
        if "extract" in vars(cls):
            cls.extract = _in_full_float32(cls.extract)  # type: ignore[assignment,method-assign]

    def __init__(self, card: str = "") -> None:
        super().__init__(card)
        if self.card.options.get(GPU_OPTION):
            self.resources = Resources(gpus=1.0)  # type: ignore[misc]  # of this instance only

    @property
    def parameters(self) -> Mapping[str, object]:
        """Options of the card, and the precision."""
        return {**super().parameters, **self.precision}

    @property
    def precision(self) -> Mapping[str, object]:
        """Precision of a GPU; empty for a CPU, which has only one."""
        return {"tf32": False} if self.card.options.get(GPU_OPTION) else {}


def _in_full_float32(extract: Extract) -> Extract:
    """Run an `extract` without TF32 if its network is on a GPU."""

    @functools.wraps(extract)
    def wrapped(self: NetworkFeature, images: Batch) -> Columns:
        if not self.resources.gpus:
            return extract(self, images)
        with without_tf32():
            return extract(self, images)

    return wrapped


@contextmanager
def without_tf32() -> Iterator[None]:
    """Make convolutions on a GPU keep all 23 bits of float32, within a `with` block.

    By default, cuDNN rounds the factors of a convolution to TF32, with 10 bits. PyTorch keeps
    matrix products in float32. The setting is restored afterwards, so images drawn in the same
    process do not change.

    Example:
        >>> import torch
        >>> with without_tf32():
        ...     torch.backends.cudnn.allow_tf32
        False
    """
    import torch

    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def device_of(card: FeatureCard) -> "torch.device":
    """Choose the device that a card asks for.

    Raises:
        ModelError: If the card needs a GPU and this process sees none.
    """
    return choose_device(
        gpu=bool(card.options.get(GPU_OPTION)),
        who=f"feature {card.feature}",
        instead=f"take a card without the option `{GPU_OPTION}`",
    )


def placed(network: "torch.nn.Module", device: "torch.device") -> "torch.nn.Module":
    """Move a network to its device; on the CPU, make its linear layers run in oneDNN."""
    if device.type == "cpu":
        from pipeline.cpu import use_onednn

        use_onednn(network)
    return network.to(device)


def require_safetensors(card: FeatureCard, weights: Path) -> None:
    """Refuse a file that is neither safetensors nor declared as a pickle by its card.

    Raises:
        ModelError: If the file is of another kind.
    """
    if not card.pickled and weights.suffix != ".safetensors":
        raise ModelError(
            f"{weights} is not a safetensors file, and other formats can run code when they are "
            f"read: convert it, or state `pickled: true` and its sha256 in the card if you trust it"
        )


def option(card: FeatureCard, name: str) -> str:
    """Return an option that a card must state, as text.

    Raises:
        ModelError: If the card does not state it.
    """
    if name not in card.options:
        raise ModelError(f"the card of feature {card.feature} lacks the option {name!r}")
    return str(card.options[name])


def read_options(kind: type[Options], card: FeatureCard) -> Options:
    """Read the options of a card into a dataclass.

    Args:
        kind: The dataclass. Its fields are str, int, float or bool; a field without a default is
            an option that the card must state.
        card: The card.

    Raises:
        ConfigError: If an option is missing, unknown or of the wrong kind, or the dataclass
            refuses its value.

    Example:
        >>> from dataclasses import dataclass
        >>> from analysis.features.cards import load_card
        >>> @dataclass(frozen=True)
        ... class Depth:
        ...     larger_is_nearer: bool
        >>> read_options(Depth, load_card("depth-anything-v2-small", "layout_depth"))
        Depth(larger_is_nearer=True)
    """
    kinds: dict[str, Any] = {field.name: field.type for field in fields(kind)}
    required = [field.name for field in fields(kind) if field.default is MISSING]
    missing = [name for name in required if name not in card.options]
    wrong = [name for name, value in card.options.items() if not _fits(value, kinds.get(name))]
    if wrong or missing:
        wanted = ", ".join(f"{name} ({type_.__name__})" for name, type_ in kinds.items())
        raise ConfigError(
            f"card of feature {card.feature}: options missing: {missing}, unknown or of the wrong "
            f"kind: {wrong}; wanted: {wanted}"
        )
    options: dict[str, Any] = dict(card.options)
    return kind(**options)


def _fits(value: object, kind: object) -> bool:
    """Whether a value is of a type. An int counts as a float; a bool counts as neither."""
    return type(value) is kind or (kind is float and type(value) is int)
