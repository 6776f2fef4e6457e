"""Labels show their text: no letter becomes the box that a font draws for what it lacks."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.text import Text
from PIL import Image, ImageDraw, ImageFont

from analysis.pictures import lettering, plots
from analysis.pictures.contact_sheet import THUMB, wrap_text
from analysis.pictures.lettering import (
    LAST_FONTS,
    Lettering,
    describe_missing,
    missing_letters,
    printable,
    shipped_font,
    warn_once,
    words_of,
)
from goldenseed.steps.doctor import software
from goldenseed.steps.doctor.finding import State

NOBODYS = "\U0010fffd"
"""A letter that no font has."""
SCRIPTS = {
    "French": "café à côté, où — “naïve”",
    "Polish": "żółw łąka",
    "Greek": "γάτα σε κήπο",
    "Russian": "кошка в саду",
    "Hebrew": "חתול בגן",
    "Arabic": "قطة في الحديقة",
    "mixed": "قطة cat חתול кошка",
    "emoji": "a cat 😀 🦊",
    "Chinese": "café 一只红色的球",
    "Japanese": "ねこが庭にいる",
    "Korean": "고양이",
    "Hindi": "हिन्दी",
    "Thai": "แมว",
}


@pytest.fixture
def caches() -> Iterator[None]:
    """Forget which fonts the machine has, before and after a test that changes them."""
    kept = (lettering.fonts, lettering._letters, lettering._open, lettering.warn_once)
    for cached in kept:
        cached.cache_clear()
    yield
    for cached in kept:
        cached.cache_clear()


def mask(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> bytes:
    return bytes(font.getmask(text))


def is_box(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, letter: str) -> bool:
    """Whether a font draws for this letter what it draws for a letter that it lacks."""
    return mask(font, letter) == mask(font, NOBODYS)


def drawn(text: str, width: int = 400) -> np.ndarray:
    image = Image.new("RGB", (width, 80), (255, 255, 255))
    Lettering(13).draw(ImageDraw.Draw(image), (0, 2), text, (0, 0, 0), spacing=1)
    return np.asarray(image)


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_letter_is_a_box(script: str) -> None:
    text = SCRIPTS[script]
    assert printable(text) == text
    letters = [
        (font, letter)
        for font, part in Lettering(13)._parts(text)
        for letter in part
        if not letter.isspace()
    ]
    assert sorted(letter for _, letter in letters) == sorted(text.replace(" ", ""))
    assert [letter for font, letter in letters if is_box(font, letter)] == []


def test_the_font_for_plain_text_would_draw_boxes() -> None:
    """The negative control: what labels were drawn with before."""
    assert is_box(ImageFont.load_default(13), "é")


def test_plain_text_is_drawn_as_before() -> None:
    image = Image.new("RGB", (400, 80), (255, 255, 255))
    font = ImageFont.load_default(13)
    ImageDraw.Draw(image).multiline_text((0, 2), "a cat\nseed 7", (0, 0, 0), font, spacing=1)
    assert np.array_equal(drawn("a cat\nseed 7"), np.asarray(image))


def test_text_from_right_to_left_is_ordered_and_joined() -> None:
    """Raqm's order and joined letters: unlike the letters one by one, in either direction."""
    font = ImageFont.truetype(shipped_font(), 13)
    text = "قطة"
    [(used, part)] = Lettering(13)._parts(text)
    assert mask(used, part) == mask(font, text)
    basic = ImageFont.truetype(shipped_font(), 13, layout_engine=ImageFont.Layout.BASIC)
    assert mask(used, part) not in (mask(basic, text), mask(basic, text[::-1]))


def small_font(path: Path, letter: str) -> Path:
    """A font with one letter, a wide bar, and a box for all others."""

    def bar(height: int) -> object:
        pen = TTGlyphPen(None)
        pen.moveTo((0, 0))
        for corner in ((0, height), (900, height), (900, 0)):
            pen.lineTo(corner)
        pen.closePath()
        return pen.glyph()

    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "one"])
    builder.setupCharacterMap({ord(letter): "one"})
    builder.setupGlyf({".notdef": bar(900), "one": bar(300)})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "one": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Small", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


