"""Tiny checkpoints with random weights of every card of the family `diffusers_pipeline`.

Each builder saves the real pipeline's classes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers as d
import torch
import transformers as t

from pipeline.cards.card import Card
from tests.pipeline import tiny_networks as nets
from tests.pipeline.tiny import SIZE, TEXT_WIDTH, spelling_tokenizer
from tests.pipeline.tiny_adapters import PARTS, controlnet


def _sd(folder: Path, card: Card) -> None:
    tokenizer = spelling_tokenizer(folder / "words")
    d.StableDiffusionPipeline(
        vae=nets.vae(card.latent_channels), text_encoder=nets.clip(t.CLIPTextModel, tokenizer),
        unet=nets.unet(in_channels=card.latent_channels, out_channels=card.latent_channels),
        tokenizer=tokenizer, scheduler=nets.ddim(), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    for name, part in card.parts.items():
        within = part.subfolder if part.use == "component" else ""
        PARTS[part.component or part.use](folder / "parts" / name / within, card)


def _sdxl(folder: Path, card: Card) -> None:
    tokenizer = spelling_tokenizer(folder / "words")
    d.StableDiffusionXLPipeline(
        vae=nets.vae(), unet=nets.unet(**nets.XL_UNET), scheduler=nets.euler(), tokenizer=tokenizer,
        tokenizer_2=tokenizer, text_encoder=nets.clip(t.CLIPTextModel, tokenizer),
        text_encoder_2=nets.clip(
            t.CLIPTextModelWithProjection, tokenizer, hidden_size=nets.SECOND_WIDTH
        ),
        add_watermarker=False,
    ).save_pretrained(folder)  # fmt: skip
    for name in card.parts:
        controlnet(folder / "parts" / name, card)


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
        vqvae=nets.vae(), unet=nets.unet(), scheduler=nets.ddim(),
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
            block_out_channels=nets.WIDTHS, norm_num_groups=8,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        )  # fmt: skip
        kind(unet=unet, scheduler=scheduler()).save_pretrained(folder)

    return build


def _improved_ddpm(folder: Path, card: Card) -> None:
    schedule = {"variance_type": "learned_range", "beta_schedule": "squaredcos_cap_v2"}
    _unconditional(d.DDPMPipeline, lambda: d.DDPMScheduler(**schedule), 6)(folder, card)


def _dit(folder: Path, card: Card) -> None:
    transformer = d.DiTTransformer2DModel(
        sample_size=SIZE // 8, num_layers=2, patch_size=4, attention_head_dim=8,
        num_attention_heads=2, in_channels=4, out_channels=8, num_embeds_ada_norm=1000,
    )  # fmt: skip
    d.DiTPipeline(
        transformer=transformer, vae=nets.vae(), scheduler=d.DDIMScheduler()
    ).save_pretrained(folder)


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
        unet=unet, movq=nets.movq(), scheduler=d.DDPMScheduler(variance_type="learned_range")
    ).save_pretrained(folder)
    d.KandinskyV22PriorPipeline(
        prior=nets.prior(tokenizer), image_encoder=nets.vision(TEXT_WIDTH), tokenizer=tokenizer,
        text_encoder=nets.clip(t.CLIPTextModelWithProjection, tokenizer),
        scheduler=nets.unclip_scheduler(),
        image_processor=t.CLIPImageProcessor(size=32, crop_size=32),
    ).save_pretrained(folder / "parts" / "prior")  # fmt: skip


def _stable_unclip(folder: Path, card: Card) -> None:
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import (
        StableUnCLIPImageNormalizer,
    )

    tokenizer = spelling_tokenizer(folder / "words")
    d.StableUnCLIPPipeline(
        prior_tokenizer=tokenizer, prior=nets.prior(tokenizer), tokenizer=tokenizer,
        prior_text_encoder=nets.clip(t.CLIPTextModelWithProjection, tokenizer),
        prior_scheduler=nets.unclip_scheduler(), vae=nets.vae(), scheduler=nets.ddim(),
        image_normalizer=StableUnCLIPImageNormalizer(embedding_dim=TEXT_WIDTH),
        image_noising_scheduler=d.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        text_encoder=nets.clip(t.CLIPTextModel, tokenizer),
        unet=nets.unet(
            class_embed_type="projection",
            projection_class_embeddings_input_dim=2 * TEXT_WIDTH,
        ),
    ).save_pretrained(folder)  # fmt: skip


def _if(folder: Path, card: Card) -> None:
    tokenizer, encoder = nets.t5()
    none = {
        "safety_checker": None, "feature_extractor": None, "watermarker": None,
        "requires_safety_checker": False,
    }  # fmt: skip
    d.IFPipeline(
        tokenizer=tokenizer, text_encoder=encoder, unet=nets.if_unet(3),
        scheduler=nets.if_scheduler(), **none,
    ).save_pretrained(folder)  # fmt: skip
    large = nets.if_unet(6, class_embed_type="timestep", time_embedding_act_fn="gelu")
    d.IFSuperResolutionPipeline(
        tokenizer=tokenizer, text_encoder=encoder, unet=large, scheduler=nets.if_scheduler(),
        image_noising_scheduler=d.DDPMScheduler(beta_schedule="squaredcos_cap_v2"), **none,
    ).save_pretrained(folder / "parts" / "super_resolution")  # fmt: skip


def _sd3(folder: Path, card: Card) -> None:
    tokenizer = spelling_tokenizer(folder / "words")
    tokenizer_3, encoder_3 = nets.t5()
    d.StableDiffusion3Pipeline(
        transformer=d.SD3Transformer2DModel(
            sample_size=SIZE // 8, patch_size=1, in_channels=16, num_layers=1,
            attention_head_dim=8, num_attention_heads=4, caption_projection_dim=32,
            joint_attention_dim=32, pooled_projection_dim=2 * TEXT_WIDTH, out_channels=16,
        ),
        scheduler=d.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=nets.vae(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06),
        text_encoder=nets.clip(t.CLIPTextModelWithProjection, tokenizer), tokenizer=tokenizer,
        text_encoder_2=nets.clip(t.CLIPTextModelWithProjection, tokenizer), tokenizer_2=tokenizer,
        text_encoder_3=encoder_3, tokenizer_3=tokenizer_3,
    ).save_pretrained(folder)  # fmt: skip


def _flux(folder: Path, card: Card) -> None:
    tokenizer = spelling_tokenizer(folder / "words")
    tokenizer_2, encoder_2 = nets.t5()
    dev = "dev" in card.name
    d.FluxPipeline(
        transformer=d.FluxTransformer2DModel(
            patch_size=1, in_channels=64, num_layers=1, num_single_layers=1,
            attention_head_dim=16, num_attention_heads=2, joint_attention_dim=TEXT_WIDTH,
            pooled_projection_dim=TEXT_WIDTH, axes_dims_rope=(4, 4, 8), guidance_embeds=dev,
        ),
        scheduler=d.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=dev),
        vae=nets.vae(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1),
        text_encoder=nets.clip(t.CLIPTextModel, tokenizer), tokenizer=tokenizer,
        text_encoder_2=encoder_2, tokenizer_2=tokenizer_2,
    ).save_pretrained(folder)  # fmt: skip


def _pixart(folder: Path, card: Card) -> None:
    tokenizer, encoder = nets.t5()
    alpha = "alpha" in card.name
    kind = d.PixArtAlphaPipeline if alpha else d.PixArtSigmaPipeline
    kind(
        transformer=d.PixArtTransformer2DModel(
            sample_size=SIZE // 8, num_layers=1, patch_size=2, attention_head_dim=8,
            num_attention_heads=2, caption_channels=TEXT_WIDTH, in_channels=4, out_channels=8,
            cross_attention_dim=16, use_additional_conditions=False,
        ),
        scheduler=d.DPMSolverMultistepScheduler(**nets.BETAS), vae=nets.vae(), tokenizer=tokenizer,
        text_encoder=encoder,
    ).save_pretrained(folder)  # fmt: skip


def _z_image(folder: Path, card: Card) -> None:
    tokenizer, encoder = nets.qwen(t.Qwen3Model, 2)
    d.ZImagePipeline(
        transformer=d.ZImageTransformer2DModel(
            dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
            axes_dims=[4, 6, 6], axes_lens=[1024, 64, 64],
        ),
        scheduler=d.FlowMatchEulerDiscreteScheduler(shift=3.0), tokenizer=tokenizer,
        vae=nets.vae(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1),
        text_encoder=encoder,
    ).save_pretrained(folder)  # fmt: skip


def _flux2(folder: Path, card: Card) -> None:
    tokenizer, encoder = nets.qwen(t.Qwen3ForCausalLM, 27)
    vae = d.AutoencoderKLFlux2(
        latent_channels=32, block_out_channels=(8, 8, 8, 8), norm_num_groups=2, layers_per_block=1,
        mid_block_add_attention=False,
    )  # fmt: skip
    vae.decoder.conv_out.weight.data *= 5
    d.Flux2KleinPipeline(
        transformer=d.Flux2Transformer2DModel(
            in_channels=128, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=48, axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        scheduler=d.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), vae=vae,
        text_encoder=encoder, tokenizer=tokenizer, is_distilled=True,
    ).save_pretrained(folder)  # fmt: skip


BUILDERS: Mapping[str, Callable[[Path, Card], None]] = {
    "sdxl-turbo": _sdxl,
    "sdxl-base": _sdxl,
    "ldm-text2im": _ldm,
    "ddpm-cat": _unconditional(d.DDPMPipeline, d.DDPMScheduler, 3),
    "improved-ddpm": _improved_ddpm,
    "ddim-bedroom": _unconditional(d.DDIMPipeline, d.DDIMScheduler, 3),
    "seedling-ddpm": _unconditional(d.DDPMPipeline, d.DDPMScheduler, 3),
    "seedling-ddim": _unconditional(d.DDPMPipeline, d.DDPMScheduler, 3),
    "seedling-improved-ddpm": _improved_ddpm,
    "dit": _dit,
    "controlnet-canny": _sd,
    "controlnet-canny-pose": _sd,
    "controlnet-canny-sdxl": _sdxl,
    "seedling-control": _sd,
    "t2i-adapter-color": _sd,
    "ip-adapter": _sd,
    "ip-adapter-controlnet": _sd,
    "kandinsky22": _kandinsky,
    "stable-unclip": _stable_unclip,
    "deepfloyd-if": _if,
    "sd35-large": _sd3,
    "flux-dev": _flux,
    "flux-schnell": _flux,
    "z-image-turbo": _z_image,
    "flux2-klein": _flux2,
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
    """The stages with few steps and a small first image."""
    few = {"num_inference_steps": 2, "prior_num_inference_steps": 2, "height": 16, "width": 16}
    return tuple(
        stage.model_copy(
            update={"arguments": {k: few.get(k, v) for k, v in stage.arguments.items()}}
        )
        for stage in card.stages
    )
