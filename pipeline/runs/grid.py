"""The grid: the cells (prompt, seed) that a run draws, cut into tiles.

Pure functions of names and numbers, without torch or Ray, so a plan of tens of millions of cells
takes seconds on a laptop and is the same on every machine.

The grid of a run is always a full product: every prompt with every seed. Then n is equal for all
seeds; otherwise their metrics could not be compared. To grow the grid by seeds, by prompts or by
both is to append *blocks*: rectangles that hold only the new cells. A tile belongs to one block, so
no cell is drawn twice, and no tile at an edge is ever rewritten.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

Value = TypeVar("Value")

Order = Literal["seeds", "prompts"]
"""Which axis is finished first: "seeds" completes blocks of seeds, so that a half-finished run has
complete seeds; "prompts" completes blocks of prompts."""


@dataclass(frozen=True)
class Tile:
    """The cells that become one shard: a list of seeds times a list of prompts.

    Attributes:
        id: Hash of the two lists, 16 hex digits: equal lists give equal tiles in all runs.
        block: Hash of the list of seeds, 8 hex digits; it names the folder of the receipt.
        seeds: The seeds, each in [0, 2**32).
        prompt_ids: The prompts.
    """

    id: str
    block: str
    seeds: tuple[int, ...]
    prompt_ids: tuple[str, ...]

    @property
    def cells(self) -> list[tuple[str, int]]:
        """The cells (prompt_id, seed), prompt by prompt.

        Example:
            >>> make_tile((0, 1), ("a", "b")).cells
            [('a', 0), ('a', 1), ('b', 0), ('b', 1)]
        """
        return [(prompt, seed) for prompt in self.prompt_ids for seed in self.seeds]


@dataclass(frozen=True)
class Block:
    """A rectangle of cells and how it is cut: one line of a grid file.

    Attributes:
        seeds: The seeds of the rectangle.
        prompt_ids: The prompts of the rectangle.
        tile_seeds: Seeds in a tile (fewer at the edge).
        tile_prompts: Prompts in a tile (fewer at the edge).
        order: Which axis is finished first.
    """

    seeds: tuple[int, ...]
    prompt_ids: tuple[str, ...]
    tile_seeds: int
    tile_prompts: int
    order: Order

    def to_json(self) -> str:
        """One line of the grid file."""
        return json.dumps(self.__dict__)

    @classmethod
    def from_json(cls, line: str) -> "Block":
        """Read one line of the grid file.

        Raises:
            ValueError: If it is no block.
            KeyError, TypeError, RecursionError: Likewise.
        """
        fields = json.loads(line)
        fields["seeds"], fields["prompt_ids"] = tuple(fields["seeds"]), tuple(fields["prompt_ids"])
        block = cls(**fields)
        numbers = (block.tile_seeds, block.tile_prompts, *(seed + 1 for seed in block.seeds))
        if not all(type(number) is int and number > 0 for number in numbers):
            raise ValueError("a seed or the size of a tile is no whole number, or too small")
        if block.order not in get_args(Order) or set(map(type, block.prompt_ids)) - {str}:
            raise ValueError("an order or the id of a prompt is none")
        return block


def _hash(values: Iterable[object], digits: int) -> str:
    return hashlib.sha256("\n".join(map(str, values)).encode()).hexdigest()[:digits]


def _parts(values: tuple[Value, ...], size: int) -> list[tuple[Value, ...]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def make_tile(seeds: tuple[int, ...], prompt_ids: tuple[str, ...]) -> Tile:
    """Make the tile of these lists; their hash is its name."""
    tile_id = _hash([*seeds, "x", *prompt_ids], 16)
    return Tile(tile_id, _hash(seeds, 8), seeds, prompt_ids)


def cut(block: Block) -> Iterator[Tile]:
    """Cut a block into tiles, in the block's order.

    Example:
        >>> block = Block((0, 1, 2), ("a", "b"), 2, 1, "seeds")
        >>> [(tile.seeds, tile.prompt_ids) for tile in cut(block)]
        [((0, 1), ('a',)), ((0, 1), ('b',)), ((2,), ('a',)), ((2,), ('b',))]
    """
    seed_parts = _parts(block.seeds, block.tile_seeds)
    prompt_parts = _parts(block.prompt_ids, block.tile_prompts)
    if block.order == "seeds":
        return (make_tile(s, p) for s in seed_parts for p in prompt_parts)
    return (make_tile(s, p) for p in prompt_parts for s in seed_parts)


def axes(blocks: Sequence[Block]) -> tuple[list[int], list[str]]:
    """The seeds and prompts of a grid, in the order in which they were added."""
    seeds = dict.fromkeys(seed for block in blocks for seed in block.seeds)
    prompt_ids = dict.fromkeys(prompt for block in blocks for prompt in block.prompt_ids)
    return list(seeds), list(prompt_ids)


def grow(
    blocks: Sequence[Block],
    seeds: Sequence[int],
    prompt_ids: Sequence[str],
    *,
    tile_seeds: int,
    tile_prompts: int,
    order: Order,
) -> list[Block]:
    """The blocks to append so that the grid has all old and all wanted seeds and prompts.

    Args:
        blocks: The blocks that the grid has, possibly none.
        seeds: The wanted seeds; seeds that the grid has cost nothing.
        prompt_ids: The wanted prompts; prompts that the grid has cost nothing.
        tile_seeds: Seeds in a tile of the new blocks.
        tile_prompts: Prompts in a tile of the new blocks.
        order: Which axis the new blocks finish first.

    Returns:
        At most two blocks: the old seeds with the new prompts, and the new seeds with all
        prompts. Empty when there is nothing new.

    Example:
        >>> shape = {"tile_seeds": 2, "tile_prompts": 2, "order": "seeds"}
        >>> first = grow([], [0, 1], ["a"], **shape)
        >>> [(block.seeds, block.prompt_ids) for block in grow(first, [1, 2], ["a", "b"], **shape)]
        [((0, 1), ('b',)), ((2,), ('a', 'b'))]
    """
    old_seeds, old_prompts = axes(blocks)
    new_seeds = list(dict.fromkeys([*old_seeds, *seeds]))[len(old_seeds) :]
    new_prompts = list(dict.fromkeys([*old_prompts, *prompt_ids]))[len(old_prompts) :]
    rectangles = [(old_seeds, new_prompts), (new_seeds, [*old_prompts, *new_prompts])]
    return [
        Block(tuple(s), tuple(p), tile_seeds, tile_prompts, order) for s, p in rectangles if s and p
    ]


def grid_hash(blocks: Sequence[Block]) -> str:
    """Name of the set of cells, 16 hex digits; the order in which it grew does not matter."""
    seeds, prompt_ids = axes(blocks)
    return _hash([*sorted(seeds), "x", *sorted(prompt_ids)], 16)


def part(tiles: Iterable[Tile], index: int, count: int) -> Iterator[Tile]:
    """The tiles of part `index` (from 1) of `count`, split by tile id.

    Each tile is in exactly one part, and stays in it when the grid grows.

    Example:
        >>> tiles = list(cut(Block((0, 1), ("a", "b"), 1, 1, "seeds")))
        >>> sum(len(list(part(tiles, i, 3))) for i in (1, 2, 3))
        4
    """
    return (tile for tile in tiles if int(tile.id, 16) % count == index - 1)
