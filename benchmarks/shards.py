"""Time writing and reading image shards against pyarrow's defaults, on the same blobs.

Writing is our `write_table`: page checksums, fsync of the file and of its folder, short row
groups, images neither compressed nor dictionary-encoded. The other side is `pq.write_table` of
the same table with default settings: snappy, dictionaries, one row group, no checksum, no fsync.
Reading is
one image by its row: `read_rows` (its row group, checksums verified) against the image column of
pyarrow's file, which is one row group. Blobs are random bytes: like a lossless image, they do
not compress further. In each pair, both files must return the blobs that were written.

Before each write the old file is deleted and pending writes are flushed, so that no side waits
for the other's pages. `floor_s` is the time to write the bare bytes in one call, with fsync and
without: no format that waits for the disk can be faster than the former.

Run: `python -m benchmarks.shards`
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import report, seconds
from pipeline.storage.parquet import read_rows, read_table, write_table
from pipeline.storage.schema import IMAGES

WRITE_GOAL = 1.3
READ_GOAL = 50.0


@dataclass
class Side:
    """One way to write a shard and to read from it.

    Attributes:
        path: The file.
        write: Writes the table to a path.
        read: Reads one blob by its row number.
        read_all: Reads the image column.
        writes: Seconds of each write.
        reads: Seconds of each read of one blob.
    """

    path: Path
    write: Callable[[Path], object]
    read: Callable[[Path, int], bytes | None]
    read_all: Callable[[Path], pa.Table]
    writes: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)

    def time(self, row: int, blobs: pa.ChunkedArray) -> bool:
        """Write and read once; return whether the blobs are those that were written."""
        self.path.unlink(missing_ok=True)
        os.sync()
        self.writes.append(seconds(partial(self.write, self.path)))
        self.reads.append(seconds(partial(self.read, self.path, row)))
        same = self.read(self.path, row) == blobs[row].as_py()["bytes"]
        return same and self.read_all(self.path)["image"].combine_chunks() == blobs.combine_chunks()


def make_table(rows: int, blob_bytes: int) -> pa.Table:
    """Make a table of images with random blobs and the columns of a real shard."""
    rng = np.random.default_rng(0)
    values: dict[str, list[object]] = {name: [None] * rows for name in IMAGES.names}
    values["prompt_id"] = [f"{row // 32:016x}" for row in range(rows)]
    values["seed"] = [row % 32 for row in range(rows)]
    values["status"] = ["ok"] * rows
    values["image"] = [{"bytes": rng.bytes(blob_bytes), "path": None} for _ in range(rows)]
    return pa.table(values, schema=IMAGES.arrow())


def make_sides(table: pa.Table, folder: Path) -> tuple[Side, Side]:
    """Make our side, and pyarrow with default settings."""
    ours = Side(
        folder / "ours.parquet",
        write=lambda path: write_table(path, table, provenance={}),
        read=_read_ours,
        read_all=lambda path: read_table(path, ["image"]),
    )
    peer = Side(
        folder / "peer.parquet",
        write=lambda path: pq.write_table(table, path),
        read=_read_one,
        read_all=lambda path: pq.read_table(path, columns=["image"]),
    )
    return ours, peer


def _read_ours(path: Path, row: int) -> bytes:
    blob: bytes = read_rows(path, [row], ["image"])["image"][0].as_py()["bytes"]
    return blob


def _read_one(path: Path, row: int) -> bytes:
    blob: bytes = pq.read_table(path, columns=["image"])["image"][row].as_py()["bytes"]
    return blob


def measure(table: pa.Table, pairs: int, folder: Path) -> tuple[Side, Side, bool]:
    """Time both sides in turn, after one warm-up each; return whether all blobs were right."""
    rng = np.random.default_rng(1)
    ours, peer = make_sides(table, folder)
    right = all([side.time(0, table["image"]) for side in (ours, peer)])
    for side in (ours, peer):
        side.writes.clear()
        side.reads.clear()
    for pair in range(pairs):
        row = int(rng.integers(table.num_rows))
        for side in (ours, peer) if pair % 2 == 0 else (peer, ours):
            right &= side.time(row, table["image"])
    return ours, peer, right


def write_raw(blobs: bytes, path: Path, *, wait: bool) -> None:
    """Write bare bytes; with `wait`, wait for the disk."""
    with path.open("wb") as file:
        file.write(blobs)
        file.flush()
        if wait:
            os.fsync(file.fileno())


def floor(size: int, pairs: int, folder: Path) -> dict[str, float]:
    """Median seconds to write `size` bytes, with fsync and without."""
    blobs, path = bytes(size), folder / "raw"
    times: dict[str, list[float]] = {"fsync": [], "page cache": []}
    for _ in range(pairs):
        for name, of_name in times.items():
            path.unlink(missing_ok=True)
            os.sync()
            of_name.append(seconds(partial(write_raw, blobs, path, wait=name == "fsync")))
    return {name: statistics.median(of_name) for name, of_name in times.items()}


def median_ratio(peer: Sequence[float], ours: Sequence[float]) -> float:
    """Median over the pairs of the other side's time divided by ours."""
    return statistics.median(b / a for a, b in zip(ours, peer, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report the ratio that is further from its goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--blobs", type=int, default=3000)
    parser.add_argument("--blob-bytes", type=int, default=98 * 1024)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk to test")
    chosen = parser.parse_args(arguments)
    table = make_table(chosen.blobs, chosen.blob_bytes)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        ours, peer, right = measure(table, chosen.pairs, Path(folder))
        bare = floor(chosen.blobs * chosen.blob_bytes, chosen.pairs, Path(folder))
    write, read = median_ratio(peer.writes, ours.writes), median_ratio(peer.reads, ours.reads)
    megabytes = chosen.blobs * chosen.blob_bytes / 1e6
    writing = write / WRITE_GOAL <= read / READ_GOAL
    a, b = (ours.writes, peer.writes) if writing else (ours.reads, peer.reads)
    return report(
        benchmark="shards",
        ours=statistics.median(a),
        peer=statistics.median(b),
        unit="s to write all blobs" if writing else "s to read one image",
        ratio=write if writing else read,
        goal=WRITE_GOAL if writing else READ_GOAL,
        runs=chosen.pairs,
        ok=right and write >= WRITE_GOAL and read >= READ_GOAL,
        more={
            "blobs": chosen.blobs,
            "blob_bytes": chosen.blob_bytes,
            "same_blobs": right,
            "write_ratio": write,
            "write_goal": WRITE_GOAL,
            "write_mb_per_s": [megabytes / statistics.median(s.writes) for s in (ours, peer)],
            "write_s": [statistics.median(s.writes) for s in (ours, peer)],
            "floor_s": bare,
            "read_ratio": read,
            "read_goal": READ_GOAL,
            "read_ms": [1e3 * statistics.median(s.reads) for s in (ours, peer)],
        },
    )


if __name__ == "__main__":
    sys.exit(main())
