"""Finds out who can reach a Ray cluster: whoever can, may run code on all its machines."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.executors.ray.cluster import cluster
from pipeline.executors.ray.reachable import host_and_port, refuse_silent

PROC = Path("/proc")
LISTEN = "0A"
"""State of a socket that waits for connections, in the tables of Linux."""
STRANGER = """
import sys
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
try:
    GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, timeout=10)
    print("open")
except AuthenticationError:
    print("refused")
"""
"""Asks a cluster for its keys; without a token, only a cluster that wants none answers."""
PATIENCE_S = 60.0


def wants_token(address: str) -> bool:
    """Whether a cluster refuses those who have no token.

    Args:
        address: The value of RAY_ADDRESS.

    Raises:
        ConnectionError: If nothing answers there, or something that is not Ray.
        ValueError: If the address has no host and port.
    """
    refuse_silent(address, patience_s=0.0)
    host, port = host_and_port(address)
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH_")}
    try:
        done = subprocess.run(
            [sys.executable, "-c", STRANGER, f"{host}:{port}"],
            env={**own, "RAY_AUTH_MODE": "disabled"},
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_S,
        )
    except subprocess.SubprocessError as error:
        raise ConnectionError(f"{host}:{port}: Ray's server gives no answer") from error
    return "refused" in done.stdout.split()


def own_addresses() -> set[str]:
    """Start a Ray of our own, and list the addresses at which it listens; on Linux alone.

    Raises:
        RunError: If Ray does not start on this machine.
    """
    with cluster(1):
        return set(_listening([os.getpid(), *_descendants(os.getpid())]))


def _descendants(parent: int) -> Iterator[int]:
    """Process ids of the children of a process, of their children, and so on."""
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == parent:
                yield int(folder.name)
                yield from _descendants(int(folder.name))


def _listening(processes: list[int]) -> Iterator[str]:
    """Addresses at which any of the processes waits for connections."""
    sockets = {name for process in processes for name in _sockets(process)}
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN and f"socket:[{fields[9]}]" in sockets:
                    yield _address(fields[1].partition(":")[0])


def _sockets(process: int) -> set[str]:
    names = set()
    with suppress(OSError):
        for link in (PROC / str(process) / "fd").iterdir():
            with suppress(OSError):
                names.add(str(link.readlink()))
    return names


def _address(digits: str) -> str:
    """Read an address as Linux writes it: 32-bit words, the bytes of each in reverse.

    Example:
        >>> _address("0100007F"), _address("0" * 16 + "FFFF00000100007F"), _address("0" * 32)
        ('127.0.0.1', '127.0.0.1', '::')
    """
    data = bytes.fromhex(digits)
    data = b"".join(data[start : start + 4][::-1] for start in range(0, len(data), 4))
    family = socket.AF_INET if len(data) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, data).removeprefix("::ffff:")
