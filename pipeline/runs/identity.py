"""What defines the images of a run: its file `run.json`, written once and never changed."""

import json
from dataclasses import dataclass

from pipeline.cards.card import Card
from pipeline.errors import RunError, StoreError
from pipeline.runs.layout import RUN_FILE
from pipeline.runs.old_layout import move_old_receipts, seal_old_files
from pipeline.settings.config import RunConfig
from pipeline.storage.address import Place
from pipeline.storage.local_store import LocalStore
from pipeline.storage.open_store import store_at
from pipeline.storage.schema import SCHEMA_VERSION
from pipeline.storage.sealed import SEAL, seal, unseal
from pipeline.storage.store import Store


@dataclass(frozen=True)
class RunIdentity:
    """What a run began with.

    Attributes:
        config: The run configuration.
        card: The card of the run's model, as it was when the run began.
    """

    config: RunConfig
    card: Card

    def to_json(self) -> bytes:
        """The content of `run.json`."""
        fields = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.config.run_id,
            "config": self.config.model_dump(mode="json"),
            "card": self.card.model_dump(mode="json"),
        }
        return seal(fields)


def read_identity(place: str | Place) -> RunIdentity:
    """Read what a run began with. The rest of the run may be missing.

    A run of an earlier version is brought into today's layout.

    Raises:
        RunError: If there is no run, or its `run.json` is damaged or has another schema version.
        StoreError: If the store cannot be read.
    """
    store = store_at(place)
    file = store.where(RUN_FILE)
    if not store.exists(RUN_FILE):
        raise RunError(f"{place} is not a run folder: it holds no {RUN_FILE}{_arms_hint(store)}")
    try:
        content = store.read(RUN_FILE)
        fields = json.loads(content)
        version = fields["schema_version"]
        if version != SCHEMA_VERSION:
            raise RunError(
                f"{place} was written with schema {version}, this program reads "
                f"{SCHEMA_VERSION}; use the goldenseed that wrote it"
            )
        if SEAL not in fields and isinstance(store, LocalStore):
            seal_old_files(store)
            content = store.read(RUN_FILE)
        unseal(content)
        identity = RunIdentity(RunConfig(**fields["config"]), Card(**fields["card"]))
        run_id = fields["run_id"]
    except (RunError, StoreError):  # are also ValueErrors
        raise
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from error
    if identity.config.run_id != run_id:
        raise _damaged(file, "its settings do not give its run_id")
    if isinstance(store, LocalStore):  # no earlier version wrote to an object store
        move_old_receipts(store)
    return identity


def _damaged(file: str, problem: str) -> RunError:
    return RunError(
        f"{file} is damaged: {problem}; bring back a copy of it. Without a copy, move it away and "
        f"give the command that began the run again: with the same recipe and the same model it "
        f"writes the same file, and the run goes on with its shards"
    )


def _arms_hint(store: Store) -> str:
    arms = [arm for arm in store.folders("") if store.exists(f"{arm}/{RUN_FILE}")]
    if not arms:
        return "; `goldenseed generate RECIPE` makes one"
    return f"; its arms are run folders: {', '.join(map(store.where, arms))}"
