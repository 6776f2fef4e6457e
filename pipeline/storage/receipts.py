"""Receipts prove that a shard is complete: plain JSON, one small file per shard."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pipeline.errors import ShardError
from pipeline.storage.field_types import refuse_other_types
from pipeline.storage.schema import SCHEMA_VERSION

REPAIR = "`goldenseed repair RUN` makes it again"
"""What to do about a damaged receipt."""


@dataclass(frozen=True)
class Receipt:
    """Proof that a shard is complete, with a description of it.

    Attributes:
        shard_id: The tile's id.
        block: Name of the seed block, the folder of the receipt.
        file: Key of the data file, relative to the shard folder.
        rows: Rows in the file.
        file_bytes: Size of the file.
        content_sha256: Hash of the content columns. Equal results have equal hashes, whatever
            version, attempt or machine wrote them.
        run_id: The run that the shard belongs to.
        footer_sha256: Hash of the file's footer, which Parquet's page checksums do not cover: a
            byte changed there can rename a column or change its type without a read error.
        file_sha256: Hash of the whole file, by which verification finds any changed byte: page
            checksums do not cover page headers and the first and last bytes of the file either.
        failed: Rows without a usable image.
        source_sha256: Content hash of the shard that this shard was made from; empty for images.
        provenance: Where, when and with what it was made; not part of any identity.
    """

    shard_id: str
    block: str
    file: str
    rows: int
    file_bytes: int
    content_sha256: str
    run_id: str
    footer_sha256: str = ""
    file_sha256: str = ""
    failed: int = 0
    source_sha256: str = ""
    provenance: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The content of the receipt file."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes, key: str) -> "Receipt":
        """Read a receipt.

        Args:
            text: The content of the receipt file.
            key: The key of that file, `.../<block>/<shard_id>.json`.

        Raises:
            ShardError: If it is damaged, has another schema version, or is that of another shard.
        """
        try:
            values = json.loads(text)
            version = values.pop("schema_version")
            if version != SCHEMA_VERSION:
                raise ShardError(f"{key} has schema {version}, this program reads {SCHEMA_VERSION}")
            receipt = cls(**values)
            refuse_other_types(receipt)
            receipt._refuse_other_key(key)
            return receipt
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, ShardError):
                raise
            raise ShardError(f"{key} is damaged ({error}); {REPAIR}") from error

    def _refuse_other_key(self, key: str) -> None:
        """Refuse a receipt that was copied from another shard, or names its data file."""
        if not key.endswith(f"/{self.block}/{self.shard_id}.json"):
            raise ShardError(f"{key} is the receipt of {self.block}/{self.shard_id}; {REPAIR}")
        start = f"{self.block}/{self.shard_id}-"
        if not self.file.startswith(start) or "/" in self.file.removeprefix(start):
            raise ShardError(f"{key} names the file {self.file} of another shard; {REPAIR}")
