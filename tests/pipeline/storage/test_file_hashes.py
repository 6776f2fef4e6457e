"""Hashes of files depend on names and contents, not on the folder or the order."""

import hashlib
from pathlib import Path

from pipeline.storage.file_hashes import sha256_of_file, sha256_of_files


def written(folder: Path, **contents: str) -> list[Path]:
    folder.mkdir()
    for name, text in contents.items():
        (folder / name).write_text(text)
    return [folder / name for name in contents]


def test_the_hash_of_a_file_is_plain_sha256(tmp_path: Path) -> None:
    (path,) = written(tmp_path / "a", x="text")
    assert sha256_of_file(path) == hashlib.sha256(b"text").hexdigest()


def test_names_and_contents_count_but_folder_and_order_do_not(tmp_path: Path) -> None:
    first = written(tmp_path / "a", x="1", y="2")
    wanted = sha256_of_files(tmp_path / "a", first)
    again = written(tmp_path / "b", y="2", x="1")
    assert sha256_of_files(tmp_path / "b", again) == wanted
    # Contents swapped, a file renamed, and a border moved between two files.
    for number, other in enumerate(({"x": "2", "y": "1"}, {"x": "1", "z": "2"}, {"x": "12"})):
        folder = tmp_path / f"other{number}"
        assert sha256_of_files(folder, written(folder, **other)) != wanted
