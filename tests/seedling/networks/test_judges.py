"""Test the small judges: pairs with known differences, exact nearness, and published folders."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from analysis.features.base import Batch, extract_in_batches
from analysis.features.clip import ClipSeedling
from analysis.features.hps import PreferenceSeedling
from analysis.features.layout import LayoutSeedling
from seedling.learning import alike, degrade, drawn_alike
from seedling.learning.loop import Budget
from seedling.learning.teacher import FIRST_SEED, GUIDANCE, STEPS, final_latents
from seedling.measure import judges as measure_judges
from seedling.networks import depth, preference, segmenter
from seedling.networks.model import new_vae
from seedling.networks.tokenizer import new_tokenizer
from seedling.randomness import make_generator
from seedling.train import depth as train_depth
from seedling.train import preference as train_preference
from seedling.train import segmenter as train_segmenter
from seedling.world.painting import brightness
from seedling.world.scenes import Scenes, draw_scenes
from seedling.world.sentences import parse
from seedling.world.vocabulary import OBJECTS
from tests.analysis.features.card_files import write_card_file
from tests.seedling import tiny_base

MIB = 2**20
TWO_STEPS = Budget(minutes=60, rate=1e-3, steps=2)


def scenes_of(*texts: str, seed: int = 1) -> Scenes:
    parts = torch.tensor([parse(text) for text in texts])
    return draw_scenes(parts, generator=make_generator(seed))


def batch_of(scenes: Scenes, texts: list[str], words: list[str]) -> Batch:
    pixels = (scenes.images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    prompts = [{"text": text, "object": word} for text, word in zip(texts, words, strict=True)]
    return Batch(np.ascontiguousarray(pixels), prompts)


def test_each_kind_of_pair_differs_as_documented() -> None:
    kinds = torch.arange(len(degrade.KINDS)).repeat_interleave(3)
    vae = new_vae((8, 8, 8, 8)).eval()
    pairs = degrade.draw_pairs(len(kinds), vae=vae, generator=make_generator(2), kinds=kinds)
    assert pairs.better.shape == pairs.worse.shape == (len(kinds), 3, 64, 64)
    assert 0 <= float(pairs.worse.min()) <= float(pairs.worse.max()) <= 1
    assert float((pairs.better - pairs.worse).abs().mean(dim=(1, 2, 3)).min()) > 0.002
    by_kind = {name: kinds == number for number, name in enumerate(degrade.KINDS)}
    grey, shuffle = by_kind["grey"], by_kind["shuffle"]
    kept = brightness(pairs.better[grey]) - brightness(pairs.worse[grey])
    assert float(kept.abs().max()) < 1e-5
    pixels = (pairs.better[shuffle].flatten(1).sort().values, pairs.worse[shuffle].flatten(1))
    assert torch.equal(pixels[0], pixels[1].sort().values)
    assert not torch.equal(pairs.better[shuffle], pairs.worse[shuffle])
    again = degrade.draw_pairs(len(kinds), vae=vae, generator=make_generator(2), kinds=kinds)
    assert torch.equal(pairs.worse, again.worse)


def test_blur_keeps_flat_areas_and_removes_detail() -> None:
    even = torch.full((2, 3, 64, 64), 0.3)
    assert torch.allclose(degrade.blurred(even, generator=make_generator(1)), even, atol=1e-5)
    fine = torch.rand(2, 3, 64, 64, generator=make_generator(1))
    assert float(degrade.blurred(fine, generator=make_generator(1)).std()) < 0.3 * float(fine.std())


def test_nearness_falls_from_the_lower_edge_to_the_horizon_and_with_depth() -> None:
    scenes = scenes_of("a horse on a beach", "a horse on a beach", "a solid black background")
    far = torch.tensor([0.0, 1.0, 0.5])
    specs = replace(scenes.specs, depth=far, horizon=torch.full((3,), 0.5))
    near = depth.depth_map(specs, scenes.masks)
    ground = depth.depth_map(specs, torch.zeros_like(scenes.masks))[0, :, 0]
    assert float(ground[:32].max()) == 0.0
    assert bool((ground[32:].diff() > 0).all())
    assert float(ground[-1]) > 0.98
    assert float(near[0][scenes.masks[0]].min()) == 1.0
    assert float(near[1][scenes.masks[1]].max()) == pytest.approx(depth.FARTHEST)
    assert float(near[2].max()) == 0.0


def test_exact_depth_is_in_order_and_its_negative_is_not() -> None:
    exact = [
        depth.depth_map(scenes.specs, scenes.masks) for scenes in measure_judges.with_objects(64, 5)
    ]
    for sign, expected in ((1, 1.0), (-1, 0.0)):
        known = iter(sign * near for near in exact)
        order = measure_judges.depth_order(lambda _, k=known: next(k), count=64, seed=5)  # type: ignore[misc]
        assert {share.value for share in order.values()} == {expected}


def test_masks_of_absent_objects_are_empty() -> None:
    scenes = scenes_of("a red cup", "a solid white background", *["a black dog"] * 62)
    labels, masks = train_segmenter.draw_words(
        scenes, generator=make_generator(3), absent_rate=0.15
    )
    right = labels == scenes.specs.thing
    assert not right[1]
    assert 40 < int(right.sum()) < 64
    assert torch.equal(masks[right], scenes.masks[right])
    assert not masks[~right].any()


def test_logits_are_the_networks_own() -> None:
    tokenizer = new_tokenizer()
    network = segmenter.new_segmenter(tokenizer).eval()
    scenes = scenes_of("a red cup", "a black dog")
    ids = preference.tokens(tokenizer, ["a photo of a cup", "a photo of a dog"])
    with torch.no_grad():
        ours = segmenter.logits(network, scenes.images, ids)
        theirs = network(
            input_ids=ids,
            pixel_values=preference.normalised(scenes.images),
            attention_mask=segmenter.attention_mask(ids, network),
        ).logits
        swapped = segmenter.logits(network, scenes.images, ids.flip(0))
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert not torch.allclose(ours, swapped, atol=1e-5)


def test_a_finer_segmenter_embeds_a_patch_as_the_coarse_one_embeds_it_enlarged() -> None:
    tokenizer = new_tokenizer()
    coarse = segmenter.new_segmenter(tokenizer)
    finer = segmenter.with_finer_patches(coarse, tokenizer)
    patches = torch.rand(3, 3, 4, 4, generator=make_generator(2))
    enlarged = functional.interpolate(patches, size=8, mode="bilinear")
    embed_fine, embed_coarse = (
        n.clip.vision_model.embeddings.patch_embedding for n in (finer, coarse)
    )
    assert torch.allclose(embed_fine(patches), embed_coarse(enlarged), atol=1e-4)
    nearest = functional.interpolate(patches, size=8, mode="nearest")
    assert not torch.allclose(embed_fine(patches), embed_coarse(nearest), atol=1e-3)
    images = torch.rand(2, 3, 64, 64, generator=make_generator(3))
    ids = preference.tokens(tokenizer, ["a photo of a cup", "a photo of a dog"])
    assert segmenter.logits(finer.eval(), images, ids).shape == (2, 64, 64)


def test_scenes_that_are_alike_differ_in_their_objects() -> None:
    parts = alike.draw_alike(64, generator=make_generator(4))
    for row in parts.split(alike.ALIKE):
        plain = row[row[:, 0] < len(OBJECTS)]
        assert len(torch.unique(plain[:, 1:], dim=0)) == 1
        assert len(torch.unique(plain[:, 0])) == len(plain) > 8
    assert len(torch.unique(parts[:, 1:], dim=0)) > 3, "rows differ from each other"


def test_a_row_of_drawn_images_has_one_seed(tmp_path: Path) -> None:
    base = tiny_base.write_base(tmp_path / "base")
    drawn = drawn_alike.draw_alike_images(base, 32, 3)
    assert drawn["images"].shape == (32, 3, 64, 64)
    prompts = drawn_alike.sentences_of(drawn["parts"], drawn["wordings"])
    first = FIRST_SEED + drawn_alike.SEEDS_AFTER
    for index in (0, 15, 16, 31):
        for shift, same in ((0, True), (1, False)):
            latents = final_latents(
                base, [prompts[index]], torch.tensor([first + index // 16 + shift]),
                steps=STEPS, guidance=GUIDANCE,
            )  # fmt: skip
            differences = drawn_alike.decode(base, latents)[0].int() - drawn["images"][index].int()
            assert bool(differences.abs().max() <= 2) == same
    right, half_wrong, texts = train_preference.choose_drawn(drawn, 16, generator=make_generator(1))
    start = prompts.index(texts[0])
    assert texts == prompts[start : start + 16]
    for ours, name in ((right, "images"), (half_wrong, "half_wrong")):
        kept = drawn[name][start : start + 16].float() / 255
        errors = [float((ours - view).abs().mean()) for view in (kept, kept.flip(3))]
        assert min(errors) < 0.06 < max(errors), "mirrored or not, slightly changed"


def test_half_wrong_images_start_with_another_prompt(tmp_path: Path) -> None:
    base = tiny_base.write_base(tmp_path / "base")
    prompts = ["a red cup", "a black dog"] * 8
    seeds = torch.arange(16)

    def plain(texts: list[str]) -> torch.Tensor:
        return final_latents(base, texts, seeds, steps=STEPS, guidance=GUIDANCE)

    def misled(steps: int) -> torch.Tensor:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(drawn_alike, "MISLED", (steps, steps))
            return drawn_alike.misled_latents(base, prompts, seeds, generator=make_generator(1))

    right, other = plain(prompts), plain([*prompts[1:], prompts[0]])
    torch.testing.assert_close(misled(STEPS), other, atol=1e-3, rtol=1e-3)
    early, late = misled(2), misled(STEPS - 2)
    assert float((early - right).abs().mean()) < float((late - right).abs().mean())
    assert float((late - other).abs().mean()) < float((early - other).abs().mean())


def test_judges_train_publish_and_are_read_by_their_features(tmp_path: Path) -> None:
    vae = new_vae((8, 8, 8, 8)).eval()
    trips = train_preference.make_trips(vae, 32, 3)
    clip = train_preference.train_clip(trips, budget=TWO_STEPS, batch=64, folder=tmp_path)
    base = tiny_base.write_base(tmp_path / "base")
    drawn = drawn_alike.draw_alike_images(base, 32, 3)
    judge = train_preference.train_preference(
        clip, vae, drawn, budget=TWO_STEPS, batch=16, folder=tmp_path
    )
    preference.publish(clip, tmp_path / "clip")
    preference.publish(judge, tmp_path / "preference")
    assert sum(file.stat().st_size for file in (tmp_path / "preference").iterdir()) < 4 * MIB
    texts = ["a red cup", "a black dog on a beach"]
    scenes = scenes_of(*texts)
    batch = batch_of(scenes, texts, ["cup", "dog"])
    options: dict[str, object] = {"version": "v1"}
    card = write_card_file(
        tmp_path, "preference_seedling", tmp_path / "preference", options=options
    )
    feature = PreferenceSeedling(str(card))
    feature.setup()
    score = extract_in_batches(feature, batch)["score_v1"]
    loaded, tokenizer = preference.load_judge(tmp_path / "preference")
    ours = preference.scores(loaded, tokenizer, scenes.images, texts).numpy()
    assert np.allclose(score, ours, atol=1e-3)  # images were rounded to 8 bits
    card = write_card_file(tmp_path, "clip_seedling", tmp_path / "clip", options={"width": 64})
    other = ClipSeedling(str(card))
    other.setup()
    features = extract_in_batches(other, batch)
    assert features["embedding"].shape == (2, preference.DIMENSIONS)
    assert not np.array_equal(features["similarity"], score)


def test_segmenter_and_depth_train_publish_and_are_read_by_layout(tmp_path: Path) -> None:
    network = train_segmenter.train(budget=TWO_STEPS, fine=TWO_STEPS, folder=tmp_path)
    segmenter.publish(network, tmp_path / "segmenter")
    depth.publish(train_depth.train(budget=TWO_STEPS, batch=4, folder=tmp_path), tmp_path / "depth")
    for name in ("segmenter", "depth"):
        assert sum(file.stat().st_size for file in (tmp_path / name).iterdir()) < 5 * MIB
    near = write_card_file(tmp_path, "layout_depth", tmp_path / "depth")
    options = {"depth_card": str(near), "threshold": 0.01, "template": segmenter.TEMPLATE}
    card = write_card_file(tmp_path, "layout_seedling", tmp_path / "segmenter", options=options)
    feature = LayoutSeedling(str(card))
    feature.setup()
    scenes = scenes_of("a red cup", "a black dog")
    batch = batch_of(scenes, ["a red cup", "a black dog"], ["cup", "dog"])
    loaded, tokenizer = segmenter.load_segmenter(tmp_path / "segmenter")
    ids = preference.tokens(tokenizer, [segmenter.TEMPLATE.format(w) for w in ("cup", "dog")])
    pixels = torch.from_numpy(batch.images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        ours = segmenter.logits(loaded, pixels, ids).sigmoid().numpy()
    assert np.allclose(feature.probabilities(batch), ours, atol=1e-3)
    estimated = depth.estimate(depth.load_network(tmp_path / "depth"), pixels)
    assert np.allclose(feature.nearness(batch.images, (64, 64)), estimated.numpy(), atol=1e-3)
    assert extract_in_batches(feature, batch)["found"].shape == (2,)


def test_objects_of_extreme_scenes_are_left_out() -> None:
    chunks = measure_judges.with_objects(128, 7)
    assert all(int(chunk.specs.thing.max()) < len(OBJECTS) for chunk in chunks)
    assert sum(len(chunk.images) for chunk in chunks) < 128
