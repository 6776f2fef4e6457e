"""FreeU: stronger backbone features and weaker low frequencies of the skips, without training.

There are two versions, and the first exists in two programs that change other places:

- Version 1 multiplies half of the backbone's channels by a constant b. In diffusers
  (`enable_freeu`; `code: diffusers`, the default), its stages are the first two *up blocks*. In the
  authors' program (`demo/free_lunch_utils.py`; `code: authors`), its stages are the *widths* 1280
  and 640 of the backbone's features. In Stable Diffusion 1 and 2, the up blocks have 3 and 3
  layers, and 7 and 3 layers have these widths.
- Version 2, the authors' version since October 2023, multiplies them by (b - 1) m + 1, where m is
  the mean over the channels, scaled to 0..1 within each image. Its stages are the widths.

The same factors mean different things in each. Whose the presets are:

- Version 1, `sd1.4` and `sd2.1`: of the authors' README before 2023-10-18, for their program.
- Version 1, `...-docs`: of diffusers' documentation, for its program. Except for text to video, the
  numbers are those that the authors give for version 2.
- Version 2: of the authors' README since 2023-10-18.

Si, Huang, Jiang & Liu 2024, "FreeU: Free Lunch in Diffusion U-Net", arXiv:2309.11497;
ChenyangSi/FreeU. Tested with random weights and with the seedlings only.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline.cards.card import Card

CODES: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {1: ("diffusers", "authors"), 2: ("authors",)}
)
"""Version -> whose programs have it; the first is the default."""

APPLY = (
    *("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock3D", "CrossAttnUpBlock3D"),
    *("UpBlockMotion", "CrossAttnUpBlockMotion"),
)
"""Up blocks that apply FreeU; `enable_freeu` sets its factors on others too, without effect."""

Values = tuple[float, float, float, float]

PRESETS: Mapping[int, Mapping[str, Values]] = MappingProxyType(
    {
        1: {
            "sd1.4": (1.2, 1.4, 0.9, 0.2),
            "sd2.1": (1.1, 1.2, 0.9, 0.2),
            "sd1.5-docs": (1.5, 1.6, 0.9, 0.2),
            "sd2.1-docs": (1.4, 1.6, 0.9, 0.2),
            "sdxl-docs": (1.3, 1.4, 0.9, 0.2),
            "text-to-video-docs": (1.2, 1.4, 0.9, 0.2),
        },
        2: {
            "sd1.4": (1.3, 1.4, 0.9, 0.2),
            "sd1.5": (1.5, 1.6, 0.9, 0.2),
            "sd2.1": (1.4, 1.6, 0.9, 0.2),
            "sdxl": (1.3, 1.4, 0.9, 0.2),
        },
    }
)
"""Version -> model -> (b1, b2, s1, s2); the module says whose they are."""

WIDTHS = (1280, 640)
"""Backbone widths of the authors' stages 1 and 2, as in Stable Diffusion."""

FACTORS = ("b1", "b2", "s1", "s2")


