"""Load networks of timm, torchvision and transformers from files, and read their inner maps."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cards.foreign_code import refuse_code_in
from pipeline.errors import ConfigError, ModelError, nearest

if TYPE_CHECKING:
    import torch

LIBRARIES = ("timm", "torchvision", "transformers")
"""Libraries with which the name of a backbone can begin."""


class _Reached(Exception):
    """The outputs of all layers have been read."""


class Maps:
    """Runs a network up to the last of some layers and returns their outputs.

    The output of a layer is copied, because the next layer may overwrite it (an in-place ReLU
    does).

    Args:
        network: A torch module that is called with pixels alone.
        layers: Names of modules of the network.

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
        self.outputs: dict[str, Any] = {}

    def _keep(self, name: str) -> Callable[[object, object, object], None]:
        import torch

        def hook(_module: object, _inputs: object, output: object) -> None:
            self.outputs[name] = output.clone() if isinstance(output, torch.Tensor) else output
            if len(self.outputs) == len(self.layers):
                raise _Reached

        return hook

    def of(self, pixels: "torch.Tensor") -> list["torch.Tensor"]:
        """Return the outputs of the layers, each of shape (B, C, h, w).

        Args:
            pixels: Shape (B, 3, H, W), as the network expects them.

        Raises:
            ConfigError: If an output has another number of axes.
        """
        self.outputs = {}
        with suppress(_Reached):
            self.network(pixels)
        for name in self.layers:
            shape = getattr(self.outputs.get(name), "shape", ())
            if len(shape) != 4:
                raise ConfigError(
                    f"layer {name} gives shape {tuple(shape)}; (B, C, h, w) is needed"
                )
        return [self.outputs.pop(name) for name in self.layers]


def load_backbone(backbone: str, weights: Path) -> "torch.nn.Module":
    """Make a network and fill it from a safetensors file.

    Args:
        backbone: "timm:NAME", "torchvision:NAME" or "transformers", which reads config.json
            next to the weights.
        weights: The file, or a folder that holds model.safetensors.

    Raises:
        ModelError: If the file is missing, damaged, or of another network.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = weights / "model.safetensors" if weights.is_dir() else weights
    try:
        with torch.random.fork_rng(devices=[]):  # random weights are overwritten below
            network = _empty_network(backbone, file.parent)
        network.load_state_dict(load_file(file))
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{file} does not fill {backbone}: {error}") from error
    return network.float().eval()


def load_pretrained(kind: str, folder: Path) -> "torch.nn.Module":
    """Load a network of transformers from its folder, and refuse weights that are incomplete.

    Args:
        kind: Name of the class in transformers.
        folder: Folder in the layout of transformers, with safetensors.

    Raises:
        ModelError: If weights are missing, damaged, or of another network.
    """
    import torch
    import transformers

    refuse_code_in(folder)
    try:
        with torch.random.fork_rng(devices=[]):  # random weights are overwritten
            network, report = getattr(transformers, kind).from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                trust_remote_code=False,
            )
    except Exception as error:  # damaged folders raise many kinds of errors
        raise ModelError(f"{folder} holds no {kind}: {error}") from error
    # Transformers fills missing weights at random, and says so only in its log.
    gaps = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if gaps:
        raise ModelError(
            f"{folder} lacks {len(gaps)} weights of {kind}, of which {gaps[0]} is the first: it is "
            f"a checkpoint of another network"
        )
    loaded: torch.nn.Module = network.float().eval()
    return loaded


def _empty_network(backbone: str, folder: Path) -> "torch.nn.Module":
    library, _, name = backbone.partition(":")
    if library == "timm":
        import timm

        network: torch.nn.Module = timm.create_model(name, pretrained=False)
        return network
    if library == "torchvision":
        import torchvision

        network = torchvision.models.get_model(name, weights=None)
        return network
    from transformers import AutoConfig, AutoModel

    refuse_code_in(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    network = AutoModel.from_config(config, trust_remote_code=False)
    return network
