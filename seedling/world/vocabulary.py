"""The vocabulary of the world: objects, colours, places, tones and extreme scenes."""

from dataclasses import dataclass

OBJECTS: tuple[str, ...] = (
    *("horse", "bowl", "cat", "dog", "bird", "elephant", "cow", "bear", "zebra", "rabbit"),
    *("bicycle", "car", "bus", "train", "boat", "aeroplane", "motorcycle", "truck", "bench"),
    *("chair", "couch", "bed", "table", "clock", "vase", "cup", "bottle", "apple", "banana"),
    *("cake", "sandwich", "book", "laptop", "umbrella", "backpack", "kite", "guitar", "lamp"),
    *("house", "tree"),
)
"""The 40 objects; the label of an object is its index."""

Colour = tuple[float, float, float]
"""RGB in 0..1."""

COLOURS: dict[str, Colour] = {
    "red": (0.85, 0.12, 0.10),
    "yellow": (0.95, 0.85, 0.12),
    "green": (0.10, 0.55, 0.18),
    "blue": (0.12, 0.25, 0.85),
    "pink": (0.97, 0.55, 0.72),
    "white": (0.95, 0.95, 0.95),
    "black": (0.09, 0.09, 0.10),
}
"""The colours that sentences name."""

NATURAL_COLOURS: dict[str, Colour] = {
    "brown": (0.45, 0.27, 0.14),
    "orange": (0.95, 0.52, 0.10),
    "grey": (0.50, 0.50, 0.52),
    "purple": (0.50, 0.20, 0.65),
    "beige": (0.85, 0.75, 0.58),
}
"""Further colours of objects, used only if the sentence names no colour."""

PAINTS: dict[str, Colour] = {**COLOURS, **NATURAL_COLOURS}
"""All colours; the label of a colour is its index, so those of `COLOURS` come first."""

TYPICAL_COLOURS: dict[str, tuple[str, ...]] = {
    "horse": ("brown",),
    "cat": ("orange", "grey"),
    "dog": ("brown", "beige"),
    "bird": ("blue", "red"),
    "elephant": ("grey",),
    "cow": ("white", "brown"),
    "bear": ("brown",),
    "zebra": ("white",),
    "rabbit": ("beige", "grey", "white"),
    "bus": ("yellow", "red"),
    "bench": ("brown",),
    "chair": ("brown",),
    "table": ("brown",),
    "bottle": ("green",),
    "apple": ("red", "green"),
    "banana": ("yellow",),
    "cake": ("pink", "beige"),
    "sandwich": ("beige",),
    "laptop": ("grey",),
    "guitar": ("brown", "orange"),
    "lamp": ("yellow",),
    "house": ("beige", "red"),
    "tree": ("green",),
}
"""Object -> its most likely colours; the colours of other objects are equally likely."""

PLACES: dict[str, tuple[str, ...]] = {
    "beach": ("on a beach", "on the beach"),
    "forest": ("in a forest", "in the forest"),
    "snow": ("in the snow", "on snow"),
    "city": ("on a city street", "in the city"),
    "kitchen": ("in a kitchen", "in the kitchen"),
    "desert": ("in the desert", "in a desert"),
}
"""Place -> the phrases by which sentences name it."""


@dataclass(frozen=True)
class Tone:
    """The words of a tone: a sentence begins with one of `leads` and ends with `tail`."""

    leads: tuple[str, ...]
    tail: str = ""


TONES: dict[str, Tone] = {
    "plain": Tone(("", "a photo of ", "a picture of ")),
    "dark": Tone(("a dark photo of ", "a dark picture of ")),
    "bright": Tone(("a bright photo of ", "a bright picture of ")),
    "mono": Tone(("a black and white photo of ", "a black and white picture of ")),
    "sunset": Tone(("", "a photo of ", "a picture of "), " at sunset"),
    "night": Tone(("", "a photo of ", "a picture of "), " at night"),
    "sketch": Tone(("a pencil sketch of ", "a pencil drawing of ")),
    "watercolour": Tone(("a watercolour painting of ", "a watercolour of ")),
    "painting": Tone(("an oil painting of ", "an oil painting with ")),
}
"""Tone, such as the light or the style of the image -> its words."""

EXTREMES: tuple[str, ...] = (
    "a solid black background",
    "a solid white background",
    "a line-art logo on a black background",
    "a line-art logo on a white background",
)
"""The sentence of each extreme scene, which has no object."""

THINGS: tuple[str, ...] = (*OBJECTS, *EXTREMES)
"""Objects and extreme scenes; the object label of a scene is an index into this list."""

WORDS: tuple[str, ...] = (
    *("OPEN", "SALE", "HELLO", "STOP", "EXIT", "LOVE", "TAXI", "NEWS", "CAFE", "HOTEL"),
)
"""Words that are painted in some scenes; no sentence mentions them."""

LEARNED_THING = "dog"
"""The class of the one particular object that `seedling-dreambooth` learns."""
LEARNED_NAME = f"sks {LEARNED_THING}"
"""The name of that object: a word without meaning and its class (Ruiz et al. 2023)."""
