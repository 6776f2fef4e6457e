"""Save images of a run as PNG files that say how they were drawn."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, PngImagePlugin

import goldenseed
from analysis.extraction.images import read_tile_images
from pipeline.imported.origin import NOISE_CHUNK
from pipeline.noise import noise_spec
from pipeline.prompts.prompt import Prompt
from pipeline.runs.run import Run
from pipeline.storage.disk import make_folder, store_errors


def save_images(
    run: Run, folder: Path, prompts: Sequence[Prompt], seeds: Sequence[int]
) -> list[Path]:
    """Save images, each as `<prompt id>_seed_<seed>.png`.

    Each file has two texts. `parameters` is that of AUTOMATIC1111, which many programs and
    sd-parsers read. `goldenseed:noise` is JSON, and says exactly what the image is: its prompt and
    seed, the rule of its noise, the settings and the run.

    Args:
        run: The run.
        folder: Where to write; files of the same name are replaced.
        prompts: Whose images to save.
        seeds: Whose images to save.

    Returns:
        The files. An image that is not drawn, failed or was not kept has none.
    """
    make_folder(folder)
    ids, files = {prompt.id: prompt for prompt in prompts}, []
    for tile in run.tiles():
        cells = [cell for cell in tile.cells if cell[0] in ids and cell[1] in set(seeds)]
        images = read_tile_images(run, tile, cells) if cells else {}
        for (prompt_id, seed), pixels in images.items():
            path = folder / f"{prompt_id}_seed_{seed}.png"
            info = PngImagePlugin.PngInfo()
            for key, value in texts(run, ids[prompt_id], seed).items():
                info.add_itxt(key, value)
            with store_errors(path):
                Image.fromarray(pixels).save(path, pnginfo=info)
            files.append(path)
    return files


def texts(run: Run, prompt: Prompt, seed: int) -> Mapping[str, str]:
    """Write what an image is, for other programs and for goldenseed."""
    settings = _settings(run)
    chunk = {
        "prompt": prompt.text,
        "prompt_id": prompt.id,
        "negative": prompt.negative,
        "seed": seed,
        "noise_spec": noise_spec(run.config.noise).name,
        "latents_shape": list(run.latents_shape),
        "run_id": run.run_id,
        "settings": settings,
    }
    return {
        "parameters": _parameters(run, prompt, seed, settings),
        NOISE_CHUNK: json.dumps(chunk, ensure_ascii=False),
    }


def _settings(run: Run) -> dict[str, str]:
    config = run.config
    if config.imported:
        return dict(config.imported)
    settings = {
        "model": config.card,
        "model_hash": config.card_sha256[:10],
        "sampler": config.scheduler,
        "steps": str(config.num_inference_steps),
        "cfg_scale": f"{config.guidance_scale:g}",
        "negative": config.negative_prompt,
        "run_id": run.run_id,
    }
    return {name: value for name, value in settings.items() if value}


def _parameters(run: Run, prompt: Prompt, seed: int, settings: Mapping[str, str]) -> str:
    """Write the three lines of AUTOMATIC1111, whose last line cannot hold commas in values."""
    last = {
        "Steps": settings.get("steps", ""),
        "Sampler": settings.get("sampler", "unknown"),
        "CFG scale": settings.get("cfg_scale", ""),
        "Seed": str(seed),
        "Size": f"{run.config.width}x{run.config.height}",
        "Model hash": settings.get("model_hash", ""),
        "Model": settings.get("model", ""),
        "Version": f"goldenseed {goldenseed.__version__}",
    }
    pairs = [f"{k}: {v.translate(str.maketrans(',:', '  '))}" for k, v in last.items() if v]
    negative = prompt.negative or settings.get("negative", "")
    lines = [prompt.text, *([f"Negative prompt: {negative}"] if negative else []), ", ".join(pairs)]
    return "\n".join(lines)
