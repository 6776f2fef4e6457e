"""Removes credentials from texts before they are shown or written.

Messages of other libraries may quote an address with a signature, or a header with a token.
"""

import os
import re

HIDDEN = "***"
"""Stands where a credential was."""

_NAMES = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_KEY)", re.I)
"""Names of environment variables that hold credentials."""
_SHORTEST = 8
"""Values of fewer characters are settings such as `true`, and occur in ordinary text."""
_PATTERNS = (
    re.compile(r"(?<=://)[^/\s@\"']+(?=@)"),  # user and password of an address
    re.compile(
        r"(?<=[?&])((?:x-amz-|x-goog-)?(?:signature|credential|security-token)|sig|token|"
        r"access_token|awsaccesskeyid)=[^&\s\"']+",
        re.I,
    ),
    re.compile(r"(?<=bearer )[\w.~+/=-]{8,}", re.I),
    re.compile(r"\bhf_[A-Za-z0-9]{16,}"),
    re.compile(r"\bgh[opsur]_[A-Za-z0-9]{20,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
)
"""What credentials look like: of Hugging Face, GitHub and Amazon, and in addresses and headers."""


def redact(text: str) -> str:
    """Replace credentials in a text: values of environment variables, and what looks like one.

    Example:
        >>> redact("GET https://me:secret@example.org/a?X-Amz-Signature=0f3e&part=1 failed")
        'GET https://***@example.org/a?***&part=1 failed'
    """
    for value in _values():
        text = text.replace(value, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(HIDDEN, text)
    return text


def _values() -> list[str]:
    """Values of environment variables that hold credentials, the longest first."""
    values = {
        value
        for name, value in os.environ.items()
        if _NAMES.search(name) and len(value) >= _SHORTEST and not name.endswith(("_PATH", "_FILE"))
    }
    return sorted(values, key=len, reverse=True)
