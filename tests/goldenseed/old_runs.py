"""Gives a finished run the layout of earlier versions."""

import json
import shutil
from pathlib import Path


def make_old(run: Path) -> Path:
    """Put receipts and manifests beside the data, take seals away, and leave a killed attempt."""
    for manifest in (run / "manifests").rglob("*.parquet"):
        kind = manifest.relative_to(run / "manifests").with_suffix("")
        manifest.rename(run / kind / "manifest.parquet")
    for folder in [run / "images", *(run / "features").iterdir()]:
        (run / "receipts" / folder.relative_to(run)).rename(folder / "receipts")
    for left in ("receipts", "manifests", "drivers", "attempts"):
        shutil.rmtree(run / left, ignore_errors=True)
    for path in [*run.glob("*.json"), *run.glob("grid/*.json"), *run.glob("studies/*/*.json")]:
        fields = json.loads(path.read_text())
        del fields["sha256"]
        fields.pop("index", None)
        path.write_text(json.dumps(fields, indent=1))
    data = next((run / "images").glob("*/*.parquet"))
    shutil.copy(data, data.with_name(f"{data.name.partition('-')[0]}-00000000.parquet"))
    return run
