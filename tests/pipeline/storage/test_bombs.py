"""Small files that unfold to a large memory are refused before they are decoded."""

import hashlib
import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from analysis.reference import sources
from analysis.reference.sources import open_source
from pipeline.errors import ImageFileError, PromptError, ShardError
from pipeline.prompts import conditions
from pipeline.prompts.conditions import Conditions
from pipeline.prompts.image_files import MAX_PIXELS, decode_image_file
from pipeline.storage.parquet import read_rows, read_table
from pipeline.storage.schema import IMAGE_TYPE

ROWS = 50_000_000
GIGABYTE = 10**9
IN_A_PROCESS = """
import re, sys
from pathlib import Path
from analysis.reference.sources import open_source
from pipeline.errors import GoldenseedError
from pipeline.prompts.image_files import decode_image_file
from pipeline.storage.parquet import read_table

read = {
    "shard": lambda path: read_table(path),
    "reference": lambda path: open_source(path).names,
    "image": lambda path: decode_image_file(path.read_bytes()),
}[sys.argv[1]]
try:
    read(Path(sys.argv[2]))
    print("read")
except GoldenseedError as error:
    print(error)
# Not getrusage: its peak includes that of the process which started this one.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(int(peak.group(1)) * 1024)
"""


def read_apart(what: str, path: Path) -> str:
    """Read a file in a process of its own, in less than 1 GB; give what it says."""
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, what, path],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    words, peak = done.stdout.rsplit("\n", 2)[:2]
    assert int(peak) < GIGABYTE, f"{int(peak):,} bytes"
    return words


def nulls(path: Path, kind: pa.DataType, rows: int = ROWS, name: str = "image") -> Path:
    """Write rows without a value, a million at a time."""
    schema = pa.schema([(name, kind)])
    some = pa.record_batch([pa.nulls(min(rows, 10**6), kind)], schema=schema)
    with pq.ParquetWriter(path, schema) as writer:
        for _ in range(rows // some.num_rows):
            writer.write_batch(some, row_group_size=rows)
    return path


def test_a_shard_of_nulls_is_refused(tmp_path: Path) -> None:
    path = nulls(tmp_path / "shard.parquet", pa.int64())
    assert path.stat().st_size < 200_000
    assert "would take 400,000,000 in memory (50,000,000 rows)" in read_apart("shard", path)
    with pytest.raises(ShardError, match="50,000,000 rows"):
        read_rows(path, [0], ["image"])


def test_a_shard_of_long_empty_vectors_is_refused(tmp_path: Path) -> None:
    path = nulls(tmp_path / "shard.parquet", pa.list_(pa.float32(), 2**16), rows=2048)
    with pytest.raises(ShardError, match="would take 536,870,912 in memory"):
        read_table(path)


def test_large_tables_that_their_file_accounts_for_are_read(tmp_path: Path) -> None:
    """More than 256 MiB of numbers of which each takes 6 bytes of the file."""
    values = np.random.default_rng(0).integers(0, 2**20, 2**21)
    with pq.ParquetWriter(tmp_path / "t.parquet", pa.schema([("n", pa.int64())])) as writer:
        for _ in range(20):
            writer.write_table(pa.table({"n": values}))
    assert read_table(tmp_path / "t.parquet").num_rows == 20 * 2**21


def test_a_reference_of_nulls_is_refused(tmp_path: Path) -> None:
    path = nulls(tmp_path / "r.parquet", IMAGE_TYPE)
    assert path.stat().st_size < 200_000
    assert "50,000,000 rows; wanted at most 2,000,000" in read_apart("reference", path)


def test_the_rows_of_all_files_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        nulls(tmp_path / f"{name}.parquet", IMAGE_TYPE, rows=6)
    assert len(open_source(tmp_path).names) == 12
    monkeypatch.setattr(sources, "MOST_IMAGES", 11)
    with pytest.raises(ImageFileError, match="12 rows"):
        open_source(tmp_path)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def blank_png(width: int, height: int, *, colours: int) -> bytes:
    """A PNG of one colour, written row by row; `colours` 2 is RGB and 6 is RGBA."""
    packer, row = zlib.compressobj(), bytes([0]) + b"\xff" * width * (3 if colours == 2 else 4)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def test_a_huge_image_is_refused(tmp_path: Path) -> None:
    data = blank_png(9459, 9459, colours=2)
    assert len(data) < 300_000
    (tmp_path / "image.png").write_bytes(data)
    words = read_apart("image", tmp_path / "image.png")
    assert words == "too large: 9459 x 9459 is 89,472,681 pixels; wanted at most 40,000,000"


def test_the_largest_image_takes_less_than_a_gigabyte(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(blank_png(8000, MAX_PIXELS // 8000, colours=6))
    assert read_apart("image", tmp_path / "image.png") == "read"


def named(folder: Path, data: bytes) -> str:
    """Put a condition into a folder under its hash."""
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / f"{sha256}.png").write_bytes(data)
    return sha256


def test_a_huge_condition_is_refused(tmp_path: Path) -> None:
    sha256 = named(tmp_path, blank_png(9459, 9459, colours=2))
    with pytest.raises(PromptError, match="too large: 9459 x 9459"):
        Conditions(tmp_path)[sha256]


def test_a_row_of_numbers_that_is_not_there_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,), }\n"
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with pytest.raises(PromptError, match=r"a damaged \.npy file"):
        Conditions(tmp_path)[named(tmp_path, data)]


def encoded(size: int, colour: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), (colour, 0, 0)).save(file, "PNG")
    return file.getvalue()


def count_decoded(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    calls: list[int] = []

    def counted(data: bytes) -> object:
        calls.append(1)
        return decode_image_file(data)

    monkeypatch.setattr(conditions, "decode_image_file", counted)
    return lambda: len(calls)


def test_kept_conditions_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = count_decoded(monkeypatch)
    names = [named(tmp_path, encoded(16, colour)) for colour in range(4)]
    monkeypatch.setattr(conditions, "KEPT_PIXELS", 2 * 16 * 16)
    images = Conditions(tmp_path)
    for name in (names[0], names[1], names[0], names[2], names[0]):
        assert images[name].size == (16, 16)
    assert decoded() == 3  # the first stayed, since it was looked up last
    _ = images[names[1]]
    assert decoded() == 4
    monkeypatch.setattr(conditions, "KEPT_PIXELS", 1)
    assert images[names[3]].getpixel((0, 0)) == (3, 0, 0)
