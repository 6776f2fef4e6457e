"""Tiny checkpoints with random weights of every card of the family `diffusers_pipeline`.

Each builder saves the real pipeline's classes; `NATIVE` calls the library as its users do, with
arguments spelled out here and not read from the card.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers as d
import torch
import transformers as t
from PIL import Image
from safetensors.torch import save_file

from pipeline.cards import Card
from pipeline.models.base import Batch
from pipeline.prompt_sets import Prompt
from tests.pipeline.tiny import PROMPTS, SEEDS, SIZE, TEXT_LENGTH, TEXT_WIDTH, spelling_tokenizer

WIDTHS = (16, 32)
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
Pipe = Any


def _vae(channels: int = 4, **more: Any) -> Any:  # noqa: ANN401
    vae = d.AutoencoderKL(
        latent_channels=channels, block_out_channels=(8, 8, 8, 8), norm_num_groups=2,
        layers_per_block=1, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, mid_block_add_attention=False, **more,
    )  # fmt: skip
    vae.decoder.conv_out.weight.data *= 5
    return vae


def _movq() -> Any:  # noqa: ANN401
    return d.VQModel(
        block_out_channels=(32, 32, 32, 32), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1,
        norm_num_groups=8, norm_type="spatial", num_vq_embeddings=12, vq_embed_dim=4,
        latent_channels=4, mid_block_add_attention=False,
    )  # fmt: skip


def _clip_config(end: int, **more: Any) -> Any:  # noqa: ANN401
    return t.CLIPTextConfig(**{
        "vocab_size": end + 1, "hidden_size": TEXT_WIDTH, "intermediate_size": TEXT_WIDTH,
        "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": TEXT_WIDTH,
        "max_position_embeddings": TEXT_LENGTH, "bos_token_id": end - 1, "eos_token_id": end,
        "pad_token_id": end, **more,
    })  # fmt: skip


def _clip(kind: Any, tokenizer: Any, **more: Any) -> Any:  # noqa: ANN401
    return kind(_clip_config(len(tokenizer) - 1, **more))


def _t5(folder: Path) -> tuple[Any, Any]:
    letters = [chr(code) for code in range(33, 127)]
    pieces = ["<pad>", "</s>", "<unk>", "\u2581", *letters, *("\u2581" + c for c in letters)]
    tokenizer = t.T5Tokenizer(
        vocab=[(piece, -1.0) for piece in pieces], extra_ids=0, model_max_length=512
    )
    encoder = t.T5EncoderModel(t.T5Config(
        vocab_size=len(pieces), d_model=TEXT_WIDTH, d_kv=16, d_ff=32, num_layers=1, num_heads=2,
    ))  # fmt: skip
    return tokenizer, encoder


def _unet(**more: Any) -> Any:  # noqa: ANN401
    return d.UNet2DConditionModel(**{
        "sample_size": SIZE // 8, "in_channels": 4, "out_channels": 4, "layers_per_block": 1,
        "block_out_channels": WIDTHS, "norm_num_groups": 8, "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": 2, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), **more,
    })  # fmt: skip


def _ddim() -> Any:  # noqa: ANN401
    return d.DDIMScheduler(**BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1)


def _euler(kind: Any = d.EulerDiscreteScheduler) -> Any:  # noqa: ANN401
    return kind(**BETAS, timestep_spacing="leading", steps_offset=1)


XL_UNET = {
    "cross_attention_dim": 2 * TEXT_WIDTH, "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + TEXT_WIDTH,
    "use_linear_projection": True,
}  # fmt: skip


def _sd(folder: Path, card: Card) -> None:
    tokenizer = spelling_tokenizer(folder / "words")
    d.StableDiffusionPipeline(
        vae=_vae(), unet=_unet(), text_encoder=_clip(t.CLIPTextModel, tokenizer),
        tokenizer=tokenizer, scheduler=_ddim(), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    for name, part in card.parts.items():
        PARTS[part.component or part.use](folder / "parts" / name, card)


def _sdxl(folder: Path, card: Card) -> None:
    tokenizer = spelling_tokenizer(folder / "words")
    d.StableDiffusionXLPipeline(
        vae=_vae(), unet=_unet(**XL_UNET), scheduler=_euler(), tokenizer=tokenizer,
        tokenizer_2=tokenizer, text_encoder=_clip(t.CLIPTextModel, tokenizer),
        text_encoder_2=_clip(t.CLIPTextModelWithProjection, tokenizer), add_watermarker=False,
    ).save_pretrained(folder)  # fmt: skip
    for name in card.parts:
        _controlnet(folder / "parts" / name, card)


def _controlnet(folder: Path, card: Card) -> None:
    more = XL_UNET if "sdxl" in card.name else {"cross_attention_dim": TEXT_WIDTH}
    net = d.ControlNetModel(
        block_out_channels=WIDTHS, layers_per_block=1, norm_num_groups=8, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        conditioning_embedding_out_channels=(8, 8, 8, 8), **more,
    )  # fmt: skip
    # A fresh ControlNet ends in zeros, so that nothing would show.
    for block in [*net.controlnet_down_blocks, net.controlnet_mid_block]:
        torch.nn.init.normal_(block.weight, std=0.5)
    torch.nn.init.normal_(net.controlnet_cond_embedding.conv_out.weight, std=0.5)
    net.save_pretrained(folder)


def _adapter(folder: Path, card: Card) -> None:
    d.T2IAdapter(
        in_channels=3, channels=WIDTHS, num_res_blocks=1, downscale_factor=8
    ).save_pretrained(folder)


def _ip_adapter(folder: Path, card: Card) -> None:
    encoder = t.CLIPVisionModelWithProjection(t.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        image_size=32, patch_size=8, projection_dim=16,
    ))  # fmt: skip
    encoder.save_pretrained(folder / "models" / "image_encoder")
    weights = {
        "image_proj.proj.weight": torch.randn(4 * TEXT_WIDTH, 16),
        "image_proj.proj.bias": torch.randn(4 * TEXT_WIDTH),
        "image_proj.norm.weight": torch.ones(TEXT_WIDTH),
        "image_proj.norm.bias": torch.zeros(TEXT_WIDTH),
    }
    unet, number = _unet(), 1
    for name in unet.attn_processors:
        if "attn2" not in name:
            continue
        width = WIDTHS[1] if "mid_block" in name else WIDTHS[0]
        for key in ("to_k_ip", "to_v_ip"):
            weights[f"ip_adapter.{number}.{key}.weight"] = torch.randn(width, TEXT_WIDTH) / 4
        number += 2
    save_file(weights, folder / "models" / "ip-adapter_sd15.safetensors")


PARTS: Mapping[str, Callable[[Path, Card], None]] = {
    "controlnet": _controlnet,
    "adapter": _adapter,
    "ip_adapter": _ip_adapter,
}


def _ldm(folder: Path, card: Card) -> None:
    from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import (
        LDMBertConfig,
        LDMBertModel,
    )

    letters = [chr(code) for code in range(33, 127)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + c for c in letters)]
    (folder / "words").mkdir(parents=True)
    (folder / "words" / "vocab.txt").write_text("\n".join(words))
    d.LDMTextToImagePipeline(
        vqvae=_vae(), unet=_unet(), scheduler=_ddim(),
        tokenizer=t.BertTokenizer(str(folder / "words" / "vocab.txt")),
        bert=LDMBertModel(LDMBertConfig(
            vocab_size=len(words), encoder_layers=1, encoder_ffn_dim=32,
            encoder_attention_heads=2, head_dim=16, d_model=TEXT_WIDTH, pad_token_id=0,
        )),
    ).save_pretrained(folder)  # fmt: skip


def _unconditional(kind: Any, scheduler: Any, channels: int) -> Callable[[Path, Card], None]:  # noqa: ANN401
    def build(folder: Path, card: Card) -> None:
        unet = d.UNet2DModel(
            sample_size=SIZE, in_channels=3, out_channels=channels, layers_per_block=1,
            block_out_channels=WIDTHS, norm_num_groups=8,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        )  # fmt: skip
        kind(unet=unet, scheduler=scheduler()).save_pretrained(folder)

    return build


def _dit(folder: Path, card: Card) -> None:
    transformer = d.DiTTransformer2DModel(
        sample_size=SIZE // 8, num_layers=2, patch_size=4, attention_head_dim=8,
        num_attention_heads=2, in_channels=4, out_channels=8, num_embeds_ada_norm=1000,
    )  # fmt: skip
    d.DiTPipeline(transformer=transformer, vae=_vae(), scheduler=d.DDIMScheduler()).save_pretrained(
        folder
    )


def _prior(tokenizer: Any) -> Any:  # noqa: ANN401
    prior = d.PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, embedding_dim=TEXT_WIDTH, num_layers=1,
        num_embeddings=TEXT_LENGTH, additional_embeddings=4,
    )  # fmt: skip
    prior.clip_std.data.fill_(1)  # zero in a fresh one: every embedding would be zero
    return prior


def _vision() -> Any:  # noqa: ANN401
    return t.CLIPVisionModelWithProjection(t.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        image_size=32, patch_size=8, projection_dim=TEXT_WIDTH,
    ))  # fmt: skip


def _unclip_scheduler() -> Any:  # noqa: ANN401
    return d.UnCLIPScheduler(
        variance_type="fixed_small_log", prediction_type="sample", num_train_timesteps=1000,
        clip_sample_range=5.0,
    )  # fmt: skip


def _kandinsky(folder: Path, card: Card) -> None:
    tokenizer = spelling_tokenizer(folder / "words")
    unet = d.UNet2DConditionModel(
        in_channels=4, out_channels=8, sample_size=SIZE // 8, addition_embed_type="image",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn", block_out_channels=(32, 64),
        layers_per_block=1, encoder_hid_dim=TEXT_WIDTH, encoder_hid_dim_type="image_proj",
        cross_attention_dim=TEXT_WIDTH, attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
    )  # fmt: skip
    # Else a random decoder hardly looks at the prior's embedding.
    for weight in [*unet.encoder_hid_proj.parameters(), *unet.add_embedding.parameters()]:
        weight.data *= 30
    d.KandinskyV22Pipeline(
        unet=unet, movq=_movq(), scheduler=d.DDPMScheduler(variance_type="learned_range")
    ).save_pretrained(folder)
    d.KandinskyV22PriorPipeline(
        prior=_prior(tokenizer), image_encoder=_vision(), tokenizer=tokenizer,
        text_encoder=_clip(t.CLIPTextModelWithProjection, tokenizer),
        scheduler=_unclip_scheduler(),
        image_processor=t.CLIPImageProcessor(size=32, crop_size=32),
    ).save_pretrained(folder / "parts" / "prior")  # fmt: skip


def _stable_unclip(folder: Path, card: Card) -> None:
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import (
        StableUnCLIPImageNormalizer,
    )

    tokenizer = spelling_tokenizer(folder / "words")
    d.StableUnCLIPPipeline(
        prior_tokenizer=tokenizer, prior=_prior(tokenizer), tokenizer=tokenizer,
        prior_text_encoder=_clip(t.CLIPTextModelWithProjection, tokenizer),
        prior_scheduler=_unclip_scheduler(), vae=_vae(), scheduler=_ddim(),
        image_normalizer=StableUnCLIPImageNormalizer(embedding_dim=TEXT_WIDTH),
        image_noising_scheduler=d.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        text_encoder=_clip(t.CLIPTextModel, tokenizer),
        unet=_unet(
            class_embed_type="projection",
            projection_class_embeddings_input_dim=2 * TEXT_WIDTH,
        ),
    ).save_pretrained(folder)  # fmt: skip


def _if_unet(channels: int, **more: Any) -> Any:  # noqa: ANN401
    return d.UNet2DConditionModel(
        sample_size=SIZE, in_channels=channels, out_channels=6, layers_per_block=1,
        block_out_channels=(16, 32), norm_num_groups=8, attention_head_dim=8,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        encoder_hid_dim=TEXT_WIDTH, cross_attention_dim=TEXT_WIDTH, addition_embed_type="text",
        addition_embed_type_num_heads=2, cross_attention_norm="group_norm",
        resnet_time_scale_shift="scale_shift", act_fn="gelu", **more,
    )  # fmt: skip


def _if_scheduler() -> Any:  # noqa: ANN401
    return d.DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", thresholding=True, variance_type="learned_range",
        prediction_type="epsilon", dynamic_thresholding_ratio=0.95, sample_max_value=1.0,
    )  # fmt: skip


def _if(folder: Path, card: Card) -> None:
    tokenizer, encoder = _t5(folder)
    none = {
        "safety_checker": None, "feature_extractor": None, "watermarker": None,
        "requires_safety_checker": False,
    }  # fmt: skip
    d.IFPipeline(
        tokenizer=tokenizer, text_encoder=encoder, unet=_if_unet(3), scheduler=_if_scheduler(),
        **none,
    ).save_pretrained(folder)  # fmt: skip
    large = _if_unet(6, class_embed_type="timestep", time_embedding_act_fn="gelu")
    d.IFSuperResolutionPipeline(
        tokenizer=tokenizer, text_encoder=encoder, unet=large, scheduler=_if_scheduler(),
        image_noising_scheduler=d.DDPMScheduler(beta_schedule="squaredcos_cap_v2"), **none,
    ).save_pretrained(folder / "parts" / "super_resolution")  # fmt: skip


def _sd3(folder: Path, card: Card) -> None:
    tokenizer = spelling_tokenizer(folder / "words")
    tokenizer_3, encoder_3 = _t5(folder)
    d.StableDiffusion3Pipeline(
        transformer=d.SD3Transformer2DModel(
            sample_size=SIZE // 8, patch_size=1, in_channels=16, num_layers=1,
            attention_head_dim=8, num_attention_heads=4, caption_projection_dim=32,
            joint_attention_dim=32, pooled_projection_dim=2 * TEXT_WIDTH, out_channels=16,
        ),
        scheduler=d.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06),
        text_encoder=_clip(t.CLIPTextModelWithProjection, tokenizer), tokenizer=tokenizer,
        text_encoder_2=_clip(t.CLIPTextModelWithProjection, tokenizer), tokenizer_2=tokenizer,
        text_encoder_3=encoder_3, tokenizer_3=tokenizer_3,
    ).save_pretrained(folder)  # fmt: skip


def _flux(folder: Path, card: Card) -> None:
    tokenizer = spelling_tokenizer(folder / "words")
    tokenizer_2, encoder_2 = _t5(folder)
    dev = "dev" in card.name
    d.FluxPipeline(
        transformer=d.FluxTransformer2DModel(
            patch_size=1, in_channels=64, num_layers=1, num_single_layers=1,
            attention_head_dim=16, num_attention_heads=2, joint_attention_dim=TEXT_WIDTH,
            pooled_projection_dim=TEXT_WIDTH, axes_dims_rope=(4, 4, 8), guidance_embeds=dev,
        ),
        scheduler=d.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=dev),
        vae=_vae(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1),
        text_encoder=_clip(t.CLIPTextModel, tokenizer), tokenizer=tokenizer,
        text_encoder_2=encoder_2, tokenizer_2=tokenizer_2,
    ).save_pretrained(folder)  # fmt: skip


def _pixart(folder: Path, card: Card) -> None:
    tokenizer, encoder = _t5(folder)
    alpha = "alpha" in card.name
    kind = d.PixArtAlphaPipeline if alpha else d.PixArtSigmaPipeline
    kind(
        transformer=d.PixArtTransformer2DModel(
            sample_size=SIZE // 8, num_layers=1, patch_size=2, attention_head_dim=8,
            num_attention_heads=2, caption_channels=TEXT_WIDTH, in_channels=4, out_channels=8,
            cross_attention_dim=16, use_additional_conditions=False,
        ),
        scheduler=d.DPMSolverMultistepScheduler(**BETAS), vae=_vae(), tokenizer=tokenizer,
        text_encoder=encoder,
    ).save_pretrained(folder)  # fmt: skip


BUILDERS: Mapping[str, Callable[[Path, Card], None]] = {
    "sdxl-turbo": _sdxl,
    "sdxl-base": _sdxl,
    "ldm-text2im": _ldm,
    "ddpm-cat": _unconditional(d.DDPMPipeline, d.DDPMScheduler, 3),
    "improved-ddpm": _unconditional(
        d.DDPMPipeline,
        lambda: d.DDPMScheduler(variance_type="learned_range", beta_schedule="squaredcos_cap_v2"),
        6,
    ),
    "ddim-bedroom": _unconditional(d.DDIMPipeline, d.DDIMScheduler, 3),
    "dit": _dit,
    "controlnet-canny": _sd,
    "controlnet-canny-pose": _sd,
    "controlnet-canny-sdxl": _sdxl,
    "t2i-adapter-color": _sd,
    "ip-adapter": _sd,
    "ip-adapter-controlnet": _sd,
    "kandinsky22": _kandinsky,
    "stable-unclip": _stable_unclip,
    "deepfloyd-if": _if,
    "sd35-large": _sd3,
    "flux-dev": _flux,
    "flux-schnell": _flux,
    "pixart-alpha": _pixart,
    "pixart-sigma": _pixart,
}
"""Card -> what saves its tiny checkpoint; parts go to `parts/<name>`."""


def checkpoint(folder: Path, card: Card) -> Card:
    """Save a tiny checkpoint of a card and give the card that names it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BUILDERS[card.name](folder, card)
    local = {"repo": "", "revision": "", "variant": ""}
    parts = {
        name: part.model_copy(update={"path": str(folder / "parts" / name), **local})
        for name, part in card.parts.items()
    }
    changes = {"path": str(folder), "gpu": False, "dtype": "float32", "parts": parts, **local}
    return card.model_copy(
        update={**changes, "height": SIZE, "width": SIZE, "stages": _small(card)}
    )


