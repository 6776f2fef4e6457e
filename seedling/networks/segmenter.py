"""A small segmenter that is told a word: CLIPSeg's own class, its loss, its folder."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPTokenizer,
    ViTImageProcessor,
)

from seedling.networks.model import TEXT_LENGTH, WEIGHTS
from seedling.networks.preference import half, normalised, tokens
from seedling.networks.recogniser import MEAN, STD
from seedling.networks.tokenizer import new_tokenizer
from seedling.output import say

FOLDER = WEIGHTS / "segmenter"
TEMPLATE = "a photo of a {}"
"""What the segmenter is told; {} is the object's word."""
CHUNK = 64
WIDTH, LAYERS = 128, 4
COARSE, FINE = 8, 4
"""Sides of the patches, in pixels: those it learns words with, at a quarter of the cost, and those
it is shipped with, since masks that one patch of 8 each must say at once end beside the edge."""


class Preprocessing(Protocol):
    """What is written beside a network: transformers' processors of pictures and words."""

    def save_pretrained(self, folder: Path, /) -> object:
        """Write its files into a folder."""


def new_segmenter(tokenizer: CLIPTokenizer, patch: int = COARSE) -> CLIPSegForImageSegmentation:
    """Make an untrained segmenter: pictures and masks of 64 x 64.

    Args:
        tokenizer: Whose vocabulary it reads.
        patch: Side of its patches, in pixels.

    Returns:
        The network in fp32.
    """
    end = tokenizer.eos_token_id
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": TEXT_LENGTH,
        "bos_token_id": end - 1,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 3 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "image_size": 64,
        "patch_size": patch,
    }
    return CLIPSegForImageSegmentation(
        CLIPSegConfig(
            text_config=text,
            vision_config=vision,
            projection_dim=64,
            extract_layers=[1, 2, 3],
            reduce_dim=WIDTH,
            decoder_num_attention_heads=4,
            decoder_intermediate_size=2 * WIDTH,
        )
    )