class FreeU(Intervention):
    """Applies one of the two versions of FreeU.

    Args:
        parameters: `version` (1 or 2), and either `preset` (a name in `PRESETS`) or all of `b1`,
            `b2` (backbone, at least 1 in the paper) and `s1`, `s2` (skips, at most 1), each above
            0. `code` says whose version 1: "diffusers" (the default) or "authors". The authors'
            code takes `widths`, the backbone widths of its two stages, by default 1280 and 640;
            other networks have other widths.

    Raises:
        ValueError: If a parameter is unknown, missing or not above 0 (diffusers silently treats a 0
            as "off"), or if `widths` are not two different numbers.

    Example:
        >>> FreeU({"version": 2, "preset": "sd2.1"}).factors
        {'b1': 1.4, 'b2': 1.6, 's1': 0.9, 's2': 0.2}
    """

    known: ClassVar[tuple[str, ...]] = ("version", "code", "preset", "widths", *FACTORS)
    # The Fourier transform and its inverse change the last bits of a float.
    neutral: ClassVar[dict[str, object]] = {"version": 1, "b1": 1, "b2": 1, "s1": 1, "s2": 1}
    neutral_tolerance: ClassVar[int] = 1

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        given = dict(parameters)
        self.version = given.pop("version", None)
        if isinstance(self.version, bool) or self.version not in PRESETS:
            raise ValueError(f"version is {self.version!r}; wanted 1 or 2")
        self.code = given.pop("code", CODES[self.version][0])
        if self.code not in CODES[self.version]:
            wanted = " or ".join(CODES[self.version])
            raise ValueError(f"code is {self.code!r}; for version {self.version}, wanted {wanted}")
        if "widths" in given and self.code == "diffusers":
            raise ValueError(
                "widths belong to the authors' code; the stages of diffusers' version 1 are up "
                "blocks. Leave out `widths`, or add `code: authors`"
            )
        self.widths = _two_widths(given.pop("widths", WIDTHS))
        self.factors = _factors(self.version, given)
        self._hooks: list[Any] = []

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401 - pipes have no common type
        """Switch FreeU on.

        Raises:
            ModelError: If the model has no UNet, or a UNet in which a stage would have no effect.
        """
        unet = getattr(pipe, "unet", None)
        if unet is None or not hasattr(unet, "up_blocks"):
            raise ModelError(
                f"card {card.name} has no UNet with skips ({type(pipe).__name__}): FreeU cannot "
                f"work with it"
            )
        if self.code == "diffusers":
            _refuse_up_blocks(unet, card)
            unet.enable_freeu(**self.factors)
            return pipe
        change = constant if self.version == 1 else stronger
        layers = backbone_layers(unet)
        _refuse_widths(self.widths, {width for _, width in layers}, card)
        for resnet, width in layers:
            if width in self.widths:
                stage = self.widths.index(width) + 1
                b, s = self.factors[f"b{stage}"], self.factors[f"s{stage}"]
                hook = _changing(width, partial(change, b=b), partial(filtered, s=s))
                self._hooks.append(resnet.register_forward_pre_hook(hook))
        return pipe

    def restore(self, pipe: Any) -> None:  # noqa: ANN401 - pipes have no common type
        """Switch FreeU off."""
        if self.code == "diffusers":
            pipe.unet.disable_freeu()
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()


def _factors(version: int, given: dict[str, Any]) -> dict[str, float]:
    """Read the four factors by name, from a preset or from the parameters themselves."""
    if "preset" in given:
        presets = PRESETS[version]
        name = given.pop("preset")
        if name not in presets:
            raise ValueError(f"version {version} has no preset {name!r}: {', '.join(presets)}")
        given = dict(zip(FACTORS, presets[name], strict=True)) | given
    for name in FACTORS:
        value = given.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 100:
            raise ValueError(
                f"{name} is {value!r}; wanted a number above 0 and below 100 (a 0 silently "
                f"switches FreeU off in diffusers), or a `preset`"
            )
    return {name: float(given[name]) for name in FACTORS}


def _two_widths(value: object) -> tuple[int, ...]:
    """Read the widths of the two stages of the authors' code."""
    widths = tuple(value) if isinstance(value, (list, tuple)) else ()
    valid = all(isinstance(width, int) and width > 0 for width in widths)
    if not valid or len(widths) != 2 or len(set(widths)) != 2:
        raise ValueError(
            f"widths are {value!r}; wanted two different whole numbers above 0, the backbone's "
            f"widths at the two stages of the authors' code"
        )
    return widths


def _refuse_up_blocks(unet: Any, card: "Card") -> None:  # noqa: ANN401 - diffusers is untyped
    """Refuse a UNet whose first two up blocks, the stages of diffusers, would not change."""
    blocks = [type(block).__name__ for block in unet.up_blocks[:2]]
    if not hasattr(unet, "enable_freeu") or sum(name in APPLY for name in blocks) < 2:
        raise ModelError(
            f"card {card.name}: diffusers' FreeU changes the first two up blocks if they are "
            f"{', '.join(APPLY)}; it has no effect on a {type(unet).__name__} with "
            f"{', '.join(blocks)}. Take `code: authors`, whose stages are widths of the backbone"
        )


