"""Finds out within seconds whether a Ray cluster answers; Ray itself warns for minutes."""

import os
import socket
import time
from urllib.parse import urlsplit

from ray._private import services

PATIENCE_S = 15.0
"""How long an address may stay silent: a cluster that has just been started needs some seconds."""
TRY_S = 5.0
"""How long one connection may take, and then the first words on it."""
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
"""What opens a connection of HTTP/2, which gRPC and so Ray speak: the preface, and no settings."""
SETTINGS_FRAME = 4
"""Type of the frame with which a server of HTTP/2 answers; the type is the fourth byte."""


def refuse_silent(address: str, *, patience_s: float = PATIENCE_S) -> None:
    """Refuse an address at which nothing speaks Ray's protocol.

    Args:
        address: The value of RAY_ADDRESS: "host:port", "ray://host:port" or "auto".
        patience_s: For how long it is tried again.

    Raises:
        ConnectionError: If nothing answers, or something that is not Ray.
        ValueError: If the address has no host and port.
    """
    host, port = host_and_port(address)
    until = time.monotonic() + patience_s
    while True:
        try:
            return _greet(host, port)
        except OSError as error:
            if time.monotonic() > until:
                raise ConnectionError(f"{host}:{port}: {error}") from error
        time.sleep(min(1.0, patience_s))


def host_and_port(address: str) -> tuple[str, int]:
    """Read the host and the port of an address; "auto" is what Ray finds on this machine.

    Raises:
        ConnectionError: If Ray finds nothing.
        ValueError: If they are not there.

    Example:
        >>> host_and_port("10.0.0.1:6379"), host_and_port("ray://head:10001")
        (('10.0.0.1', 6379), ('head', 10001))
    """
    if address == "auto":
        address = str(services.get_ray_address_from_environment("auto", None))
    parts = urlsplit(address if "://" in address else f"//{address}")
    if not parts.hostname or not parts.port:
        raise ValueError("wanted host:port, for example 10.0.0.1:6379")
    return parts.hostname, parts.port


def _greet(host: str, port: int) -> None:
    """Open a connection and wait for the answer, which only a server of gRPC gives."""
    with socket.create_connection((host, port), timeout=TRY_S) as connection:
        if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
            return
        connection.sendall(GREETING)
        if connection.recv(9)[3:4] != bytes([SETTINGS_FRAME]):
            raise ConnectionError("what answers there is not Ray")
