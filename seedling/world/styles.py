"""Apply light and tone: exposure, day and night, drawings and paintings."""

import torch
from torch import Tensor
from torch.nn import functional

from seedling.world.painting import SIDE, axes, brightness, column, mix, noise_field
from seedling.world.specs import Specs
from seedling.world.vocabulary import TONES, Colour

LEVELS: dict[str, tuple[Colour, float]] = {
    "dark": ((0.30, 0.30, 0.30), 0.0),
    "bright": ((0.40, 0.40, 0.40), 0.60),
    "sunset": ((1.06, 0.76, 0.58), 0.0),
    "night": ((0.32, 0.38, 0.58), 0.0),
}
"""Tone -> gains of R, G, B, and offset. Tones that are not listed leave levels unchanged."""


def light(image: Tensor, specs: Specs) -> Tensor:
    """Apply exposure, warm or cool light from one side, and the greyed look of some scenes."""
    x, _ = axes()
    slope = 0.2 * column(specs.light) * (x - 0.5)
    cast = 1 + specs.palette.view(-1, 1, 1, 1) * torch.tensor([0.07, 0.0, -0.07]).view(1, 3, 1, 1)
    image = image * (column(specs.gain) + slope)[:, None] * cast
    faded = 0.3 + 0.5 * torch.lerp(brightness(image)[:, None].expand_as(image), image, 0.15)
    return torch.where(specs.grey.view(-1, 1, 1, 1), faded, image)


def tone(image: Tensor, outline: Tensor, specs: Specs, *, generator: torch.Generator) -> Tensor:
    """Apply the tone of each scene.

    Args:
        image: float32 (B, 3, 64, 64).
        outline: float32 (B, 64, 64), distance to the object's outline in pixels.
        specs: Specs of the scenes; `tone` is used.
        generator: The source of randomness of paper, strokes and washes.

    Returns:
        The image in its tone, in 0..1.
    """
    gains = torch.tensor([LEVELS.get(name, ((1.0, 1.0, 1.0), 0.0))[0] for name in TONES])
    offsets = torch.tensor([LEVELS.get(name, ((1.0,), 0.0))[1] for name in TONES])
    image = image * gains[specs.tone][:, :, None, None]
    image = (image + offsets[specs.tone].view(-1, 1, 1, 1)).clamp(0, 1)
    for label, name in enumerate(TONES):
        rows = (specs.tone == label).nonzero().flatten()
        if len(rows) and name in ("mono", "sketch", "watercolour", "painting"):
            image[rows] = _by_hand(name, image[rows], outline[rows], generator=generator)
    return image.clamp(0, 1)


def _by_hand(name: str, image: Tensor, outline: Tensor, *, generator: torch.Generator) -> Tensor:
    if name == "mono":
        return brightness(image)[:, None].expand_as(image)
    if name == "sketch":
        return sketch(image, outline, generator=generator)
    if name == "watercolour":
        return watercolour(image, outline, generator=generator)
    return painting(image, outline, generator=generator)


def _blurred(image: Tensor, width: int) -> Tensor:
    padded = functional.pad(image, [width // 2] * 4, mode="replicate")
    return functional.avg_pool2d(padded, width, 1)


def _edges(image: Tensor) -> Tensor:
    """Gradient magnitude of the image at each pixel, (B, 64, 64)."""
    padded = functional.pad(image, [1] * 4, mode="replicate")
    across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    return torch.sqrt(across**2 + down**2).amax(1)


def sketch(image: Tensor, outline: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw dark contours on white paper, with some hatching in dark areas and no colour."""
    x, y = axes()
    soft = _blurred(image, 3)
    inside = torch.sigmoid(-2 * outline)
    lines = torch.sigmoid((_edges(soft) - 0.22) * 22) * (0.45 + 0.4 * inside)
    pressed = 0.9 + 0.1 * noise_field(len(image), 16, 16, generator=generator)
    drawn = torch.maximum(lines, torch.exp(-((outline / 1.1) ** 2))) * pressed
    hatch = 0.5 + 0.5 * torch.sin((x + y) * SIDE * 0.8)
    dark = (0.75 - brightness(soft)).clamp(0, 1) * (0.25 + 0.75 * inside)
    paper = 0.97 - 0.9 * dark * (0.42 + 0.16 * hatch)
    return ((paper - 0.85 * drawn).clamp(0.08, 0.98))[:, None].expand_as(image)


def watercolour(image: Tensor, outline: Tensor, *, generator: torch.Generator) -> Tensor:
    """Paint pale washes that bleed, with bare paper at the edges and more pigment on the object."""
    x, y = axes()
    count = len(image)
    inside = torch.sigmoid(-outline)
    soft = _blurred(image, 3)
    soft = mix(_blurred(soft, 5), soft, inside)
    wash = 0.5 - 0.25 * inside + 0.12 * noise_field(count, 7, 7, generator=generator)
    pale = mix(soft, torch.ones(1, 3, 1, 1), wash.clamp(0.1, 0.75))
    pale = pale - 0.3 * torch.exp(-((outline / 1.3) ** 2))[:, None]
    border = torch.minimum(torch.minimum(x, 1 - x), torch.minimum(y, 1 - y)) * SIDE
    ragged = border - 4.0 + 2.2 * noise_field(count, 9, 9, generator=generator)
    return mix(torch.full_like(image, 0.97), pale, torch.sigmoid(1.3 * ragged))


def painting(image: Tensor, outline: Tensor, *, generator: torch.Generator) -> Tensor:
    """Paint few, saturated colours in slanted strokes that are finer on the object."""
    x, y = axes()
    field = noise_field(len(image), 12, 8, generator=generator)
    stripes = torch.sin((x * 0.6 + y) * SIDE * 0.6 + 1.5 * field)
    stroke = (0.05 * stripes + 0.03 * field) * (1 - 0.6 * torch.sigmoid(-outline))
    grey = brightness(image)[:, None]
    rich = grey + 1.5 * (image - grey)
    return (rich * 5).round() / 5 * 0.6 + rich * 0.4 + stroke[:, None]