def _small(card: Card) -> tuple[Any, ...]:
    """The stages with few steps and a small first picture."""
    few = {"num_inference_steps": 2, "prior_num_inference_steps": 2, "height": 16, "width": 16}
    return tuple(
        stage.model_copy(
            update={"arguments": {k: few.get(k, v) for k, v in stage.arguments.items()}}
        )
        for stage in card.stages
    )


IMAGES = {"1" * 64: 0, "2" * 64: 1}
MASKS = {"3" * 64: 2, "4" * 64: 3}


def pictures() -> dict[str, Image.Image]:
    """Four noisy pictures under made-up hashes."""
    found = {}
    for sha256, seed in (IMAGES | MASKS).items():
        rng = torch.Generator().manual_seed(seed)
        pixels = torch.randint(0, 256, (SIZE, SIZE, 3), generator=rng, dtype=torch.uint8)
        found[sha256] = Image.fromarray(pixels.numpy())
    return found


def cells(card: Card, order: tuple[int, ...] = (0, 1, 2, 3)) -> Batch:
    """Four cells, with the conditions that the card needs, in an order."""
    texts = ("207", "3", "207", "999") if card.name == "dit" else PROMPTS
    prompts = []
    for index, text in enumerate(texts):
        image = list(IMAGES)[index % 2] if "image" in card.conditions else None
        mask = list(MASKS)[index // 2] if "mask" in card.conditions else None
        prompts.append(Prompt(text, image=image, mask=mask))
    return Batch(tuple(prompts[i] for i in order), tuple(SEEDS[i] for i in order), pictures())


def native(card: Card, pipes: list[Pipe], batch: Batch, **changes: Any) -> list[Image.Image]:  # noqa: ANN401
    """What the library gives for the cells when it is called as its users do."""
    generators = [torch.Generator().manual_seed(seed) for seed in batch.seeds]
    call = {"num_inference_steps": 3, "generator": generators, **changes}
    texts = [prompt.text for prompt in batch.prompts]
    images = [batch.pictures.get(prompt.image or "") for prompt in batch.prompts]
    masks = [batch.pictures.get(prompt.mask or "") for prompt in batch.prompts]
    sized = {"height": SIZE, "width": SIZE, **call}
    name, pipe = card.name, pipes[-1]
    if name in ("ddpm-cat", "improved-ddpm", "ddim-bedroom"):
        return list(pipe(batch_size=len(texts), **call).images)
    if name == "dit":
        return list(pipe([int(text) for text in texts], guidance_scale=4.0, **call).images)
    if name == "kandinsky22":
        first = {**call, "num_inference_steps": 2}
        yes, no = pipes[0](texts, guidance_scale=4.0, return_dict=False, **first)
        return list(pipe(yes, no, guidance_scale=4.0, **sized).images)
    if name == "deepfloyd-if":
        first = {**sized, "num_inference_steps": 2, "height": 16, "width": 16}
        plain = {"clean_caption": False}
        small = pipes[0](texts, guidance_scale=7.0, output_type="pt", **plain, **first).images
        more = {"guidance_scale": 4.0, "noise_level": 250, **plain}
        return list(pipe(texts, image=small, **more, **sized).images)
    if name.startswith("ip-adapter"):
        return _native_ip(card, pipe, batch, sized)
    own: dict[str, Any] = {
        "controlnet-canny": {"image": images, "guidance_scale": 7.5},
        "controlnet-canny-sdxl": {"image": images, "guidance_scale": 5.0},
        "controlnet-canny-pose": {
            "image": [list(pair) for pair in zip(images, masks, strict=True)],
            "guidance_scale": 7.5,
        },
        "t2i-adapter-color": {"image": images, "guidance_scale": 7.5},
        "stable-unclip": {"prior_num_inference_steps": 2, "guidance_scale": 10.0},
        "pixart-alpha": {"clean_caption": False, "use_resolution_binning": False},
        "pixart-sigma": {"clean_caption": False, "use_resolution_binning": False},
        "sdxl-turbo": {"guidance_scale": 0.0},
        "flux-schnell": {"guidance_scale": 0.0, "max_sequence_length": 256},
        "ldm-text2im": {"guidance_scale": 6.0},
    }.get(name, {})
    return list(pipe(texts, **own, **sized).images)


def _native_ip(card: Card, pipe: Pipe, batch: Batch, sized: dict[str, Any]) -> list[Image.Image]:
    """One cell a call, where a picture cannot be shared over a batch."""
    vars(pipe).pop("prepare_ip_adapter_image_embeds", None)
    found = []
    for prompt, seed in zip(batch.prompts, batch.seeds, strict=True):
        control = {"image": batch.pictures[prompt.mask]} if prompt.mask else {}
        one = {**sized, "generator": [torch.Generator().manual_seed(seed)], **control}
        picture = batch.pictures[str(prompt.image)]
        images = pipe([prompt.text], ip_adapter_image=picture, guidance_scale=7.5, **one).images
        found += list(images)
    return found
