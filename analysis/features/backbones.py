"""Networks of timm, torchvision and transformers, filled from a file, and their inner maps."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, ModelError, nearest

if TYPE_CHECKING:
    import torch

LIBRARIES = ("timm", "torchvision", "transformers")
"""What a backbone's name can begin with."""


class _Reached(Exception):
    """All layers have been seen."""


class Maps:
    """Runs a network as far as the last of some layers and gives their outputs.

    What a layer gave is copied, since the next one may write over it (an in-place ReLU does).

    Args:
        network: A torch module that is called with pixels alone.
        layers: Names of modules in it.

    Raises:
        ConfigError: If there is no such module.
    """

    def __init__(self, network: "torch.nn.Module", layers: Sequence[str]) -> None:
        modules = dict(network.named_modules())
        for name in layers:
            if name not in modules:
                raise ConfigError(f"the network has no layer {name!r}: {nearest(name, modules)}")
            modules[name].register_forward_hook(self._keep(name))
        self.network, self.layers = network, layers
        self.found: dict[str, Any] = {}

    def _keep(self, name: str) -> Callable[[object, object, object], None]:
        import torch

        def hook(_module: object, _inputs: object, output: object) -> None:
            self.found[name] = output.clone() if isinstance(output, torch.Tensor) else output
            if len(self.found) == len(self.layers):
                raise _Reached

        return hook

    def of(self, pixels: "torch.Tensor") -> list["torch.Tensor"]:
        """The layers' outputs, shape (B, C, h, w) each.

        Args:
            pixels: Shape (B, 3, H, W), as the network wants them.

        Raises:
            ConfigError: If an output has another number of axes.
        """
        self.found = {}
        with suppress(_Reached):
            self.network(pixels)
        for name in self.layers:
            shape = getattr(self.found.get(name), "shape", ())
            if len(shape) != 4:
                raise ConfigError(
                    f"layer {name} gives shape {tuple(shape)}; (B, C, h, w) is needed"
                )
        return [self.found.pop(name) for name in self.layers]


def load_backbone(backbone: str, weights: Path) -> "torch.nn.Module":
    """Make a network and fill it from a safetensors file.

    Args:
        backbone: "timm:NAME", "torchvision:NAME" or "transformers", which reads config.json
            beside the weights.
        weights: The file, or a folder that holds model.safetensors.

    Raises:
        ModelError: If the file is missing or damaged, or of another network.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = weights / "model.safetensors" if weights.is_dir() else weights
    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten below
            network = _made(backbone, file.parent)
        network.load_state_dict(load_file(file))
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        raise ModelError(f"{file} does not fill {backbone}: {error}") from error
    return network.float().eval()


def load_pretrained(kind: str, folder: Path) -> "torch.nn.Module":
    """Read a network of a class of transformers from its folder; nothing of it is left to chance.

    Args:
        kind: Name of the class.
        folder: In transformers' layout, with safetensors.

    Raises:
        ModelError: If weights are missing, damaged, or of another network.
    """
    import torch
    import transformers

    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten
            network, report = getattr(transformers, kind).from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except Exception as error:  # what a damaged folder raises is of many kinds
        raise ModelError(f"{folder} holds no {kind}: {error}") from error
    # Transformers fills what a checkpoint lacks at random, and says so in its log only.
    gaps = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if gaps:
        raise ModelError(
            f"{folder} lacks {len(gaps)} weights of {kind}, {gaps[0]} the first: it is a "
            f"checkpoint of another network"
        )
    loaded: torch.nn.Module = network.float().eval()
    return loaded


def _made(backbone: str, folder: Path) -> "torch.nn.Module":
    library, _, name = backbone.partition(":")
    if library == "timm":
        import timm

        made: torch.nn.Module = timm.create_model(name, pretrained=False)
        return made
    if library == "torchvision":
        import torchvision

        made = torchvision.models.get_model(name, weights=None)
        return made
    from transformers import AutoConfig, AutoModel

    made = AutoModel.from_config(AutoConfig.from_pretrained(folder))
    return made
