"""Checks of the hardware and of what the operating system provides."""

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Final

from goldenseed.steps.doctor.finding import Finding, State

GIB: Final = 2**30
LEAST_MEMORY: Final = 4 * GIB
"""Memory that the smallest run needs with two workers, Ray included."""
LEAST_DISK: Final = 2 * GIB
"""Free space that the default run needs, with some room for temporary files."""


def gpu() -> Finding:
    """Look for a GPU that torch can use."""
    import torch

    if torch.cuda.is_available():
        device = torch.cuda.get_device_properties(0)
        found = f"{torch.cuda.device_count()} x {device.name}, {device.total_memory / GIB:.0f} GiB"
        return Finding("GPU", State.OK, f"{found}, CUDA {torch.version.cuda}")
    advice = (
        "the shipped small models need none; for other models use a machine with an NVIDIA GPU "
        "(docs/gpu.md). If this machine has one, install its driver: there is no `nvidia-smi`"
    )
    if shutil.which("nvidia-smi"):
        advice = (
            f"a driver is installed, but torch {torch.__version__} cannot use it: compare the CUDA "
            f"version that `nvidia-smi` prints with {torch.version.cuda}, which torch was built for"
        )
    return Finding("GPU", State.NOTE, "none that torch can use", advice)


def compiler() -> Finding:
    """Look for a C++ compiler, which `torch.compile` needs."""
    name = os.environ.get("CXX") or next(filter(shutil.which, ("c++", "g++", "clang++")), "")
    path = shutil.which(name) if name else None
    if path:
        return Finding("C++ compiler", State.OK, path)
    advice = "only recipes with `compiled: true` need one: install the package g++"
    return Finding("C++ compiler", State.NOTE, "none", advice)


def memory() -> Finding:
    """Look at the memory of the machine."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = f"{total / GIB:.0f} GiB, {os.cpu_count()} CPU cores"
    if total >= LEAST_MEMORY:
        return Finding("memory", State.OK, found)
    advice = f"use --workers 1 --executor local; two workers need {LEAST_MEMORY / GIB:.0f} GiB"
    return Finding("memory", State.NOTE, found, advice)


def disk(folder: Path) -> Finding:
    """Look at the free space where runs will be written."""
    free = shutil.disk_usage(folder).free
    found = f"{free / GIB:.1f} GiB free in {folder}"
    if free >= LEAST_DISK:
        return Finding("disk", State.OK, found)
    advice = f"free some space, or choose another folder with --out; wanted {LEAST_DISK / GIB} GiB"
    return Finding("disk", State.MISSING, found, advice)


def hard_links(folder: Path) -> Finding:
    """Try a hard link where runs will be written: a shard is put into place by one."""
    check = "hard links"
    try:
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            file = Path(aside) / "file"
            file.touch()
            os.link(file, Path(aside) / "link")
    except OSError as error:
        advice = (
            "runs need a folder that can be written, on a file system with hard links, such as "
            "ext4, xfs, btrfs, APFS, NTFS or NFS; choose one with --out"
        )
        return Finding(check, State.MISSING, f"{folder}: {error.strerror}", advice)
    return Finding(check, State.OK, f"work in {folder}")


def ports() -> Finding:
    """Try to open a port on the loopback address: Ray's processes speak to each other there."""
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
    except OSError as error:
        advice = "allow connections to 127.0.0.1, or use --executor local"
        return Finding("ports", State.NOTE, f"127.0.0.1: {error.strerror}", advice)
    return Finding("ports", State.OK, "127.0.0.1 can be used")
