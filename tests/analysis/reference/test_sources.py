"""Test sources of real images: a damaged file is an error, and a larger sample only adds images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.reference import sources
from analysis.reference.sources import open_source
from pipeline.errors import ImageFileError
from pipeline.prompts.making.dense import plan_tasks
from pipeline.storage.schema import IMAGE_TYPE

N = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write files whose content is their name; nothing here is decoded."""
    made = tmp_path / "pictures"
    made.mkdir()
    for number in range(N):
        (made / f"{number}.png").write_bytes(f"{number}.png".encode())
    return made


def write_parquet(path: Path, values: list[bytes], *, checksums: bool = False) -> None:
    """Write without compression, so that the values are in the file as they are."""
    rows = [{"bytes": value, "path": "seagull.png"} for value in values]
    table = pa.table({"image": pa.array(rows, IMAGE_TYPE)})
    pq.write_table(
        table, path, row_group_size=7, compression="NONE", use_dictionary=False,
        write_page_checksum=checksums,
    )  # fmt: skip


def replace(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert len(old) == len(new)
    assert old in data
    path.write_bytes(data.replace(old, new))


def everything(path: Path, count: int | None = None) -> list[bytes]:
    source = open_source(path, count)
    return list(source.read(0, len(source.names)))


def test_a_larger_count_only_adds(folder: Path) -> None:
    all_names = list(open_source(folder).names)
    small, large = (list(open_source(folder, count).names) for count in (10, 25))
    assert (len(small), len(large)) == (10, 25)
    assert set(small) < set(large) < set(all_names)
    assert small == [name for name in all_names if name in small]
    assert small != all_names[:10]  # the naive sample
    assert everything(folder, 10) == [name.encode() for name in small]
    (described,) = plan_tasks(folder, all_names, count=10)
    assert set(described.names) == set(small)
    with pytest.raises(ImageFileError, match="holds 40 images; 41 are wanted"):
        open_source(folder, 41)


def test_rows_of_parquet_are_a_sample_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "READ_ROWS", 3)
    values = [f"value {number}".encode() for number in range(N)]
    (tmp_path / "p").mkdir()
    write_parquet(tmp_path / "p" / "a.parquet", values[:15])
    write_parquet(tmp_path / "p" / "b.parquet", values[15:])
    source = open_source(tmp_path / "p", 9)
    rows = [name.split(".parquet#") for name in source.names]
    wanted = [values[int(row) + (15 if name == "b" else 0)] for name, row in rows]
    assert {name for name, _ in rows} == {"a", "b"}
    assert everything(tmp_path / "p", 9) == wanted
    assert list(source.read(2, 7)) == wanted[2:7]
    assert everything(tmp_path / "p") == values


def spoil_header(path: Path) -> None:
    replace(path, path.read_bytes()[4:24], b"\xff" * 20)


def spoil_value(path: Path) -> None:
    replace(path, b"value 17", b"value 1\xff")


def spoil_path(path: Path) -> None:
    replace(path, b"seagull", b"\xff\xfeagull")


@pytest.mark.parametrize(
    ("spoil", "checksums"), [(spoil_header, False), (spoil_value, True), (spoil_path, False)]
)
def test_a_damaged_page_is_an_error(
    tmp_path: Path, spoil: Callable[[Path], None], *, checksums: bool
) -> None:
    path = tmp_path / "p.parquet"
    values = [f"value {number}".encode() for number in range(N)]
    write_parquet(path, values, checksums=checksums)
    assert everything(path) == values
    spoil(path)
    with pytest.raises(ImageFileError, match=r"p\.parquet is damaged: .*; download it again"):
        everything(path)


def test_without_the_checksums_a_changed_value_would_be_read(tmp_path: Path) -> None:
    """The negative control: pyarrow's own default looks at none."""
    path = tmp_path / "p.parquet"
    write_parquet(path, [f"value {number}".encode() for number in range(N)], checksums=True)
    spoil_value(path)
    read = pq.read_table(path)["image"].to_pylist()
    assert b"value 1\xff" in {row["bytes"] for row in read}


def test_a_picture_that_is_gone_is_an_error(folder: Path) -> None:
    source = open_source(folder)
    (folder / "7.png").unlink()
    with pytest.raises(ImageFileError, match=r"7\.png cannot be read: .*; make it readable"):
        list(source.read(0, N))
    assert len(np.unique(list(source.read(0, 5)))) == 5  # those before it are read
