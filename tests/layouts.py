"""Write image files with the metadata that other programs write.

The layouts are those of the files in d3x-at/sd-parsers, tests/resources/parsers (MIT), and of the
programs' own documentation; no file is copied.
"""

import io
import json
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, PngImagePlugin

Text = Mapping[str, str]
Layout = Callable[[str, int], Text]


def a1111(prompt: str, seed: int, **changes: str) -> Text:
    """Text of AUTOMATIC1111's stable-diffusion-webui: one chunk of three lines."""
    settings = {
        "Steps": "20", "Sampler": "Euler a", "CFG scale": "7", "Seed": str(seed),
        "Size": "64x64", "Model hash": "c0d1994c73", "Model": "dream", "Version": "v1.9.4",
        **changes,
    }  # fmt: skip
    last = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return {"parameters": f"{prompt}\nNegative prompt: blurry\n{last}"}


def sd_next(prompt: str, seed: int) -> Text:
    """Text of SD.Next, as its modules/processing_info.py writes it."""
    return a1111(prompt, seed, **SD_NEXT)


SD_NEXT = {"App": "SD.Next", "Version": "5f3b1c2", "Pipeline": "StableDiffusionPipeline",
           "Operations": "txt2img"}  # fmt: skip


def comfyui(prompt: str, seed: int) -> Text:
    """Text of ComfyUI: the graph of the nodes, and the workflow with its links."""
    nodes = {
        "3": {"class_type": "KSampler", "inputs": {
            "seed": seed, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "scheduler": "normal",
            "denoise": 1.0, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0],
            "latent_image": ["5", 0]}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
        "5": {"class_type": "EmptyLatentImage",
              "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": prompt, "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI"}},
    }  # fmt: skip
    links = [[1, 4, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"], [3, 4, 1, 6, 0, "CLIP"],
             [4, 6, 0, 3, 1, "CONDITIONING"], [5, 4, 1, 7, 0, "CLIP"],
             [6, 7, 0, 3, 2, "CONDITIONING"]]  # fmt: skip
    return {"prompt": json.dumps(nodes), "workflow": json.dumps({"links": links, "nodes": []})}


def invokeai(prompt: str, seed: int) -> Text:
    """Text of InvokeAI since its version 3."""
    fields = {
        "generation_mode": "sdxl_txt2img", "positive_prompt": prompt, "negative_prompt": "blurry",
        "width": 64, "height": 64, "seed": seed, "rand_device": "cpu", "cfg_scale": 8.0,
        "cfg_rescale_multiplier": 0.0, "steps": 35, "scheduler": "euler",
        "model": {"model_name": "juggernautXL", "base_model": "sdxl", "model_type": "main"},
    }  # fmt: skip
    return {"invokeai_metadata": json.dumps(fields)}


def fooocus(prompt: str, seed: int) -> Text:
    """Text of Fooocus; its `full_prompt` has words that depend on the seed."""
    fields = {
        "base_model": "juggernautXL_v8", "base_model_hash": "aeb7e9e689", "clip_skip": 2,
        "full_negative_prompt": ["blurry"], "full_prompt": [prompt, f"{prompt}, epic {seed}"],
        "guidance_scale": 4, "loras": [], "metadata_scheme": "fooocus", "negative_prompt": "",
        "performance": "Speed", "prompt": prompt, "prompt_expansion": f"{prompt}, epic {seed}",
        "refiner_model": "None", "resolution": "(64, 64)", "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras", "seed": str(seed), "sharpness": 2, "steps": 30,
        "styles": "['Fooocus V2']", "version": "Fooocus v2.4.3",
    }  # fmt: skip
    return {"parameters": json.dumps(fields), "fooocus_scheme": "fooocus"}


TOOLS: Mapping[str, Layout] = {
    "AUTOMATIC1111": a1111,
    "SD.Next": sd_next,
    "ComfyUI": comfyui,
    "InvokeAI": invokeai,
    "Fooocus": fooocus,
}


def pixels(*key: int, size: tuple[int, int] = (32, 32)) -> Image.Image:
    """An image of noise around a brightness that the last number of the key decides."""
    rng = np.random.default_rng(key)
    noise = rng.integers(0, 64, (size[1], size[0], 3)) + 20 * (key[-1] % 8)
    return Image.fromarray(noise.astype(np.uint8))


def png(image: Image.Image, text: Text) -> bytes:
    """Write a PNG file with text chunks."""
    info, file = PngImagePlugin.PngInfo(), io.BytesIO()
    for key, value in text.items():
        info.add_itxt(key, value)
    image.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def jpeg(image: Image.Image, text: str) -> bytes:
    """Write a JPEG file with AUTOMATIC1111's text as its EXIF comment."""
    exif, file = Image.Exif(), io.BytesIO()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    image.save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()
