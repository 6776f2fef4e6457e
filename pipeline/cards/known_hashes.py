"""Hashes of checkpoint files, computed once per process while a file stays as it is.

A run resolves its card for each arm and each actor, and a checkpoint has gigabytes. A file counts
as unchanged while its size, its times and its inode are the same.
"""

import time
from functools import lru_cache
from pathlib import Path

from pipeline.storage.file_hashes import sha256_of_file

SETTLED_NS = 2_000_000_000
"""A file written less than two seconds ago is always hashed: two writes may share a time stamp."""


def known_sha256(path: Path) -> str:
    """Hash a file's content, unless this process has hashed the same file before.

    Raises:
        OSError: If it cannot be read.
    """
    stat = path.stat()
    if time.time_ns() - stat.st_mtime_ns < SETTLED_NS:
        return sha256_of_file(path)
    return _sha256(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, mtime_ns: int, ctime_ns: int, inode: int) -> str:
    """The hash of a file in this state; all arguments together name the state."""
    del size, mtime_ns, ctime_ns, inode
    return sha256_of_file(path)
