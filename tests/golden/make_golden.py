"""Write grid.json: names that must never change, because run folders hold them.

A change here means that no run drawn before is found again. Run it only to add names:

    python tests/golden/make_golden.py
"""

import json
from pathlib import Path

from pipeline.runs.grid import Block, cut, grid_hash

BLOCKS = {
    "one cell": [Block((0,), ("0123456789abcdef",), 1, 1, "seeds")],
    "edges": [Block(tuple(range(5)), ("aaaa", "bbbb", "cccc"), 2, 2, "seeds")],
    "prompts first": [Block(tuple(range(5)), ("aaaa", "bbbb", "cccc"), 2, 2, "prompts")],
    "largest seed": [Block((2**32 - 1, 7), ("aaaa",), 8, 8, "seeds")],
    "grown": [
        Block((0, 1), ("aaaa",), 2, 1, "seeds"),
        Block((0, 1), ("bbbb",), 2, 1, "seeds"),
        Block((2,), ("aaaa", "bbbb"), 2, 1, "seeds"),
    ],
}


def golden() -> dict[str, object]:
    """For each grid its hash, and block and id of each tile in drawing order."""
    return {
        name: {
            "grid_hash": grid_hash(blocks),
            "tiles": [f"{tile.block}/{tile.id}" for block in blocks for tile in cut(block)],
        }
        for name, blocks in BLOCKS.items()
    }


if __name__ == "__main__":
    text = json.dumps(golden(), indent=1) + "\n"
    Path(__file__).with_name("grid.json").write_text(text, encoding="utf-8")
