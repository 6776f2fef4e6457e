"""However a grid grows, it is the full product, has each cell once, and moves no tile."""

import hashlib
import itertools
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runs.grid import Block, Order, Tile, axes, cut, grid_hash, grow, make_tile, part
from tests.golden.make_golden import BLOCKS, golden

SEEDS = st.lists(st.integers(0, 2**32 - 1), max_size=7)
PROMPTS = st.lists(st.sampled_from("abcdefgh"), max_size=7)
STEPS = st.lists(
    st.tuples(
        SEEDS, PROMPTS, st.integers(1, 4), st.integers(1, 4), st.sampled_from(["seeds", "prompts"])
    ),
    min_size=1,
    max_size=4,
)
Step = tuple[list[int], list[str], int, int, Order]


def grown(steps: list[Step]) -> list[list[Block]]:
    """The blocks after each step."""
    blocks: list[Block] = []
    history = []
    for seeds, prompts, tile_seeds, tile_prompts, order in steps:
        shape = {"tile_seeds": tile_seeds, "tile_prompts": tile_prompts}
        blocks = [*blocks, *grow(blocks, seeds, prompts, order=order, **shape)]
        history.append(blocks)
    return history


def tiles_of(blocks: list[Block]) -> list[Tile]:
    return [tile for block in blocks for tile in cut(block)]


@given(STEPS)
def test_a_grown_grid_is_the_product_and_no_cell_is_twice(steps: list[Step]) -> None:
    for blocks in grown(steps):
        seeds, prompts = axes(blocks)
        cells = [cell for tile in tiles_of(blocks) for cell in tile.cells]
        assert len(cells) == len(set(cells))
        assert set(cells) == set(itertools.product(prompts, seeds))


@given(STEPS)
def test_what_was_asked_for_is_there(steps: list[Step]) -> None:
    for (seeds, prompts, *_), blocks in zip(steps, grown(steps), strict=True):
        have_seeds, have_prompts = axes(blocks)
        assert not blocks or set(seeds) <= set(have_seeds)
        assert not blocks or set(prompts) <= set(have_prompts)


@given(STEPS)
def test_growing_moves_no_tile(steps: list[Step]) -> None:
    history = grown(steps)
    for before, after in itertools.pairwise(history):
        old = [tile.id for tile in tiles_of(before)]
        assert [tile.id for tile in tiles_of(after)][: len(old)] == old


@given(STEPS)
def test_asking_again_adds_nothing(steps: list[Step]) -> None:
    blocks = grown(steps)[-1]
    seeds, prompts = axes(blocks)
    for few in (1, len(seeds)):
        assert grow(blocks, seeds[:few], prompts, tile_seeds=3, tile_prompts=1, order="seeds") == []


def test_recutting_the_whole_would_move_tiles() -> None:
    """The reason for blocks: one rectangle over all cells would rename tiles drawn before."""
    small = {tile.id for tile in cut(Block((0, 1, 2), ("a",), 2, 2, "seeds"))}
    large = {tile.id for tile in cut(Block((0, 1, 2, 3), ("a", "b"), 2, 2, "seeds"))}
    assert not small <= large


@given(STEPS, st.integers(1, 5))
def test_every_tile_is_in_exactly_one_part(steps: list[Step], count: int) -> None:
    for blocks in grown(steps):
        tiles = tiles_of(blocks)
        parts = [list(part(tiles, index, count)) for index in range(1, count + 1)]
        assert sorted(tile.id for some in parts for tile in some) == sorted(t.id for t in tiles)


@given(STEPS, st.integers(1, 5))
def test_a_tile_stays_in_its_part_when_the_grid_grows(steps: list[Step], count: int) -> None:
    history = grown(steps)
    for index in range(1, count + 1):
        before, after = (list(part(tiles_of(h), index, count)) for h in (history[0], history[-1]))
        assert after[: len(before)] == before


@given(STEPS)
def test_blocks_survive_their_file(steps: list[Step]) -> None:
    for block in grown(steps)[-1]:
        assert Block.from_json(block.to_json()) == block


@given(STEPS, st.randoms(use_true_random=False))
def test_the_grid_hash_knows_the_cells_only(steps: list[Step], rng: random.Random) -> None:
    blocks = grown(steps)[-1]
    seeds, prompts = axes(blocks)
    if not blocks:
        return
    once = Block(
        tuple(rng.sample(seeds, len(seeds))),
        tuple(rng.sample(prompts, len(prompts))),
        1,
        1,
        "seeds",
    )
    assert grid_hash([once]) == grid_hash(blocks)
    new_seed = next(seed for seed in range(99) if seed not in seeds)
    more = grow(blocks, [new_seed], [], tile_seeds=1, tile_prompts=1, order="seeds")
    assert grid_hash([*blocks, *more]) != grid_hash(blocks)


@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=9, unique=True),
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_the_order_finishes_one_axis_first(
    seeds: list[int], prompts: list[str], tile_seeds: int, tile_prompts: int
) -> None:
    by_seed = cut(Block(tuple(seeds), tuple(prompts), tile_seeds, tile_prompts, "seeds"))
    by_prompt = cut(Block(tuple(seeds), tuple(prompts), tile_seeds, tile_prompts, "prompts"))
    seed_parts = [parts for parts, _ in itertools.groupby(tile.seeds for tile in by_seed)]
    prompt_parts = [parts for parts, _ in itertools.groupby(tile.prompt_ids for tile in by_prompt)]
    assert list(itertools.chain(*seed_parts)) == seeds
    assert list(itertools.chain(*prompt_parts)) == prompts


def test_names_are_those_of_all_runs_before() -> None:
    """If this fails, existing runs are not recognised: fix grid.py, not the file."""
    file = Path(__file__).parents[2] / "golden" / "grid.json"
    assert golden() == json.loads(file.read_text(encoding="utf-8"))


def test_a_name_is_the_hash_of_two_lists() -> None:
    """Computed here independently, so that an error in the golden file would be noticed."""
    tile = make_tile((0, 1), ("aaaa", "bbbb"))
    assert tile.id == hashlib.sha256(b"0\n1\nx\naaaa\nbbbb").hexdigest()[:16]
    assert tile.block == hashlib.sha256(b"0\n1").hexdigest()[:8]


@pytest.mark.parametrize(
    "other",
    [
        make_tile((1, 0), ("aaaa",)),
        make_tile((0, 1), ("bbbb",)),
        make_tile((0,), ("aaaa",)),
        make_tile((0, 1, 2), ("aaaa",)),
        make_tile((1,), ("aaaa",)),
    ],
)
def test_other_lists_have_other_names(other: Tile) -> None:
    assert make_tile((0, 1), ("aaaa",)).id != other.id


def test_golden_grids_are_products() -> None:
    for blocks in BLOCKS.values():
        seeds, prompts = axes(blocks)
        cells = {cell for tile in tiles_of(blocks) for cell in tile.cells}
        assert len(cells) == len(seeds) * len(prompts)
