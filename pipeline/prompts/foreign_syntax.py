"""Finds the syntax of other programs in prompts, which a model here draws as ordinary text.

AUTOMATIC1111, ComfyUI, InvokeAI (compel) and Midjourney read parts of a prompt as instructions: a
weight, an alternative, a file to load. No such program reads the prompts here, so a model gets the
brackets and the names as they stand, and every image of the prompt follows from them.
"""

import re

__all__ = ["foreign_syntax"]

_WORD = r"[^\W\d_]"
_RULES = {
    "a line that other programs skip as a comment": r"^\s*(#(?!\d)|//)[^\n]*",
    "a network or embedding to load": (
        r"<\s*(lora|lyco|lycoris|hypernet|wildcard|embedding|preset|segment)\s*:[^<>]*>|"
        r"<[A-Za-z][\w.-]*>|\bembedding:\w[\w.-]*"
    ),
    "a wildcard": r"(?<!\w)__[\w*/. -]+?__(?!\w)",
    "an alternative or a template": r"\{[^{}]+\}",
    "a weight": (
        rf"\([^()]*(?:[^\d\s(]\s*:\s*[+-]?\d*\.?\d+|:\s*[+-]?\d*\.\d+)\s*\)|"  # (word:1.4)
        r"\(\([^()]+\)\)|"
        rf"\)[+-]?\d+\.\d+|\)(\+|-)+(?=[\s,.)]|$)|"  # (words)1.3, (words)++
        rf"\b{_WORD}{{2,}}\+\++(?=[\s,.)]|$)|\b{_WORD}{{2,}}--+(?=[,.)]|$)|"
        r"\w::-?\d*\.?\d+"
    ),
    "a function of prompts": r"\"\s*\)\s*\.\s*(and|blend|swap)\s*\(",
    "a parameter of Midjourney": r"(?<!\S)--(?:[a-z]{1,8})\b(?=\s+[\d:.]+|\s*$|\s+--)",
    "an escaped bracket": r"\\[()\[\]{}]",
    "a change during sampling, an alternation or a weight": r"\[[^\[\]]+\]",
}
_JOINTS = re.compile(r"\b(?:BREAK|AND)\b")


def foreign_syntax(text: str) -> str:
    """Find the first part of a prompt that other programs read as an instruction.

    Single round brackets without a weight are ordinary English. So are the words BREAK and AND
    between other words in capitals or in quotation marks.

    Args:
        text: A prompt or a negative prompt.

    Returns:
        The part and what it is elsewhere; empty if there is none.

    Example:
        >>> foreign_syntax("a (red:1.4) horse")
        "'(red:1.4)', elsewhere a weight"
        >>> foreign_syntax("a horse (a red horse, to be exact) at 10:30")
        ''
    """
    for meaning, pattern in _RULES.items():
        found = re.search(pattern, text)
        if found:
            return f"{found[0][:60]!r}, elsewhere {meaning}"
    joints = (match for match in _JOINTS.finditer(text) if _joins(text, match))
    first = next(joints, None)
    return f"{first[0]!r}, elsewhere a joint between two prompts" if first else ""


def _joins(text: str, match: re.Match[str]) -> bool:
    """Whether BREAK or AND stands between texts that are neither in capitals nor quoted."""
    before, after = text[: match.start()], text[match.end() :]
    if before.count('"') % 2 or before.count("\u201c") > before.count("\u201d"):
        return False
    neighbours = [*re.findall(r"\w+", before)[-1:], *re.findall(r"\w+", after)[:1]]
    return not any(word.isupper() for word in neighbours)
