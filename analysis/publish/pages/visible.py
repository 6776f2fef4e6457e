"""Show text of other people as text: what has no shape of its own is written as its number."""

import unicodedata

CONTROL_PICTURES = 0x2400
"""Unicode block of pictures for the control characters 0 to 31."""
KEPT = {
    "\u200c",  # joins and separates letters: part of the spelling of Persian and of emoji
    "\u200d",
}


def visible(text: str) -> str:
    r"""Write control characters, marks of direction and other invisible characters visibly.

    Terminal escapes, for example, and marks that turn the direction of the text around them. The
    spelling of a language and joined emoji stay as they are.

    Example:
        >>> visible("a \x1b[31mred\x1b[0m cat\u202e"), visible("猫 👩‍🚀 قطة")
        ('a ␛[31mred␛[0m cat[U+202E]', '猫 👩\u200d🚀 قطة')
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(letter: str) -> str:
    code, kind = ord(letter), unicodedata.category(letter)
    if letter in "\n\t":
        return " "
    if code < ord(" "):
        return chr(CONTROL_PICTURES + code)
    if letter in KEPT or kind not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return letter
    return f"[U+{code:04X}]"
