"""Letter labels in the script of their text, with fonts that ship and fonts of this machine.

Plain ASCII is lettered with Pillow's own font. Other text takes DejaVu Sans, which ships with
matplotlib and has the Latin, Greek, Cyrillic, Hebrew and Arabic scripts, and for what DejaVu lacks
(Chinese, for example) a font of this machine, or else GNU Unifont, which ships here and has the
coarse letters of nearly all scripts. A letter that no font has is written as its number,
`U+10FFFD`, and a warning names it. Pillow's Raqm library, which is part of Pillow's wheels, joins
letters and orders text that runs from right to left.
"""

import functools
import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import ImageDraw, ImageFont

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

STYLES = ("bold", "italic", "oblique", "mono", "serif", "condensed", "light", "thin", "black")
"""Words in the names of font files that come after plain ones."""
NO_FONTS = ("lastresort", "blank", "notdef")
"""Words in the names of font files that have a box, or nothing, for each letter."""
WIDE = ("W", "F")
"""Widths of letters between which a line may be broken without a blank (Unicode, UAX 11)."""
RIGHT_TO_LEFT = ("R", "AL")

SAMPLES = {
    "Greek": "α", "Cyrillic": "ж", "Hebrew": "ש", "Arabic": "ع", "Devanagari": "क", "Bengali": "ক",
    "Tamil": "அ", "Thai": "ก", "Chinese": "猫", "Japanese": "ねネ", "Korean": "고", "emoji": "🐱",
}  # fmt: skip
"""Scripts, each with letters of its own."""

LAST_FONTS = tuple(
    str(Path(__file__).parent / "fonts" / name) for name in ("unifont.otf", "unifont_upper.otf")
)
"""Fonts with a coarse shape for nearly every letter there is; see `fonts/README.md`."""

logger = logging.getLogger(__name__)


class Lettering:
    """Measures and draws text of one size.

    Args:
        size: Height of the letters, in pixels.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._plain = ImageFont.load_default(size)

    @property
    def line_height(self) -> float:
        """Pixels from one line to the next, without space between them."""
        return float(self._plain.getbbox("A")[3])

    def length(self, line: str) -> float:
        """Width of a line, in pixels."""
        return sum(font.getlength(text) for font, text in self._parts(line))

    def draw(
        self,
        draw: ImageDraw.ImageDraw,
        corner: tuple[int, int],
        text: str,
        ink: tuple[int, int, int],
        *,
        spacing: float = 4,
    ) -> None:
        """Draw lines of text below one another.

        Args:
            draw: Where to draw.
            corner: Left and upper end, in pixels.
            text: The lines; each letter in them must have a font, see `printable`.
            ink: Their colour.
            spacing: Pixels between two lines.
        """
        if text.isascii():
            draw.multiline_text(corner, text, ink, self._plain, spacing=spacing)
            return
        left, top = corner
        for number, line in enumerate(text.split("\n")):
            x = float(left)
            base = top + number * (self.line_height + spacing) + self.line_height
            for font, part in self._parts(line):
                draw.text((x, base), part, ink, font, anchor="ls")
                x += font.getlength(part)

    def _parts(self, line: str) -> list[tuple[Font, str]]:
        """Cut a line into parts of one font each, in the order in which they stand on paper."""
        if line.isascii():
            return [(self._plain, line)]
        whole = next((file for file in fonts() if _covers(file, line)), None)
        if whole and whole not in LAST_FONTS:
            return [(_open(whole, self._size), line)]
        parts: list[tuple[Font, str]] = [
            (_open(file or shipped_font(), self._size), "".join(letters))
            for file, letters in groupby(_clusters(line), key=_font_of)
        ]
        return parts[::-1] if _runs_left(line) else parts


def printable(text: str) -> str:
    """Write each letter of a text that no font of this machine has as its number.

    Example:
        >>> printable("café"), printable("a " + chr(0x10FFFE))
        ('café', 'a U+10FFFE')
    """
    if text.isascii():
        return text
    pieces = (
        cluster if _font_of(cluster) else "".join(f" U+{ord(letter):04X} " for letter in cluster)
        for cluster in _clusters(text)
    )
    return re.sub(" +", " ", "".join(pieces)).strip()


def missing_letters(texts: Iterable[str]) -> list[str]:
    """List the letters of texts that no font of this machine has, each once, sorted."""
    clusters = {letter for text in texts if not text.isascii() for letter in _clusters(text)}
    return sorted(cluster for cluster in clusters if not _font_of(cluster))


def describe_missing(letters: Iterable[str]) -> str:
    """Say in one sentence which letters no font has; empty if there are none."""
    names = [
        f"U+{ord(letter[0]):04X} ({unicodedata.name(letter[0], 'without a name')})"
        for letter in letters
    ]
    if not names:
        return ""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
    return (
        f"no font has {shown}: contact sheets show these letters as numbers; install a font for "
        f"their script, if there is one"
    )


def letter_figure(figure: "Figure") -> None:
    """Give the texts of a matplotlib figure the fonts that their letters need.

    Texts whose letters the figure's own font has are left alone, so their pixels do not change. A
    letter that no font has is written as its number.

    Args:
        figure: The figure, with all its texts.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        words = text.get_text()
        if words.isascii():
            continue
        lines = [printable(line) if missing_letters([line]) else line for line in words.split("\n")]
        needed = dict.fromkeys(_font_of(letter) for line in lines for letter in _clusters(line))
        families = [_family(file) for file in needed if file and file != shipped_font()]
        if families:
            text.set_fontfamily([*text.get_fontfamily(), *families])
        if "\n".join(lines) != words:
            text.set_text("\n".join(lines))


