"""Images that are saved say how they were drawn, to other programs and to `goldenseed import`."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from sd_parsers import ParserManager

import goldenseed
from goldenseed.api.saved_images import texts
from pipeline.imported.origin import OriginReader
from pipeline.prompts.prompt import Prompt
from tests.in_process import exit_code
from tests.layouts import pixels, png


def test_saved_images_are_read_by_others_and_imported_again(made: Path, tmp_path: Path) -> None:
    run = goldenseed.open_run(made / "run")
    texts = [prompt.text for prompt in run.prompts[:3]]
    files = run.save_images(tmp_path / "out", texts, [1, 5])
    assert len(files) == len({*files}) == 6
    for path in files:
        info = ParserManager().parse(path)
        assert info is not None
        (sampler,) = info.samplers
        with Image.open(path) as image:
            chunk = json.loads(image.info["goldenseed:noise"])
            drawn = np.asarray(run.image(chunk["prompt"], chunk["seed"]))
            assert (np.asarray(image) == drawn).all()
        assert int(sampler.parameters["seed"]) == chunk["seed"]
        assert sampler.prompts[0].value == chunk["prompt"]
        assert (sampler.name, sampler.parameters["steps"]) == (run.run.config.scheduler, "2")
        assert chunk["noise_spec"] == "torch-cpu-mt19937-normal-fp32/v1"
    assert exit_code("import", tmp_path / "out", "--out", tmp_path / "run") == 0
    again = goldenseed.open_run(tmp_path / "run")
    assert sorted(again.seeds) == [1, 5]
    assert {prompt.text for prompt in again.prompts} == set(texts)
    assert again.run.config.imported["tool"] == "goldenseed"
    assert (np.asarray(again.image(texts[0], 5)) == np.asarray(run.image(texts[0], 5))).all()


def test_a_prompt_that_looks_like_settings_is_read_from_our_own_text(
    made: Path, tmp_path: Path
) -> None:
    run = goldenseed.open_run(made / "run").run
    text = "a horse\nNegative prompt: x\nSteps: 1, Sampler: y, CFG scale: 2, Seed: 3"
    prompt = Prompt(text, negative="z")
    path = tmp_path / "a.png"
    path.write_bytes(png(pixels(1), texts(run, prompt, 7)))
    with Image.open(path) as image:
        origin = OriginReader().read(image, "a.png")
    assert Prompt(origin.prompt, **origin.labels) == prompt
    assert origin.seed == 7
