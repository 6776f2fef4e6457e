"""Gives a finished run the layout of earlier versions."""

import shutil
from pathlib import Path


def make_old(run: Path) -> Path:
    """Move receipts and manifests beside the data, and leave what a killed attempt left then."""
    for folder in [run / "images", *(run / "features").iterdir()]:
        receipts = run / "receipts" / folder.relative_to(run)
        for manifest in receipts.glob("manifest.parquet"):
            manifest.rename(folder / manifest.name)
        receipts.rename(folder / "receipts")
    shutil.rmtree(run / "receipts")
    data = next((run / "images").glob("*/*.parquet"))
    shutil.copy(data, data.with_name(f"{data.name.partition('-')[0]}-00000000.parquet"))
    return run
