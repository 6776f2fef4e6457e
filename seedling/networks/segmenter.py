"""Build, run and write the segmenter, a small CLIPSeg network that finds a named object."""

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

from seedling.files import WEIGHTS, say, whole_folder
from seedling.networks.model import TEXT_LENGTH
from seedling.networks.preference import half, normalised, tokens
from seedling.networks.recogniser import MEAN, STD
from seedling.networks.tokenizer import new_tokenizer

FOLDER = WEIGHTS / "segmenter"
TEMPLATE = "a photo of a {}"
"""The text that the segmenter reads; {} is the object's word."""
CHUNK = 64
"""Images that `segment` reads at once."""
WIDTH, LAYERS = 128, 4
COARSE, FINE = 8, 4
"""Sides of the patches, in pixels. Training starts with coarse patches, at a quarter of the cost,
and ends with fine patches: a coarse patch predicts 8 x 8 mask pixels at once and misses edges."""


class Preprocessing(Protocol):
    """A preprocessor of transformers: of images, or of images and text."""

    def save_pretrained(self, folder: Path, /) -> object:
        """Write the configuration of the preprocessor into a folder."""


def new_segmenter(tokenizer: CLIPTokenizer, patch: int = COARSE) -> CLIPSegForImageSegmentation:
    """Make an untrained segmenter for images and masks of 64 x 64.

    Args:
        tokenizer: The tokenizer of its texts.
        patch: Side of the patches, in pixels.

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


def with_finer_patches(
    network: CLIPSegForImageSegmentation, tokenizer: CLIPTokenizer, patch: int = FINE
) -> CLIPSegForImageSegmentation:
    """Copy a trained segmenter with smaller patches, as a start for more training.

    The new network embeds a small patch as the old network embeds the same patch enlarged to the
    old size (the reverse of FlexiViT, Beyer et al. 2023, arXiv:2212.08013, section 3.4). Position
    embeddings and the kernel that produces a patch's mask are interpolated.

    Args:
        network: The segmenter; it is not changed.
        tokenizer: Its tokenizer.
        patch: Side of the new patches, in pixels.

    Returns:
        A new segmenter in fp32.
    """
    finer, state = new_segmenter(tokenizer, patch), network.state_dict()
    patches = "clip.vision_model.embeddings.patch_embedding.weight"
    positions = "clip.vision_model.embeddings.position_embedding.weight"
    pixels = "decoder.transposed_convolution.weight"
    state[patches] = _kernel_for_small_patches(state[patches], patch)
    state[positions] = _interpolated(state[positions], 64 // patch)
    state[pixels] = functional.interpolate(state[pixels], size=patch)
    finer.load_state_dict(state)
    return finer


def _kernel_for_small_patches(kernel: Tensor, patch: int) -> Tensor:
    """Convert a patch kernel to smaller patches: (D, C, side, side) -> (D, C, patch, patch).

    The result embeds a small patch as `kernel` embeds the patch enlarged to its own size.
    """
    side, count = kernel.shape[-1], patch * patch
    pixels = torch.eye(count).view(count, 1, patch, patch)
    enlarged = functional.interpolate(pixels, size=(side, side), mode="bilinear")
    return (kernel.flatten(2) @ enlarged.flatten(1).T).view(*kernel.shape[:2], patch, patch)


def _interpolated(positions: Tensor, side: int) -> Tensor:
    """Interpolate position vectors (1 + n * n, D) to a finer square: (1 + side * side, D)."""
    old_side = round((len(positions) - 1) ** 0.5)
    grid = positions[1:].T.reshape(1, -1, old_side, old_side)
    finer = functional.interpolate(grid, size=(side, side), mode="bicubic")
    return torch.cat([positions[:1], finer.flatten(2)[0].T])


def logits(network: CLIPSegForImageSegmentation, images: Tensor, ids: Tensor) -> Tensor:
    """Compute mask logits as the network's forward pass does, but with gradients for both towers.

    Args:
        network: The segmenter.
        images: float32 (B, 3, 64, 64) in 0..1.
        ids: int64 (B, T), the tokens of one text per image.

    Returns:
        float32 (B, 64, 64), positive where a pixel more likely belongs to the text's object.
    """
    return mask_logits(network, encode_images(network, images), ids)


def encode_images(network: CLIPSegForImageSegmentation, images: Tensor) -> Any:  # noqa: ANN401 - transformers' output
    """Run the vision tower on images (B, 3, 64, 64) in 0..1."""
    return network.clip.vision_model(normalised(images), output_hidden_states=True)


def mask_logits(network: CLIPSegForImageSegmentation, encoded: Any, ids: Tensor) -> Tensor:  # noqa: ANN401
    """Compute `logits` from the output of `encode_images`."""
    distinct, rows = torch.unique(ids, dim=0, return_inverse=True)
    attended = attention_mask(distinct, network)
    texts = network.clip.get_text_features(distinct, attention_mask=attended)
    activations = [encoded.hidden_states[layer + 1] for layer in network.config.extract_layers]
    predicted: Tensor = network.decoder(activations, texts.pooler_output[rows]).logits
    return predicted


def attention_mask(ids: Tensor, network: CLIPSegForImageSegmentation) -> Tensor:
    """Compute the attention mask of tokens, int64 (B, T): 1 up to the first end token, then 0."""
    ends = (ids == network.config.text_config.eos_token_id).long()
    mask: Tensor = (ends.cumsum(dim=1) - ends == 0).long()
    return mask


def segment(
    network: CLIPSegForImageSegmentation,
    tokenizer: CLIPTokenizer,
    images: Tensor,
    words: Sequence[str],
) -> Tensor:
    """Find an object in each image, without gradients.

    Args:
        network: The segmenter, in eval mode.
        tokenizer: Its tokenizer.
        images: float32 (B, 3, 64, 64) in 0..1.
        words: The name of the object to find in each image.

    Returns:
        bool (B, 64, 64): the pixels of the object.
    """
    ids = tokens(tokenizer, [TEMPLATE.format(word) for word in words])
    chunks = zip(torch.split(images, CHUNK), torch.split(ids, CHUNK), strict=True)
    with torch.no_grad():
        return torch.cat([logits(network, pixels, texts) > 0 for pixels, texts in chunks])


def mask_loss(predicted: Tensor, masks: Tensor) -> Tensor:
    """Compute the pixels' mean cross-entropy plus the mean Dice loss of the masks.

    Args:
        predicted: float32 (B, H, W) logits.
        masks: bool (B, H, W); an empty mask means that the object is absent.

    Returns:
        A scalar. The Dice loss is that of Milletari et al. 2016, arXiv:1606.04797, section 3, with
        1 added to numerator and denominator because empty masks would divide 0 by 0.

    Example:
        >>> mask = torch.tensor([[[True, False]]])
        >>> sure = torch.tensor([[[20.0, -20.0]]])
        >>> bool(mask_loss(sure, mask) < 1e-3 < 1 < mask_loss(-sure, mask))
        True
    """
    target, probability = masks.float(), predicted.sigmoid()
    overlap = (target * probability).sum(dim=(1, 2))
    total = (target + probability).sum(dim=(1, 2))
    dice = 1 - (2 * overlap + 1) / (total + 1)
    return functional.binary_cross_entropy_with_logits(predicted, target) + dice.mean()


def publish(network: nn.Module, folder: Path = FOLDER) -> None:
    """Write network, vocabulary and preprocessing in transformers' layout, weights in fp16.

    Args:
        network: The segmenter.
        folder: Target folder. An existing folder is replaced once the new files are complete.
    """
    pixels = ViTImageProcessor(
        size={"height": 64, "width": 64}, image_mean=list(MEAN), image_std=list(STD)
    )
    processor = CLIPSegProcessor(image_processor=pixels, tokenizer=new_tokenizer())
    write_folder(network, folder, processor)


def write_folder(network: nn.Module, folder: Path, preprocessing: Preprocessing) -> None:
    """Write a network in fp16 and its preprocessing; a failed write keeps the old folder."""
    pretrained: Any = network
    with whole_folder(folder) as unfinished:
        pretrained.save_pretrained(unfinished, state_dict=half(network))
        preprocessing.save_pretrained(unfinished)
    say(f"wrote {folder}")


def load_segmenter(folder: Path = FOLDER) -> tuple[CLIPSegForImageSegmentation, CLIPTokenizer]:
    """Read the shipped segmenter, in fp32 and in eval mode, and its tokenizer."""
    network = CLIPSegForImageSegmentation.from_pretrained(folder, dtype=torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    return network.eval(), tokenizer