def _family(file: str) -> str:
    """Make a font file known to matplotlib, and give the name of its family."""
    from matplotlib.font_manager import fontManager, get_font

    fontManager.addfont(file)
    return str(get_font(file).family_name)


def coarse_scripts() -> list[str]:
    """List the scripts that people write prompts in and that only a font of last resort has.

    Example:
        >>> {"Greek", "Cyrillic"} & set(coarse_scripts())
        set()
    """
    return [
        name
        for name, sample in SAMPLES.items()
        if any(_font_of(letter) in LAST_FONTS for letter in _clusters(sample))
    ]


@functools.cache
def warn_once(sentence: str) -> None:
    """Log a warning, each sentence once in a process; an empty sentence is none."""
    if sentence:
        logger.warning("%s", sentence)


def words_of(text: str) -> Iterator[tuple[str, str]]:
    """Cut a text where its lines may be broken.

    Yields:
        What joins a piece to the one before it on a line (a blank or nothing), and the piece.

    Example:
        >>> list(words_of("a cat"))
        [('', 'a'), (' ', 'cat')]
    """
    for number, word in enumerate(text.split()):
        joint = " " if number else ""
        for wide, letters in groupby(_clusters(word), key=_is_wide):
            for piece in letters if wide else ["".join(letters)]:
                yield joint, piece
                joint = ""


def _is_wide(cluster: str) -> bool:
    return unicodedata.east_asian_width(cluster[0]) in WIDE


def _clusters(text: str) -> list[str]:
    """Cut a text into letters, each with the marks that stand on it or join it to the next."""
    clusters: list[str] = []
    for letter in text:
        joined = bool(clusters) and clusters[-1].endswith("\u200d")
        if clusters and (joined or unicodedata.category(letter) in ("Mn", "Mc", "Me", "Cf")):
            clusters[-1] += letter
        else:
            clusters.append(letter)
    return clusters


def _runs_left(line: str) -> bool:
    """Whether the first letter with a direction runs from right to left."""
    directions = (unicodedata.bidirectional(letter) for letter in line)
    return next((d for d in directions if d in ("L", *RIGHT_TO_LEFT)), "L") in RIGHT_TO_LEFT


def _font_of(cluster: str) -> str:
    """The first font that has a letter; empty if there is none."""
    return next((file for file in fonts() if _covers(file, cluster)), "")


def _covers(file: str, text: str) -> bool:
    """Whether a font has each letter of a text; joiners and selectors need no shape."""
    known = _letters(file)
    return all(ord(letter) in known or unicodedata.category(letter) == "Cf" for letter in text)


def shipped_font() -> str:
    """The font that ships with matplotlib."""
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@functools.cache
def fonts() -> tuple[str, ...]:
    """Files of all fonts: matplotlib's, those of this machine with plain ones first, the last."""
    from matplotlib.font_manager import findSystemFonts

    def order(file: str) -> tuple[bool, bool, str]:
        name = Path(file).name.lower()
        return any(style in name for style in STYLES), "sans" not in name, name

    found = [f for f in findSystemFonts() if not any(n in f.lower() for n in NO_FONTS)]
    return (shipped_font(), *sorted(found, key=order), *LAST_FONTS)


@functools.cache
def _letters(file: str) -> frozenset[int]:
    """The letters that a font has; none if Pillow cannot draw it at any size."""
    from matplotlib.ft2font import FT2Font

    try:
        ImageFont.truetype(file, 12)
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError, ValueError):  # a font of bitmaps, or damaged
        return frozenset()


@functools.cache
def _open(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)