def _refuse_widths(wanted: tuple[int, ...], widths: set[int], card: "Card") -> None:
    """Refuse widths that no backbone feature has: the stage would have no effect."""
    missing = [str(width) for width in wanted if width not in widths]
    if missing:
        known = ", ".join(str(width) for width in sorted(widths, reverse=True))
        raise ModelError(
            f"card {card.name}: no backbone feature is {' or '.join(missing)} channels wide, only "
            f"{known}; give two of these as FreeU's `widths`"
        )


def backbone_layers(unet: Any) -> "list[tuple[nn.Module, int]]":  # noqa: ANN401 - diffusers is untyped
    """List the layers that take backbone and skip together, each with the backbone's width.

    Args:
        unet: A diffusers UNet with `mid_block` and `up_blocks`.
    """
    layers = []
    width = int(unet.mid_block.resnets[-1].out_channels)
    for block in unet.up_blocks:
        for resnet in block.resnets:
            layers.append((resnet, width))
            width = int(resnet.out_channels)
    return layers


def _changing(
    width: int, change: "Callable[[Tensor], Tensor]", change_skip: "Callable[[Tensor], Tensor]"
) -> Any:  # noqa: ANN401 - a torch hook
    """Make a hook that changes a layer's input: (B, width + skip, h, w), backbone first."""
    import torch

    def hook(_: "nn.Module", arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        joined, *others = arguments
        backbone, skip = joined[:, :width], joined[:, width:]
        changed = torch.cat([change(backbone), change_skip(skip)], dim=1)
        return (changed, *others)

    return hook


def constant(backbone: "Tensor", b: float) -> "Tensor":
    """Apply version 1 to the backbone: multiply the first half of its channels by b.

    Args:
        backbone: (B, C, h, w), not changed in place.
        b: The factor.
    """
    import torch  # not needed by a plan, which only checks the parameters

    half = backbone.shape[1] // 2
    return torch.cat([backbone[:, :half] * b, backbone[:, half:]], dim=1)


def stronger(backbone: "Tensor", b: float) -> "Tensor":
    """Apply version 2 to the backbone: multiply the first half of its channels by (b - 1) m + 1.

    m is the mean over all channels, scaled to 0..1 over the positions of each image. If the mean is
    the same everywhere, the authors' quotient is 0 / 0; here m is then 0, which changes nothing.

    Args:
        backbone: (B, C, h, w), not changed in place.
        b: The factor where m is 1.
    """
    import torch  # not needed by a plan, which only checks the parameters

    mean = backbone.float().mean(1, keepdim=True)
    low, high = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
    span = high - low
    m = torch.where(span > 0, (mean - low) / span, torch.zeros_like(mean))
    half = backbone.shape[1] // 2
    first = backbone[:, :half] * ((b - 1) * m + 1).to(backbone.dtype)
    return torch.cat([first, backbone[:, half:]], dim=1)


def filtered(skip: "Tensor", s: float) -> "Tensor":
    """Multiply the four lowest frequencies (on each axis 0 and the first negative one) by s.

    Args:
        skip: (B, C, h, w), not changed in place.
        s: The factor.
    """
    import torch

    frequencies = torch.fft.fftshift(torch.fft.fft2(skip.float()), dim=(-2, -1))
    row, column = (size // 2 for size in skip.shape[-2:])
    frequencies[..., max(row - 1, 0) : row + 1, max(column - 1, 0) : column + 1] *= s
    back: Tensor = torch.fft.ifft2(torch.fft.ifftshift(frequencies, dim=(-2, -1))).real
    return back.to(skip.dtype)
