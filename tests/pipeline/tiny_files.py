"""Tiny checkpoints as one file, with the names that the models' authors gave their tensors.

The names are written out here from the published layouts, the other way round than the library
reads them.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from safetensors.torch import save_file

State = dict[str, torch.Tensor]
Rules = Iterable[tuple[str, str | Callable[[re.Match[str]], str]]]


def renamed(state: State, rules: Rules, prefix: str) -> State:
    """Tensors with names changed by regular expressions, in order."""
    found = {}
    for name, tensor in state.items():
        new = name
        for pattern, replacement in rules:
            new = re.sub(pattern, replacement, new)
        found[prefix + new] = tensor.contiguous()
    return found


RESNET = (
    (r"\.norm1\.", ".in_layers.0."), (r"\.conv1\.", ".in_layers.2."),
    (r"\.norm2\.", ".out_layers.0."), (r"\.conv2\.", ".out_layers.3."),
    (r"\.time_emb_proj\.", ".emb_layers.1."), (r"\.conv_shortcut\.", ".skip_connection."),
)  # fmt: skip


def unet(state: State, layers: int = 1) -> State:
    """A UNet of latent diffusion, with `layers` blocks at each size."""
    down, up = layers + 1, layers + 1
    inner = {k: v for k, v in state.items() if ".resnets." in k}
    outer = {k: v for k, v in state.items() if ".resnets." not in k}

    def into(match: re.Match[str]) -> str:
        block, kind, index = int(match[1]), match[2], int(match[3])
        return f"input_blocks.{1 + block * down + index}.{int(kind == 'attentions')}."

    def out(match: re.Match[str]) -> str:
        block, kind, index = int(match[1]), match[2], int(match[3])
        return f"output_blocks.{block * up + index}.{int(kind == 'attentions')}."

    places: Rules = (
        (r"^down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", into),
        (r"^up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", out),
        (r"^mid_block\.resnets\.0\.", "middle_block.0."),
        (r"^mid_block\.resnets\.1\.", "middle_block.2."),
        (r"^mid_block\.attentions\.0\.", "middle_block.1."),
        (r"^down_blocks\.(\d+)\.downsamplers\.0\.conv\.",
         lambda m: f"input_blocks.{(int(m[1]) + 1) * down}.0.op."),
        (r"^up_blocks\.(\d+)\.upsamplers\.0\.conv\.",
         lambda m: f"output_blocks.{int(m[1]) * up + layers}.UP.conv."),
        (r"^time_embedding\.linear_1\.", "time_embed.0."),
        (r"^time_embedding\.linear_2\.", "time_embed.2."),
        (r"^add_embedding\.linear_1\.", "label_emb.0.0."),
        (r"^add_embedding\.linear_2\.", "label_emb.0.2."),
        (r"^conv_in\.", "input_blocks.0.0."), (r"^conv_norm_out\.", "out.0."),
        (r"^conv_out\.", "out.2."),
    )  # fmt: skip
    prefix = "model.diffusion_model."
    found = renamed(inner, (*RESNET, *places), prefix) | renamed(outer, places, prefix)
    return {name.replace(".UP.", _after(found, name)): tensor for name, tensor in found.items()}


def _after(state: State, name: str) -> str:
    """Where an upsampler stands: after the attention, if its block has one."""
    return ".2." if f"{name.partition('.UP.')[0]}.1.norm.weight" in state else ".1."


def vae(state: State, blocks: int = 4) -> State:
    """An autoencoder of latent diffusion."""
    rules: Rules = (
        (r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2"),
        (r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample"),
        (r"up_blocks\.(\d+)\.resnets\.(\d+)",
         lambda m: f"up.{blocks - 1 - int(m[1])}.block.{m[2]}"),
        (r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{blocks - 1 - int(m[1])}.upsample"),
        (r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}"),
        (r"conv_norm_out", "norm_out"), (r"conv_shortcut", "nin_shortcut"),
    )  # fmt: skip
    return renamed(state, rules, "first_stage_model.")


def clip(state: State, prefix: str) -> State:
    """CLIP with transformers' names, which the authors of Stable Diffusion kept."""
    return renamed(state, ((r"^(text_model\.)?", "text_model."),), prefix)


