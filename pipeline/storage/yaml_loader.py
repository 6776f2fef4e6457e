"""Reads YAML text as plain values, with limits on what a small text can unfold to.

YAML lets a text name a part and repeat it; nine levels of nine repetitions are 387 million values.
It also lets a key stand twice in a mapping, of which most readers silently keep the last.
"""

from typing import Any, NoReturn

import yaml
from yaml.composer import ComposerError

MAX_BYTES = 4 * 2**20
"""Longest text, in bytes."""
MAX_DEPTH = 32
"""Deepest nesting of lists and mappings."""
MAX_VALUES = 1_000_000
"""Most values, where each repetition of a named part counts again."""


class LimitedLoader(yaml.SafeLoader):
    """Makes plain values only, and counts what they unfold to before it makes them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._values: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - PyYAML has no types
        """Read one value with all that it holds; a repetition gives the named value again."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        node: Any = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self._values:
                _refuse(f"*{event.anchor} stands inside what it names", event.start_mark)
        else:
            self._values[id(node)] = self._count(node)
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:  # noqa: ANN401
        """Read a mapping; a key that is given twice is refused."""
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                words = f"{key.value[:80]!r} is given again, after line {lines[name]}; keep one"
                _refuse(words, key.start_mark)
            lines[name] = line
        return node

    def _count(self, node: yaml.Node) -> int:
        """Count the values that a value unfolds to, itself included."""
        parts: list[Any] = node.value if isinstance(node, yaml.CollectionNode) else []
        pairs = [part if isinstance(part, tuple) else (part,) for part in parts]
        count = 1 + sum(self._values[id(part)] for pair in pairs for part in pair)
        if count > MAX_VALUES:
            words = f"repetitions (*name) unfold to more than {MAX_VALUES:,} values"
            _refuse(words, node.start_mark)
        return count


def _refuse(words: str, mark: Any) -> NoReturn:  # noqa: ANN401
    raise ComposerError(None, None, words, mark)


def load_limited(text: str, kind: type[LimitedLoader] = LimitedLoader) -> Any:  # noqa: ANN401
    """Read one YAML document.

    Args:
        text: The document.
        kind: The loader, which decides what plain values mean.

    Raises:
        yaml.YAMLError: If the text is malformed, gives a key twice (with both lines), or exceeds a
            limit.
        ValueError: If a number or a date is out of range.

    Example:
        >>> load_limited("a: [1, 2]")
        {'a': [1, 2]}
    """
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        raise yaml.YAMLError(f"{size:,} bytes; wanted at most {MAX_BYTES:,}")
    loader = kind(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
