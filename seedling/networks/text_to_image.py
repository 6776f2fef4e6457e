"""The networks that make up a seedling, and the diffusers pipeline that draws with them."""

from dataclasses import dataclass
from pathlib import Path

from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from seedling.networks.model import Variant, new_scheduler, new_text_encoder, new_unet
from seedling.networks.tokenizer import new_tokenizer


@dataclass(frozen=True)
class Networks:
    """The noise predictor and text encoder, which are trained together, and what they need."""

    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler


def new_networks(variant: Variant) -> Networks:
    """Make untrained networks with the sizes of a variant."""
    tokenizer = new_tokenizer()
    text_encoder = new_text_encoder(len(tokenizer), tokenizer.eos_token_id)
    scheduler = new_scheduler(variant.beta_end)
    unet = new_unet(variant.channels, scale_shift=variant.scale_shift)
    return Networks(unet, text_encoder, tokenizer, scheduler)


def take_weights(networks: Networks, folder: Path) -> None:
    """Load the weights of a published model of the same sizes into the networks, as fp32."""
    networks.unet.load_state_dict(
        load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    )
    networks.text_encoder.load_state_dict(load_file(folder / "text_encoder" / "model.safetensors"))


def new_pipe(vae: AutoencoderKL, networks: Networks, *, scale: float) -> StableDiffusionPipeline:
    """Assemble trained parts into a pipeline without a progress bar; precision is unchanged."""
    vae.register_to_config(scaling_factor=round(scale, 4))
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=networks.text_encoder,
        tokenizer=networks.tokenizer,
        unet=networks.unet,
        scheduler=networks.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