@pytest.mark.usefixtures("caches")
def test_a_font_of_the_machine_is_found_for_what_the_shipped_one_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = small_font(tmp_path / "small-sans.ttf", "猫")
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(b"\x00\x01\x00\x00 no font")
    files = [str(damaged), str(file), str(tmp_path / "gone.ttf")]
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: files)
    text = "a 猫 é"
    assert printable(text) == text
    parts = [(font.path, part) for font, part in Lettering(13)._parts(text)]  # type: ignore[union-attr]
    assert parts == [(shipped_font(), "a "), (str(file), "猫"), (shipped_font(), " é")]
    assert not np.array_equal(drawn(text), drawn("a  é"))


@pytest.mark.usefixtures("caches")
def test_a_letter_without_a_font_is_a_number_and_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", list)
    assert printable("a 猫 é") == "a 猫 é"
    monkeypatch.setattr(lettering, "fonts", lambda: (shipped_font(),))
    assert printable("a 猫 é") == "a U+732B é"
    assert missing_letters(["a 猫 é", "猫!", "plain"]) == ["猫"]
    sentence = describe_missing(["猫"])
    assert "U+732B (CJK UNIFIED IDEOGRAPH-732B)" in sentence
    assert describe_missing([]) == ""
    with caplog.at_level(logging.WARNING):
        for said in (sentence, sentence, ""):
            warn_once(said)
    assert len(caplog.records) == 1
    assert not np.array_equal(drawn(printable("猫")), drawn(printable("馬")))


def test_marks_stay_with_their_letter() -> None:
    assert lettering._clusters("e\u0301a") == ["e\u0301", "a"]
    assert lettering._clusters("👩\u200d👧!") == ["👩\u200d👧", "!"]


def test_lines_break_within_text_that_has_no_blanks() -> None:
    assert list(words_of("a 猫猫 b")) == [("", "a"), (" ", "猫"), ("", "猫"), (" ", "b")]
    lines = wrap_text("猫" * 60, Lettering(13), THUMB, lines=4).split("\n")
    assert len(lines) == 4
    assert all(Lettering(13).length(line) <= THUMB for line in lines)


@pytest.mark.usefixtures("caches")
def test_a_figure_takes_the_fonts_that_its_letters_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cat = small_font(tmp_path / "cat.ttf", "\u732b")
    texts: list[Text] = []

    def drawn_text() -> Text:
        plots.figure(
            lambda figure: texts.append(figure.text(0.1, 0.5, "a \u732b \u2212 1")),
            title="T", caption="C", width=3, height=2,
        )  # fmt: skip
        return texts[-1]

    monkeypatch.setattr(lettering, "fonts", lambda: (shipped_font(), str(cat)))
    text = drawn_text()  # no warning of a missing letter
    assert text.get_fontfamily()[-1] == "Small"
    assert text.get_text() == "a \u732b \u2212 1"
    monkeypatch.setattr(lettering, "fonts", lambda: (shipped_font(),))
    assert drawn_text().get_text() == "a U+732B \u2212 1"
    assert drawn_text().get_fontfamily() == text.get_fontfamily()[:-1]
    monkeypatch.setattr(plots, "letter_figure", lambda _: None)  # the negative control
    with pytest.warns(UserWarning, match="missing from font"):
        drawn_text()


def test_scripts_in_the_coarse_font_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caches: None
) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", list)
    coarse = lettering.coarse_scripts()
    assert "Chinese" in coarse
    assert "Greek" not in coarse
    assert software.fonts().found.startswith("no font of this machine for")
    small = small_font(tmp_path / "small.ttf", "猫")
    monkeypatch.setattr(lettering, "fonts", lambda: (shipped_font(), str(small), *LAST_FONTS))
    assert "Chinese" not in lettering.coarse_scripts()
    monkeypatch.setattr(lettering, "coarse_scripts", list)
    assert software.fonts().state is State.OK


@pytest.mark.usefixtures("caches")
def test_the_coarse_font_letters_only_what_no_other_font_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", list)
    parts = [(font.path, part) for font, part in Lettering(13)._parts("café 猫")]  # type: ignore[union-attr]
    assert parts == [(shipped_font(), "café "), (LAST_FONTS[0], "猫")]