def in_finer_patches(
    network: CLIPSegForImageSegmentation, tokenizer: CLIPTokenizer, patch: int = FINE
) -> CLIPSegForImageSegmentation:
    """Give a trained segmenter smaller patches, as a start for more training.

    The embedding of a small patch is that of the same patch enlarged (FlexiViT, Beyer et al. 2023,
    arXiv:2212.08013, section 3.4, the other way about), positions are interpolated, and so are the
    pixels that a patch's mask is made of.

    Args:
        network: The segmenter; it is left as it is.
        tokenizer: Its tokenizer.
        patch: Side of the new patches, in pixels.

    Returns:
        Another segmenter in fp32.
    """
    finer, state = new_segmenter(tokenizer, patch), network.state_dict()
    eyes = "clip.vision_model.embeddings.patch_embedding.weight"
    places = "clip.vision_model.embeddings.position_embedding.weight"
    pixels = "decoder.transposed_convolution.weight"
    state[eyes] = _for_enlarged(state[eyes], patch)
    state[places] = _spread(state[places], 64 // patch)
    state[pixels] = functional.interpolate(state[pixels], size=patch)
    finer.load_state_dict(state)
    return finer


def _for_enlarged(kernel: Tensor, patch: int) -> Tensor:
    """The kernel (D, C, patch, patch) that says of a patch what `kernel` says of it enlarged."""
    side, count = kernel.shape[-1], patch * patch
    pixels = torch.eye(count).view(count, 1, patch, patch)
    enlarged = functional.interpolate(pixels, size=(side, side), mode="bilinear")
    return (kernel.flatten(2) @ enlarged.flatten(1).T).view(*kernel.shape[:2], patch, patch)


def _spread(places: Tensor, side: int) -> Tensor:
    """Position vectors (1 + n * n, D) over a finer square: (1 + side * side, D)."""
    square = round((len(places) - 1) ** 0.5)
    grid = places[1:].T.reshape(1, -1, square, square)
    finer = functional.interpolate(grid, size=(side, side), mode="bicubic")
    return torch.cat([places[:1], finer.flatten(2)[0].T])


def logits(network: CLIPSegForImageSegmentation, images: Tensor, ids: Tensor) -> Tensor:
    """What the network's own forward gives, with gradients for both its frozen towers.

    Args:
        network: The segmenter.
        images: float32 (B, 3, 64, 64) in 0..1.
        ids: int64 (B, T), the tokens of one text a picture.

    Returns:
        float32 (B, 64, 64), positive where a pixel is rather of the text's object.
    """
    return answer(network, look(network, images), ids)


def look(network: CLIPSegForImageSegmentation, images: Tensor) -> Any:  # noqa: ANN401 - transformers' output
    """What the vision tower makes of pictures (B, 3, 64, 64) in 0..1."""
    return network.clip.vision_model(normalised(images), output_hidden_states=True)


def answer(network: CLIPSegForImageSegmentation, seen: Any, ids: Tensor) -> Tensor:  # noqa: ANN401
    """`logits` of pictures that the vision tower has seen."""
    distinct, places = torch.unique(ids, dim=0, return_inverse=True)
    told = network.clip.get_text_features(distinct, attention_mask=mask_of(distinct, network))
    activations = [seen.hidden_states[layer + 1] for layer in network.config.extract_layers]
    found: Tensor = network.decoder(activations, told.pooler_output[places]).logits
    return found


def mask_of(ids: Tensor, network: CLIPSegForImageSegmentation) -> Tensor:
    """Which tokens count: all up to the first end token, int64 of the same shape."""
    ends = (ids == network.config.text_config.eos_token_id).long()
    counted: Tensor = (ends.cumsum(dim=1) - ends == 0).long()
    return counted


def segment(
    network: CLIPSegForImageSegmentation,
    tokenizer: CLIPTokenizer,
    images: Tensor,
    words: Sequence[str],
) -> Tensor:
    """Find one word's object in each picture, without gradients.

    Args:
        network: The segmenter, in eval mode.
        tokenizer: Its tokenizer.
        images: float32 (B, 3, 64, 64) in 0..1.
        words: B object words.

    Returns:
        bool (B, 64, 64).
    """
    ids = tokens(tokenizer, [TEMPLATE.format(word) for word in words])
    parts = zip(torch.split(images, CHUNK), torch.split(ids, CHUNK), strict=True)
    with torch.no_grad():
        return torch.cat([logits(network, some, told) > 0 for some, told in parts])


def mask_loss(found: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy of the pixels and Dice of the whole mask.

    Args:
        found: float32 (B, H, W) logits.
        masks: bool (B, H, W); an empty one asks for nothing at all.

    Returns:
        A scalar. Dice: Milletari et al. 2016, arXiv:1606.04797, section 3, with 1 added above
        and below, so that empty masks have a value.

    Example:
        >>> mask = torch.tensor([[[True, False]]])
        >>> sure = torch.tensor([[[20.0, -20.0]]])
        >>> bool(mask_loss(sure, mask) < 1e-3 < 1 < mask_loss(-sure, mask))
        True
    """
    wanted, given = masks.float(), found.sigmoid()
    both = (wanted * given).sum(dim=(1, 2))
    either = (wanted + given).sum(dim=(1, 2))
    dice = 1 - (2 * both + 1) / (either + 1)
    return functional.binary_cross_entropy_with_logits(found, wanted) + dice.mean()


def publish(network: nn.Module, folder: Path = FOLDER) -> None:
    """Write network, vocabulary and preprocessing as transformers reads them, weights in fp16.

    Args:
        network: The segmenter.
        folder: Where to; an earlier one there is replaced once the new one is whole.
    """
    pixels = ViTImageProcessor(
        size={"height": 64, "width": 64}, image_mean=list(MEAN), image_std=list(STD)
    )
    made = CLIPSegProcessor(image_processor=pixels, tokenizer=new_tokenizer())
    write_folder(network, folder, made)


def write_folder(network: nn.Module, folder: Path, preprocessing: Preprocessing) -> None:
    """Write a network of transformers in fp16 with its preprocessing, whole or not at all."""
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    saver: Any = network
    saver.save_pretrained(aside, state_dict=half(network))
    preprocessing.save_pretrained(aside)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
    say(f"wrote {folder}")


def load_segmenter(folder: Path = FOLDER) -> tuple[CLIPSegForImageSegmentation, CLIPTokenizer]:
    """Read the shipped segmenter, fp32, in eval mode, and its tokenizer."""
    network = CLIPSegForImageSegmentation.from_pretrained(folder, dtype=torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    return network.eval(), tokenizer
