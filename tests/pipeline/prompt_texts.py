"""Texts that a prompt may have, for hypothesis."""

import unicodedata

from hypothesis import strategies as st


def usable(text: str) -> bool:
    return bool(text.strip()) and not any(
        unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n" for c in text
    )


texts = st.text(max_size=200).filter(usable)
