"""The judges of image and prompt: small CLIPs in open_clip's format, and their losses.

Both judges have the same architecture. `clip` learns which sentence belongs to which scene.
`preference` continues from `clip` on pairs of images for one prompt, one of them better than the
other. Both score an image by the cosine between its vector and the prompt's, as CLIP and HPS v2
do.
"""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from seedling.files import WEIGHTS, say, whole_folder, write_json
from seedling.networks.model import TEXT_LENGTH
from seedling.networks.recogniser import MEAN, STD
from seedling.networks.tokenizer import new_tokenizer, world_merges, write_tokenizer

CLIP, PREFERENCE = WEIGHTS / "clip", WEIGHTS / "preference"
"""The folders of the two shipped networks."""
DIMENSIONS = 64
"""Length of a vector."""
CHUNK = 128
HIGHEST_SCALE = math.log(100)
"""Upper bound of the logarithm of CLIP's scale (Radford et al. 2021, section 2.5)."""
MODEL: dict[str, Any] = {
    "embed_dim": DIMENSIONS,
    "vision_cfg": {"image_size": 64, "layers": [2, 2, 2, 1], "width": 16, "head_width": 64},
    "text_cfg": {
        "context_length": TEXT_LENGTH,
        "hf_tokenizer_name": "seedling",  # any name: open_clip reads a folder's own tokenizer
        "width": 64,
        "heads": 4,
        "layers": 2,
    },
}
"""open_clip's description of the network, without the length of the vocabulary."""


def configuration(vocabulary: int) -> dict[str, Any]:
    """Complete open_clip's description of the network with the number of tokens."""
    description = copy.deepcopy(MODEL)
    description["text_cfg"]["vocab_size"] = vocabulary
    return description


def new_judge(vocabulary: int) -> nn.Module:
    """Make an untrained judge: a ResNet for images and a transformer for sentences.

    Args:
        vocabulary: Number of tokens. The end token must have the highest id, because the
            sentence's vector is read at the first position of the highest id.

    Returns:
        An `open_clip.CLIP` in fp32.
    """
    judge: nn.Module = open_clip.CLIP(**configuration(vocabulary))
    return judge


def tokens(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """Tokenise sentences: int64 (B, 24), padded by the end token."""
    ids: Tensor = tokenizer(
        list(texts),
        padding="max_length",
        max_length=TEXT_LENGTH,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return ids


def normalised(images: Tensor) -> Tensor:
    """Normalise images (B, 3, 64, 64) in 0..1 for the networks."""
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def image_vectors(judge: nn.Module, images: Tensor) -> Tensor:
    """Encode images in 0..1: float32 (B, 64), each vector of length 1."""
    vectors: Tensor = judge.encode_image(normalised(images), normalize=True)  # type: ignore[operator]
    return vectors


def text_vectors(judge: nn.Module, ids: Tensor) -> Tensor:
    """Encode tokenised sentences: float32 (B, 64), each vector of length 1."""
    vectors: Tensor = judge.encode_text(ids, normalize=True)  # type: ignore[operator]
    return vectors


def scores(
    judge: nn.Module, tokenizer: CLIPTokenizer, images: Tensor, texts: Sequence[str]
) -> Tensor:
    """Compute the cosine of each image with its own sentence, float32 (B,), without gradients."""
    cosines = []
    with torch.no_grad():
        for start in range(0, len(images), CHUNK):
            ids = tokens(tokenizer, texts[start : start + CHUNK])
            vectors = image_vectors(judge, images[start : start + CHUNK])
            cosines.append((vectors * text_vectors(judge, ids)).sum(dim=1))
    return torch.cat(cosines)


def scale(judge: nn.Module) -> Tensor:
    """Return the inverse temperature, a scalar of at most 100."""
    raw: Any = judge.logit_scale
    bounded: Tensor = raw.clamp(max=HIGHEST_SCALE).exp()
    return bounded


def contrastive_loss(images: Tensor, sentences: Tensor, ids: Tensor, factor: Tensor) -> Tensor:
    """CLIP's loss; equal sentences in a batch share the target evenly.

    Args:
        images: Vectors of images, float32 (B, D), of length 1.
        sentences: Vectors of their sentences, float32 (B, D), of length 1.
        ids: int64 (B, T), the tokens of the sentences, by which equal sentences are recognised.
        factor: Inverse temperature, a scalar.

    Returns:
        A scalar. Source: Radford et al. 2021, arXiv:2103.00020, figure 3.

    Example:
        >>> unit, ids = torch.eye(4), torch.arange(4)[:, None]
        >>> bool(contrastive_loss(unit, unit, ids, torch.tensor(50.0)) < 1e-3)
        True
        >>> bool(contrastive_loss(unit, unit.roll(1, 0), ids, torch.tensor(50.0)) > 1)
        True
    """
    logits = factor * images @ sentences.T
    same = (ids[:, None] == ids[None]).all(dim=2).float()
    target = same / same.sum(dim=1, keepdim=True)
    by_image = functional.cross_entropy(logits, target)
    return (by_image + functional.cross_entropy(logits.T, target)) / 2


def preference_loss(better: Tensor, worse: Tensor, sentences: Tensor, factor: Tensor) -> Tensor:
    """Minus the log probability that the better image of each pair is preferred.

    Args:
        better: Vectors of the better images, float32 (B, D).
        worse: Vectors of the worse images, float32 (B, D).
        sentences: Vectors of their prompts, float32 (B, D).
        factor: Inverse temperature, a scalar.

    Returns:
        A scalar. The probability is the softmax of both scaled cosines: Bradley and Terry 1952,
        with the scores of Wu et al. 2023, arXiv:2306.09341, section 4.

    Example:
        >>> good, bad = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> right = preference_loss(good, bad, good, torch.tensor(10.0))
        >>> bool(right < 1e-3 < 9 < preference_loss(bad, good, good, torch.tensor(10.0)))
        True
    """
    margin = ((better - worse) * sentences).sum(dim=1)
    return functional.softplus(-factor * margin).mean()


def publish(judge: nn.Module, folder: Path) -> None:
    """Write a judge in open_clip's layout: fp16 weights, its description, our vocabulary.

    Args:
        judge: The network.
        folder: Target folder; an earlier judge there is replaced once the new one is complete.
    """
    tokenizer = new_tokenizer()
    preprocessing = {"mean": list(MEAN), "std": list(STD), "interpolation": "bicubic"}
    description = {"model_cfg": configuration(len(tokenizer)), "preprocess_cfg": preprocessing}
    with whole_folder(folder) as aside:
        tokenizer.save_pretrained(aside)
        write_tokenizer(aside, world_merges())
        write_json(aside / "open_clip_config.json", description)
        save_file(half(judge), aside / "open_clip_model.safetensors", metadata={"format": "pt"})
    say(f"wrote {folder}")


def half(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's state with floating-point values as fp16 and counters unchanged."""
    return {
        name: (value.half() if value.is_floating_point() else value).detach().clone().contiguous()
        for name, value in module.state_dict().items()
    }


def load_judge(folder: Path) -> tuple[nn.Module, CLIPTokenizer]:
    """Read a shipped judge, fp32, in eval mode, and its tokenizer."""
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    judge = new_judge(len(tokenizer))
    weights = str(folder / "open_clip_model.safetensors")
    open_clip.load_checkpoint(judge, weights, strict=True, weights_only=True)
    return judge.float().eval(), tokenizer
