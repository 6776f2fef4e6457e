"""Write the prompt files `prompts/*.jsonl`: `python -m seedling.make.prompts`."""

import argparse
import json
from pathlib import Path

from seedling.files import say, write_bytes
from seedling.world.prompts import dreambooth_prompts, seedling_prompts, synthetic_prompts


def main() -> None:
    """Write the files from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("prompts"))
    folder = parser.parse_args().folder
    files = {
        "seedling": seedling_prompts(),
        "synthetic": synthetic_prompts(),
        "dreambooth": dreambooth_prompts(),
    }
    for name, rows in files.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_bytes(folder / f"{name}.jsonl", text.encode())
        say(f"{folder / name}.jsonl: {len(rows)} prompts")


if __name__ == "__main__":
    main()