def open_clip(state: State, prefix: str) -> State:
    """CLIP with open_clip's names: queries, keys and values in one tensor."""
    state = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    found = {}
    for name in [name for name in state if "q_proj" in name]:
        parts = [state.pop(name.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")]
        block, _, kind = name.partition(".self_attn.q_proj.")
        number = block.rpartition(".")[2]
        found[f"transformer.resblocks.{number}.attn.in_proj_{kind}"] = torch.cat(parts)
    if "text_projection.weight" in state:
        found["text_projection"] = state.pop("text_projection.weight").T.contiguous()
    rules: Rules = (
        (r"^encoder\.layers\.", "transformer.resblocks."), (r"\.self_attn\.", ".attn."),
        (r"\.layer_norm1\.", ".ln_1."), (r"\.layer_norm2\.", ".ln_2."),
        (r"\.fc1\.", ".c_fc."), (r"\.fc2\.", ".c_proj."),
        (r"^embeddings\.position_embedding\.weight", "positional_embedding"),
        (r"^embeddings\.token_embedding", "token_embedding"),
        (r"^final_layer_norm", "ln_final"),
    )  # fmt: skip
    return {prefix + k: v for k, v in found.items()} | renamed(state, rules, prefix)


def z_image(state: State) -> State:
    """Z-Image's transformer: queries, keys and values in one tensor."""
    state = dict(state)
    found = {}
    for name in [name for name in state if ".attention.to_q.weight" in name]:
        parts = [state.pop(name.replace("to_q", part)) for part in ("to_q", "to_k", "to_v")]
        found[name.replace("to_q", "qkv")] = torch.cat(parts)
    rules: Rules = (
        (r"all_final_layer\.2-1\.", "final_layer."), (r"all_x_embedder\.2-1\.", "x_embedder."),
        (r"\.attention\.to_out\.0\.", ".attention.out."),
        (r"\.attention\.norm_k\.", ".attention.k_norm."),
        (r"\.attention\.norm_q\.", ".attention.q_norm."),
    )  # fmt: skip
    return renamed(state | found, rules, "model.diffusion_model.")


def fused(state: State, parts: Iterable[str], name: str) -> State:
    """Tensors of layers that lie side by side, such as queries, keys and values, in one tensor."""
    first, *others = parts
    rest = {k: v for k, v in state.items() if not any(f".{p}." in k for p in (first, *others))}
    for key in [key for key in state if f".{first}." in key]:
        rows = [state[key.replace(f".{first}.", f".{part}.")] for part in (first, *others)]
        rest[key.replace(f".{first}.", f".{name}.")] = torch.cat(rows)
    return rest


def shift_first(state: State, names: Iterable[str]) -> State:
    """Modulations with the shift before the scale, where the library has the scale first."""
    swapped = {
        k: torch.cat(v.chunk(2)[::-1]) for k, v in state.items() if k.startswith(tuple(names))
    }
    return state | swapped


def flux(state: State) -> State:
    """FLUX.1's transformer, as in black-forest-labs/flux, src/flux/model.py."""
    single = {k: v for k, v in state.items() if k.startswith("single_")}
    double = {k: v for k, v in state.items() if not k.startswith("single_")}
    single = fused(single, ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"), "linear1")
    double = fused(double, ("attn.to_q", "attn.to_k", "attn.to_v"), "img_attn.qkv")
    double = fused(
        double, ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"), "txt_attn.qkv"
    )
    inside: Rules = (
        (r"^single_transformer_blocks\.(\d+)\.norm\.linear", r"single_blocks.\1.modulation.lin"),
        (r"^single_transformer_blocks\.(\d+)\.proj_out", r"single_blocks.\1.linear2"),
        (r"^single_transformer_blocks\.(\d+)\.attn\.norm_(q|k)\.weight",
         lambda m: f"single_blocks.{m[1]}.norm.{_LETTERS[m[2]]}_norm.scale"),
        (r"^single_transformer_", "single_"), (r"^transformer_blocks", "double_blocks"),
        (r"\.norm1\.linear", ".img_mod.lin"), (r"\.norm1_context\.linear", ".txt_mod.lin"),
        (r"\.attn\.norm_(q|k)\.weight", lambda m: f".img_attn.norm.{_LETTERS[m[1]]}_norm.scale"),
        (r"\.attn\.norm_added_(q|k)\.weight",
         lambda m: f".txt_attn.norm.{_LETTERS[m[1]]}_norm.scale"),
        (r"\.ff\.net\.0\.proj", ".img_mlp.0"), (r"\.ff\.net\.2", ".img_mlp.2"),
        (r"\.ff_context\.net\.0\.proj", ".txt_mlp.0"), (r"\.ff_context\.net\.2", ".txt_mlp.2"),
        (r"\.attn\.to_out\.0", ".img_attn.proj"), (r"\.attn\.to_add_out", ".txt_attn.proj"),
        (r"^time_text_embed\.timestep_embedder", "time_in"),
        (r"^time_text_embed\.text_embedder", "vector_in"),
        (r"^time_text_embed\.guidance_embedder", "guidance_in"),
        (r"_in\.linear_1", "_in.in_layer"), (r"_in\.linear_2", "_in.out_layer"),
        (r"^context_embedder", "txt_in"), (r"^x_embedder", "img_in"),
        (r"^proj_out", "final_layer.linear"),
        (r"^norm_out\.linear", "final_layer.adaLN_modulation.1"),
    )  # fmt: skip
    return renamed(shift_first(single | double, ["norm_out."]), inside, "model.diffusion_model.")


_LETTERS = {"q": "query", "k": "key"}


def sd3(state: State) -> State:
    """Stable Diffusion 3's transformer, as in Stability-AI/sd3.5, mmditx.py."""
    last = max(int(k.split(".")[1]) for k in state if k.startswith("transformer_blocks."))
    ends = ["norm_out.", f"transformer_blocks.{last}.norm1_context."]
    state = fused(shift_first(state, ends), ("attn.to_q", "attn.to_k", "attn.to_v"), "X.attn.qkv")
    state = fused(state, ("attn2.to_q", "attn2.to_k", "attn2.to_v"), "X.attn2.qkv")
    state = fused(
        state, ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"), "context_block.attn.qkv"
    )
    rules: Rules = (
        (r"^transformer_blocks", "joint_blocks"), (r"\.X\.", ".x_block."),
        (r"\.(attn2?)\.norm_(q|k)\.", r".x_block.\1.ln_\2."),
        (r"\.attn\.norm_added_(q|k)\.", r".context_block.attn.ln_\1."),
        (r"\.(attn2?)\.to_out\.0\.", r".x_block.\1.proj."),
        (r"\.attn\.to_add_out\.", ".context_block.attn.proj."),
        (r"\.norm1\.linear\.", ".x_block.adaLN_modulation.1."),
        (r"\.norm1_context\.linear\.", ".context_block.adaLN_modulation.1."),
        (r"\.ff\.net\.0\.proj\.", ".x_block.mlp.fc1."), (r"\.ff\.net\.2\.", ".x_block.mlp.fc2."),
        (r"\.ff_context\.net\.0\.proj\.", ".context_block.mlp.fc1."),
        (r"\.ff_context\.net\.2\.", ".context_block.mlp.fc2."),
        (r"^pos_embed\.proj\.", "x_embedder.proj."), (r"^pos_embed\.pos_embed$", "pos_embed"),
        (r"^time_text_embed\.timestep_embedder\.linear_(\d)",
         lambda m: f"t_embedder.mlp.{2 * int(m[1]) - 2}"),
        (r"^time_text_embed\.text_embedder\.linear_(\d)",
         lambda m: f"y_embedder.mlp.{2 * int(m[1]) - 2}"),
        (r"^proj_out", "final_layer.linear"),
        (r"^norm_out\.linear", "final_layer.adaLN_modulation.1"),
    )  # fmt: skip
    return renamed(state, rules, "model.diffusion_model.")


def save(folder: Path, file: Path) -> Path:
    """Save the networks of a tiny folder as one file."""
    pipe = DiffusionPipeline.from_pretrained(str(folder))
    parts = {
        name: part.state_dict()
        for name, part in pipe.components.items()
        if isinstance(part, torch.nn.Module)
    }
    save_file(WRITERS[type(pipe).__name__](parts), file)
    return file


def _sd(parts: dict[str, State]) -> State:
    text = clip(parts["text_encoder"], "cond_stage_model.transformer.")
    return unet(parts["unet"]) | vae(parts["vae"]) | text


def sd2(parts: dict[str, State]) -> State:
    """Stable Diffusion 2: its text encoder is open_clip's."""
    text = open_clip(parts["text_encoder"], "cond_stage_model.model.")
    return unet(parts["unet"]) | vae(parts["vae"]) | text


def _sdxl(parts: dict[str, State]) -> State:
    first = clip(parts["text_encoder"], "conditioner.embedders.0.transformer.")
    second = open_clip(parts["text_encoder_2"], "conditioner.embedders.1.model.")
    return unet(parts["unet"]) | vae(parts["vae"]) | first | second


WRITERS: dict[str, Callable[[dict[str, State]], State]] = {
    "StableDiffusionPipeline": _sd,
    "StableDiffusionXLPipeline": _sdxl,
    "ZImagePipeline": lambda parts: z_image(parts["transformer"]) | vae(parts["vae"]),
    "FluxPipeline": lambda parts: flux(parts["transformer"]),
    "StableDiffusion3Pipeline": lambda parts: sd3(parts["transformer"]),
}
"""Pipeline -> what gives its networks the names of its authors."""
