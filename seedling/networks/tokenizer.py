"""Build the seedlings' vocabulary: byte-pair merges learned from the words of our prompt files.

The layout is CLIP's: 256 byte symbols, the same 256 with the end-of-word mark, one token for each
merge, then the start token and the end token. Every byte has a symbol, so any text can be encoded.
Byte symbols follow GPT-2's `bytes_to_unicode` (https://github.com/openai/gpt-2, src/encoder.py).
Merging follows Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword
Units", section 3.2.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from torch import Tensor
from transformers import CLIPTokenizer

from seedling.files import write_json
from seedling.networks.model import TEXT_LENGTH
from seedling.world.prompts import seedling_prompts, synthetic_prompts
from seedling.world.sentences import sentence
from seedling.world.vocabulary import EXTREMES, PLACES, TONES

WORD_END = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"
VOCABULARY_LIMIT = 2000
"""Maximum number of tokens in our vocabulary."""

Symbols = tuple[str, ...]


def byte_symbols() -> list[str]:
    """Return the printable character of each byte, in CLIP's order.

    Example:
        >>> symbols = byte_symbols()
        >>> len(symbols), len(set(symbols)), symbols[0]
        (256, 256, '!')
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]


def world_words() -> Counter[str]:
    """Count the words of all prompt files and of every wording of the world's sentences."""
    texts = [row["text"] for row in [*seedling_prompts(), *synthetic_prompts()]]
    texts += EXTREMES
    texts += [
        sentence((0, 1, place, tone), variant=variant)
        for place in range(len(PLACES))
        for tone in range(len(TONES))
        for variant in range(6)
    ]
    return Counter(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))


def learn_merges(words: Counter[str], *, limit: int) -> list[tuple[str, str]]:
    """Merge the most frequent pair of neighbours repeatedly.

    Args:
        words: Words in lower-case ASCII letters, with counts.
        limit: Maximum number of merges.

    Returns:
        The merges in order; ties go to the alphabetically first pair.

    Example:
        >>> learn_merges(Counter({"cup": 2, "up": 1}), limit=5)
        [('u', 'p</w>'), ('c', 'up</w>')]
    """
    split = {(*word[:-1], word[-1] + WORD_END): count for word, count in words.items()}
    merges: list[tuple[str, str]] = []
    while len(merges) < limit:
        pairs = _pairs(split)
        if not pairs:
            break
        merges.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        split = {_merged(symbols, merges[-1]): count for symbols, count in split.items()}
    return merges


def _pairs(split: dict[Symbols, int]) -> Counter[tuple[str, str]]:
    pairs: Counter[tuple[str, str]] = Counter()
    for symbols, count in split.items():
        for pair in pairwise(symbols):
            pairs[pair] += count
    return pairs


def _merged(symbols: Symbols, pair: tuple[str, str]) -> Symbols:
    merged: list[str] = []
    for symbol in symbols:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return tuple(merged)


def write_tokenizer(folder: Path, merges: Iterable[tuple[str, str]]) -> None:
    """Write `vocab.json` and `merges.txt` in the format that CLIP's tokenizer reads."""
    merges = list(merges)
    symbols = byte_symbols()
    tokens = [
        *symbols,
        *(symbol + WORD_END for symbol in symbols),
        *(left + right for left, right in merges),
        START,
        END,
    ]
    write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def world_merges() -> list[tuple[str, str]]:
    """Learn the merges of our vocabulary; the result is always the same."""
    return learn_merges(world_words(), limit=VOCABULARY_LIMIT - 514)


def new_tokenizer() -> CLIPTokenizer:
    """Learn the vocabulary and make the tokenizer: 24 tokens per prompt, padded with the end token.

    Example:
        >>> tokens = new_tokenizer()("a red horse").input_ids
        >>> len(tokens)
        5
    """
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(Path(folder), world_merges())
        return CLIPTokenizer.from_pretrained(
            folder,
            model_max_length=TEXT_LENGTH,
            pad_token=END,
            unk_token=END,
            bos_token=START,
            eos_token=END,
        )


def token_ids(tokenizer: CLIPTokenizer, prompts: list[str]) -> Tensor:
    """Tokenise prompts as the pipeline does: int64 (B, 24)."""
    ids: Tensor = tokenizer(
        prompts,
        padding="max_length",
        truncation=True,
        return_tensors="pt",
        max_length=tokenizer.model_max_length,
    ).input_ids
    return ids
