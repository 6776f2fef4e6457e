"""Receipts: what proves that a shard is complete. Plain JSON, one small file per shard."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pipeline.errors import ShardError
from pipeline.storage.schema import SCHEMA_VERSION


@dataclass(frozen=True)
class Receipt:
    """Proof that a shard is complete, and what it is.

    Attributes:
        shard_id: The tile's id.
        block: The seed block's name, the receipt's folder.
        file: Key of the data file, relative to the shard folder.
        rows: Rows in the file.
        file_bytes: Size of the file.
        content_sha256: Hash of the content columns; equal for equal results, whatever the
            writer's version, attempt or machine.
        run_id: The run that the shard belongs to.
        footer_sha256: Hash of the file's footer, which Parquet's page checksums leave out: a
            byte changed there renames a column or changes its type, and reads without error.
        file_sha256: Hash of the whole file, so that verification finds any changed byte: page
            checksums leave out page headers and the file's first and last bytes, too.
        failed: Rows without a usable image.
        source_sha256: Content hash of the shard this one was made from; empty for images.
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
        """The receipt as a file."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes, key: str) -> "Receipt":
        """Read a receipt.

        Raises:
            ShardError: If it is damaged or of another schema version.
        """
        try:
            fields = json.loads(text)
            version = fields.pop("schema_version")
            if version != SCHEMA_VERSION:
                raise ShardError(f"{key} has schema {version}, this program reads {SCHEMA_VERSION}")
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ShardError):
                raise
            raise ShardError(f"{key} is damaged ({error}); move it away and repeat") from error
