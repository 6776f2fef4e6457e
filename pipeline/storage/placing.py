"""Gives a finished file its name, unless the name is taken: the step on which all commits rest."""

import ctypes
import errno
import os
from pathlib import Path

from pipeline.errors import StoreError

CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF})
"""What file systems answer that cannot do something."""
NO_LINKS = CANNOT | {errno.EPERM, errno.EMLINK, errno.ESTALE, errno.EXDEV}
"""What file systems without hard links answer when a link is wanted."""
AT_FDCWD, RENAME_NOREPLACE = -100, 1
"""Constants of Linux: paths as they are; refuse to rename over another file."""


def place(aside: Path, target: Path) -> bool:
    """Give a finished file its name, unless the name is taken. Of many processes one succeeds.

    Returns:
        Whether the file has the name. It keeps the name that it had, too, or loses it.

    Raises:
        StoreError: If the file system can do this neither by a hard link nor by a rename.
    """
    try:
        os.link(aside, target)
    except OSError as error:
        # On a network disk the link may have been made and its answer lost; the number of links
        # shows it.
        if aside.stat().st_nlink > 1:
            return True
        if error.errno == errno.EEXIST:
            return False
        if error.errno not in NO_LINKS:
            raise
        return _rename_if_absent(aside, target, error)
    return True


def _rename_if_absent(aside: Path, target: Path, no_link: OSError) -> bool:
    try:
        _rename_without_replacing(aside, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        raise StoreError(
            f"{target}: this file system makes no hard links ({no_link.strerror}), and cannot "
            f"rename without replacing ({error.strerror}). Commits need one of the two, so that of "
            f"several processes exactly one wins; choose a folder on another file system, for "
            f"example a local disk or NFS"
        ) from error
    return True


def _rename_without_replacing(aside: Path, target: Path) -> None:
    """Call renameat2 of Linux, which Python does not offer."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    paths = ctypes.c_char_p(os.fsencode(aside)), ctypes.c_char_p(os.fsencode(target))
    if libc.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_NOREPLACE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))
