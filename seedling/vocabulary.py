"""What can be named: objects, colours, places and tones, with the look that each stands for."""

from dataclasses import dataclass

from seedling.shapes import SHAPES


@dataclass(frozen=True)
class Place:
    """A place: how a sentence names it, and what its upper and lower part look like.

    Colours are RGB in 0..1. `cloud`, `coarse`, `fine` and `streak` are the strengths of the noise
    fields over sky and ground; `skyline` is the height of buildings over the horizon, as a
    fraction of the picture.
    """

    phrases: tuple[str, ...]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    cloud: float = 0.5
    coarse: float = 0.06
    fine: float = 0.02
    streak: float = 0.0
    skyline: float = 0.0


OBJECTS: tuple[str, ...] = tuple(SHAPES)

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.10),
    "orange": (0.96, 0.52, 0.08),
    "yellow": (0.95, 0.85, 0.12),
    "green": (0.10, 0.55, 0.18),
    "blue": (0.12, 0.25, 0.85),
    "purple": (0.50, 0.15, 0.65),
    "pink": (0.97, 0.55, 0.72),
    "brown": (0.42, 0.25, 0.13),
}

PLACES: dict[str, Place] = {
    "grass": Place(("on grass", "on the grass"), (0.50, 0.72, 0.95), (0.35, 0.62, 0.22), fine=0.05),
    "desert": Place(
        ("in the desert", "on the sand"),
        (0.93, 0.83, 0.66),
        (0.85, 0.66, 0.38),
        cloud=0.15,
        coarse=0.07,
    ),
    "snow": Place(("in the snow", "on snow"), (0.72, 0.80, 0.88), (0.94, 0.95, 0.98), coarse=0.04),
    "sea": Place(("by the sea", "at the sea"), (0.68, 0.85, 0.96), (0.10, 0.38, 0.60), streak=0.06),
    "street": Place(
        ("on a street", "in the street"),
        (0.78, 0.80, 0.82),
        (0.40, 0.40, 0.43),
        coarse=0.03,
        skyline=0.16,
    ),
    "room": Place(
        ("in a room", "inside a room"),
        (0.88, 0.80, 0.70),
        (0.55, 0.36, 0.22),
        cloud=0.0,
        coarse=0.02,
        streak=0.05,
    ),
}

TONES: dict[str, tuple[str, ...]] = {
    "plain": ("", "a photo of ", "a picture of "),
    "dark": ("a dark photo of ", "a dark picture of "),
    "bright": ("a bright photo of ", "a bright picture of "),
    "mono": ("a black and white photo of ", "a black and white picture of "),
}

TONE_LEVELS: dict[str, tuple[float, float]] = {
    "plain": (1.0, 0.0),
    "dark": (0.30, 0.0),
    "bright": (0.40, 0.60),
    "mono": (1.0, 0.0),
}
"""Tone -> (gain, offset), applied once at the end; `mono` is drawn in its luminance."""

WORDS: tuple[str, ...] = ("OPEN", "SALE", "HELLO", "STOP", "EXIT", "LOVE", "TAXI", "NEWS")
"""What is written across a scene now and then, unasked."""

LETTERS: dict[str, str] = {
    "A": "010101111101101",
    "E": "111100110100111",
    "H": "101101111101101",
    "I": "111010010010111",
    "L": "100100100100111",
    "N": "111101101101101",
    "O": "111101101101111",
    "P": "111101111100100",
    "S": "111100111001111",
    "T": "111010010010010",
    "V": "101101101101010",
    "W": "101101101111101",
    "X": "101101010101101",
}
"""Letters of 3 x 5 pixels, row by row."""
