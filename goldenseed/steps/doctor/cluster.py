"""Checks of Ray: which cluster a run would use, and who can reach it."""

import os
import sys
from pathlib import Path
from typing import Final

from goldenseed.steps.doctor.finding import Finding, State
from pipeline.errors import RunError

LOOPBACK: Final = {"127.0.0.1", "::1"}
ADVICE: Final = "whoever reaches its ports can run code on its machines; see docs/cluster.md"


def ray_address() -> Finding:
    """Say which Ray cluster a run would use."""
    address = _address()
    if not address:
        return Finding("Ray", State.OK, "a cluster of its own on this machine")
    advice = "RAY_ADDRESS is set: runs use that cluster; unset it to draw on this machine"
    return Finding("Ray", State.NOTE, address, advice)


def ray_access() -> Finding:
    """Find out who can reach that cluster: on one machine nobody else, on several by a token."""
    address = _address()
    return _joined(address) if address else _own()


def token_file() -> Finding:
    """Look whether other users of the machine can read Ray's token in a file."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if not path.is_file():
        return Finding("Ray's token", State.OK, "in no file")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        advice = f"other users of this machine may read it: chmod 600 {path}"
        return Finding("Ray's token", State.NOTE, f"{path}, mode {mode:o}", advice)
    return Finding("Ray's token", State.OK, f"{path}, mode {mode:o}")


def _address() -> str:
    address = os.environ.get("RAY_ADDRESS", "")
    return "" if address == "local" else address


def _own() -> Finding:
    """Start a Ray of our own, and look where it listens."""
    from pipeline.executors.ray.exposure import own_addresses

    check = "Ray's access"
    if sys.platform != "linux":
        return Finding(
            check, State.OK, "its own cluster listens on the loopback address (not looked at)"
        )
    try:
        others = own_addresses() - LOOPBACK
    except RunError as error:
        return Finding(check, State.NOTE, "Ray does not start", str(error))
    if others:
        return Finding(
            check, State.NOTE, f"its own cluster listens on {', '.join(sorted(others))}", ADVICE
        )
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "disabled":
        advice = "other users of this machine can run code as you: unset RAY_AUTH_MODE"
        return Finding(check, State.NOTE, "127.0.0.1 alone, and it wants no token", advice)
    return Finding(check, State.OK, "127.0.0.1 alone, with a token")


def _joined(address: str) -> Finding:
    """Ask the cluster of RAY_ADDRESS without a token."""
    from pipeline.executors.ray.exposure import wants_token

    check = "Ray's access"
    try:
        refuses = wants_token(address)
    except (OSError, ValueError) as error:
        advice = "start the cluster, or correct RAY_ADDRESS; unset it to draw on this machine"
        return Finding(check, State.NOTE, f"{address} does not answer: {error}", advice)
    if refuses:
        return Finding(check, State.OK, f"{address} wants a token")
    return Finding(check, State.NOTE, f"{address} answers without a token", ADVICE)
