"""Recognises what a safetensors file holds, by the names and shapes of its tensors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.cards.facts.tensors import Tensor
from pipeline.errors import ModelError

PREFIX = "model.diffusion_model."
"""Begins the names of the main network in files of several networks."""

Tensors = Mapping[str, Tensor]

INSIDE = {
    "vae": ("first_stage_model.", "vae."),
    "text_encoder": (
        "cond_stage_model.", "conditioner.embedders.0.", "text_encoders.clip_l.transformer."
    ),
    "text_encoder_2": ("conditioner.embedders.1.", "text_encoders.clip_g.transformer."),
    "text_encoder_3": ("text_encoders.t5xxl.transformer.",),
}  # fmt: skip
"""Component -> beginnings of its names."""

NO_MODEL = {
    "single_stream_modulation.lin.": "FLUX.2; give a folder in the diffusers layout",
    "lora": "a LoRA; give it as --lora FILE:WEIGHT beside a --model",
    "hada_w1": "a LyCORIS adapter of the kind LoHa, which goldenseed does not read",
    "lokr_w1": "a LyCORIS adapter of the kind LoKr, which goldenseed does not read",
    "control_model.": "a ControlNet; write a card with it as a part (docs/cards.md)",
    "controlnet_cond_embedding.": "a ControlNet; write a card with it as a part (docs/cards.md)",
    "emb_params": "a textual inversion; give it as --embedding FILE beside a --model",
    "down_blocks.": "one network of a folder in the diffusers layout; give the whole folder",
    "transformer_blocks.": "one network of a folder in the diffusers layout; give the whole folder",
}
"""Part of a name -> what the file is, if it is no model."""


@dataclass(frozen=True)
class Kind:
    """What a file holds.

    Attributes:
        config: Name of its configuration in `models/single_file_configs`.
        evidence: The tensor that shows it, in words.
        components: The networks besides the main one that are in the file.
    """

    config: str
    evidence: str
    components: tuple[str, ...]


def kind_of(tensors: Tensors, where: str) -> Kind:
    """Recognise a checkpoint.

    Args:
        tensors: Its tensors by name.
        where: The file, for messages.

    Raises:
        ModelError: If it is no whole model, or of a family that goldenseed does not know.
    """
    main = {name.removeprefix(PREFIX): tensor.shape for name, tensor in tensors.items()}
    components = networks_inside(tensors)
    for recognise in (_unet, _sd3, _flux, _z_image):
        found = recognise(main, where)
        if found:
            return Kind(found[0], found[1], components)
    raise ModelError(f"{where}: {_what_else(tensors, components)}")


def networks_inside(tensors: Iterable[str]) -> tuple[str, ...]:
    """List the components besides the main network whose tensors are in a file.

    Example:
        >>> networks_inside(["first_stage_model.decoder.conv_in.weight"])
        ('vae',)
    """
    names = list(tensors)
    return tuple(key for key, starts in INSIDE.items() if any(n.startswith(starts) for n in names))


def lora_width(tensors: Tensors, where: str) -> int:
    """Give the width of the texts that the layers of a LoRA read; 0 if it changes none of these.

    Args:
        tensors: The tensors of the file.
        where: The file, for messages.

    Raises:
        ModelError: If it is no LoRA.
    """
    if not any("lora" in name for name in tensors):
        raise ModelError(f"{where} is no LoRA: none of its tensors has lora in its name")
    for name, tensor in tensors.items():
        reads_text = "attn2" in name and ("to_k" in name or "to_v" in name)
        if reads_text and name.endswith(("lora_down.weight", "lora.down.weight", "lora_A.weight")):
            return tensor.shape[1]
    return 0


def _what_else(tensors: Tensors, components: tuple[str, ...]) -> str:
    for part, what in NO_MODEL.items():
        if any(part in name for name in tensors):
            return f"this is {what}"
    if any(name.startswith(("decoder.", "encoder.", "first_stage_model.")) for name in tensors):
        return "this is an autoencoder alone; give it as --vae beside a --model"
    if components:
        return f"it holds {', '.join(components)} and no network that draws"
    shown = ", ".join(sorted(tensors)[:3]) or "none"
    return (
        f"no known family has tensors of these names ({shown}); known: Stable Diffusion 1, 2, 3, "
        f"3.5 and XL, FLUX.1 and Z-Image. Other models: a folder in the diffusers layout"
    )


Shapes = Mapping[str, tuple[int, ...]]
Found = tuple[str, str] | None

CONTEXTS = {
    ("1.1", 768): "sd15", ("1.1", 1024): "sd2", ("4.1", 2048): "sdxl", ("4.1", 1280): "refiner",
}  # fmt: skip
"""Block of the first attention, and the width of the text that it reads -> the family."""


def _unet(main: Shapes, where: str) -> Found:
    first = main.get("input_blocks.0.0.weight")
    if first is None:
        return None
    if first[1] != 4:
        task = "inpainting" if first[1] == 9 else "changing images"
        raise ModelError(
            f"{where}: its UNet takes {first[1]} channels, so this is a model for {task}, not for "
            f"drawing from text; cards of the family inpainting take folders (docs/cards.md)"
        )
    for (block, width), config in CONTEXTS.items():
        name = f"input_blocks.{block}.transformer_blocks.0.attn2.to_k.weight"
        if name in main and main[name][-1] == width:
            if config == "refiner":
                raise ModelError(f"{where}: this is the refiner of SDXL; it draws no whole image")
            found = f"{name} reads texts of width {width}"
            return ("sdxl-v" if config == "sdxl" and "v_pred" in main else config), found
    return None


def _sd3(main: Shapes, where: str) -> Found:
    position = main.get("pos_embed")
    if "joint_blocks.0.context_block.adaLN_modulation.1.bias" not in main or position is None:
        return None
    if "joint_blocks.37.x_block.mlp.fc1.weight" in main:
        return "sd35-large", "it has 38 joint blocks"
    medium = position[1] == 147456
    return ("sd35-medium" if medium else "sd3-medium"), f"pos_embed has {position[1]:,} places"


def _flux(main: Shapes, where: str) -> Found:
    if "double_blocks.0.img_attn.norm.key_norm.scale" not in main:
        return None
    channels = main.get("img_in.weight", (0, 0))[1]
    if channels != 64 or "double_blocks.18.img_attn.norm.key_norm.scale" not in main:
        raise ModelError(
            f"{where}: this has the blocks of FLUX.1 with {channels} input channels or fewer "
            f"blocks, a model that goldenseed does not know; give a folder in the diffusers layout"
        )
    guided = "guidance_in.in_layer.weight" in main
    return ("flux-dev" if guided else "flux-schnell"), (
        f"{'it has' if guided else 'it has no'} guidance_in"
    )


def _z_image(main: Shapes, where: str) -> Found:
    if "layers.0.adaLN_modulation.0.weight" not in main:
        return None
    width = main.get("cap_embedder.0.weight", (0,))[0]
    return ("z-image", "cap_embedder reads texts of width 2560") if width == 2560 else None
