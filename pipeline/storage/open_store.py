"""Opens the store of a run: the one place that tells a folder from an address."""

import secrets
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, StoreError
from pipeline.storage.address import Address, Place, place_of
from pipeline.storage.local_store import LocalStore
from pipeline.storage.store import Store

if TYPE_CHECKING:
    from pipeline.storage.object_store import ObjectStore

PROBES = "probes"
"""Files that show what a server does; each is removed at once."""


def store_at(place: str | Place) -> Store:
    """Open the store at a place. Reads and writes nothing.

    Args:
        place: A folder, or an address such as s3://bucket/run.

    Raises:
        ConfigError: If it is an address of an unknown kind, or obstore is not installed.
        StoreError: If the environment's settings for such addresses are unusable.

    Example:
        >>> store_at("runs/seedling").root.name
        'seedling'
    """
    place = place_of(place)
    return _object_store(place) if isinstance(place, Address) else LocalStore(place)


def _object_store(address: Address) -> "ObjectStore":
    try:
        from obstore.store import from_url
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{address} needs the package obstore: pip install 'goldenseed[stores]'"
        ) from error
    from pipeline.storage.object_errors import object_errors
    from pipeline.storage.object_store import ObjectStore

    with object_errors(str(address)):
        return ObjectStore(address, from_url(str(address)))


def refuse_overwriting(store: Store) -> None:
    """Refuse a server that ignores the condition of a conditional put, as some do.

    Raises:
        StoreError: If it replaces a value that it was told not to replace.
    """
    key = f"{PROBES}/{secrets.token_hex(8)}"
    try:
        if store.put_if_absent(key, b"first") and store.put_if_absent(key, b"second"):
            raise StoreError(
                f"{store.where(key)}: this server replaces a file although it is told not to "
                f"(If-None-Match), so two commands could overwrite each other's work; use another "
                f"server, or a local folder"
            )
    finally:
        store.remove(key)
