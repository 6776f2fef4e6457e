"""Coherence and common share against scipy, loops and planted values; errors that cover."""

import numpy as np
import pytest
from scipy import signal

from analysis.statistics.spectra import (
    Bands,
    centred,
    coherence,
    common_share,
    crossed_errors,
    octave_bands,
    spectrum,
)


def each_frequency(count: int) -> Bands:
    return Bands(tuple(map(str, range(count))), np.eye(count, dtype=bool))


@pytest.mark.parametrize("shape", [(8, 8), (5, 8), (64, 64), (1, 7), (1, 1)])
def test_every_frequency_is_in_one_band_and_rings_double(shape: tuple[int, int]) -> None:
    bands = octave_bands(*shape)
    assert (bands.members.sum(axis=0) == 1).all()
    assert bands.members.any(axis=1).all()
    y, x = np.unravel_index(np.arange(shape[0] * shape[1]), shape)
    fold = [np.minimum(k, n - k) for k, n in ((y, shape[0]), (x, shape[1]))]
    ring = np.rint(np.hypot(*fold))
    for name, member in zip(bands.names, bands.members, strict=True):
        low, _, high = name.partition("-")
        assert ring[member].min() >= int(low)
        assert ring[member].max() <= int(high or low)


def test_power_is_that_of_the_pixels_and_white_noise_is_flat() -> None:
    noise = np.random.default_rng(0).normal(size=(4000, 1, 8, 8))
    transform = spectrum(noise)
    assert (np.abs(transform) ** 2).sum() == pytest.approx((noise**2).sum())
    flat = octave_bands(8, 8).mean(np.abs(transform) ** 2).mean(axis=(0, 1))
    assert np.log(flat) / 2 == pytest.approx(np.zeros(5), abs=0.03)
    assert np.log((np.abs(np.fft.fft2(noise)) ** 2).mean()) / 2 > 1  # unscaled it is not


def test_coherence_is_scipys() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 16))
    y = 0.6 * np.roll(x, 3, axis=1) + rng.normal(size=(50, 16))
    ours = coherence(
        spectrum(x[:, None, None, :]), spectrum(y[:, None, None, None, :]), each_frequency(16)
    )[0]
    plain = {"nperseg": 16, "noverlap": 0, "detrend": False}
    _, theirs = signal.coherence(x.ravel(), y.ravel(), window="boxcar", **plain)
    assert ours[:9] == pytest.approx(theirs)
    assert ours[9:] == pytest.approx(theirs[1:8][::-1])  # real fields have symmetric spectra
    _, windowed = signal.coherence(x.ravel(), y.ravel(), window="hann", **plain)
    assert ours[:9] != pytest.approx(windowed, abs=0.02)


def test_a_planted_share_of_the_noise_is_found_in_its_band_only() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(400, 2, 8, 8))
    bands = octave_bands(8, 8)
    x = spectrum(noise)
    keep = bands.members[0] | bands.members[1]
    y = 0.8 * np.where(keep, x, 0)[:, None] + 0.6 * spectrum(rng.normal(size=(400, 6, 2, 8, 8)))
    start, end = centred(x), centred(y)
    low = 0.64
    coherences = coherence(start, end, bands).mean(axis=0)
    shared = common_share(end, bands).mean(axis=0)
    assert coherences[:2] == pytest.approx([low / (low + 0.36)] * 2, abs=0.05)
    assert shared[:2] == pytest.approx(coherences[:2], abs=0.05)
    assert (coherences[2:] < 0.01).all()
    assert np.abs(shared[2:]).max() < 0.01
    biased = (np.abs(end.mean(axis=1)) ** 2).sum(axis=0) / (np.abs(end) ** 2).mean(axis=1).sum(0)
    assert bands.mean(biased)[:, 2:].min() > 0.15  # the naive share is 1 / P if the true one is 0


def test_common_share_is_the_mean_product_of_pairs() -> None:
    rng = np.random.default_rng(3)
    end = rng.normal(size=(5, 4, 1, 1)) + 1j * rng.normal(size=(5, 4, 1, 1))
    pairs = [
        (end[s, p] * end[s, q].conj()).real.item()
        for s in range(5)
        for p in range(4)
        for q in range(4)
        if p != q
    ]
    wanted = np.mean(pairs) / (np.abs(end) ** 2).mean()
    assert common_share(end, each_frequency(1)).item() == pytest.approx(wanted)


def test_crossed_errors_cover_and_independent_cells_do_not() -> None:
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(10), 3)
    inside = naive = 0
    for _ in range(300):
        cells = rng.normal(size=(16, 1)) + rng.normal(size=10)[groups] + rng.normal(size=(16, 30))

        def mean(seeds: np.ndarray, prompts: np.ndarray, of: np.ndarray = cells) -> np.ndarray:
            return np.asarray(of[np.ix_(seeds, prompts)].mean())

        value, error = cells.mean(), crossed_errors(mean, np.arange(16), groups)
        inside += abs(value) < 2.1 * error
        naive += abs(value) < 2.1 * cells.std(ddof=1) / np.sqrt(cells.size)
    assert inside / 300 > 0.92
    assert naive / 300 < 0.6
