"""Plants a Python file in a model's folder; it leaves a marker where anything imports it."""

import json
from pathlib import Path
from typing import Any

MODULE = "theirs"
CONFIGURATIONS = ("config.json", "tokenizer_config.json", "preprocessor_config.json")


def plant(folder: Path, **more: Any) -> Path:  # noqa: ANN401 - values of JSON
    """Let each configuration file below a folder name the file; return the marker's path."""
    marker = folder / "marker"
    for name in CONFIGURATIONS:
        for file in folder.rglob(name):
            classes = ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoImageProcessor")
            auto_map: dict[str, Any] = {kind: f"{MODULE}.Theirs" for kind in classes}
            auto_map["AutoTokenizer"] = [f"{MODULE}.Theirs", None]
            edit(file, auto_map=auto_map, **more)
            write_module(file.with_name(f"{MODULE}.py"), marker)
    return marker


def write_module(file: Path, marker: Path) -> None:
    """Write a module that leaves the marker when it is imported."""
    file.write_text(
        "import pathlib\nfrom transformers import CLIPTokenizer\n"
        f"pathlib.Path({str(marker)!r}).touch()\n\n\nclass Theirs(CLIPTokenizer):\n    pass\n"
    )


def edit(file: Path, **fields: Any) -> None:  # noqa: ANN401 - values of JSON
    """Put fields into a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))
