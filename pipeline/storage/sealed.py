"""Sealed JSON files: their last key is the sha256 of the text without it.

A changed byte of such a file is found whenever the file is read. The seal guards against damage and
careless edits, not against somebody who computes it anew.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "sha256"


def seal(fields: Mapping[str, Any]) -> bytes:
    """Write fields as sealed JSON.

    Args:
        fields: Plain values; the key `sha256` is replaced.

    Example:
        >>> unseal(seal({"seeds": [1, 2]}))
        {'seeds': [1, 2]}
    """
    plain = {name: value for name, value in fields.items() if name != SEAL}
    return _text({**plain, SEAL: hashlib.sha256(_text(plain)).hexdigest()})


def unseal(content: bytes) -> dict[str, Any]:
    """Read what `seal` wrote.

    Raises:
        ValueError: If a byte has changed, or the text is no JSON object.
        RecursionError: If it is nested too deeply.
    """
    fields = json.loads(content)
    if not isinstance(fields, dict) or SEAL not in fields:
        raise ValueError(f"it has no {SEAL}")
    if seal(fields) != content:
        raise ValueError(f"its content is not what its {SEAL} says")
    del fields[SEAL]
    return fields


def _text(fields: Mapping[str, Any]) -> bytes:
    # A path from a command line may hold bytes that are no UTF-8, as lone surrogates.
    return f"{json.dumps(fields, indent=1, ensure_ascii=False)}\n".encode(errors="surrogatepass")
