"""Credentials leave texts; texts without credentials stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.redact import HIDDEN, redact

CREDENTIALS = [
    "hf_abcdefghijklmnopqrstuvwxyz012345",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "Authorization: Bearer abcdefgh.ijklmnop",
    "https://user:pass-word@example.org/models",
    "https://example.org/a?X-Amz-Signature=0123456789abcdef",
    "https://example.org/a?x=1&access_token=0123456789abcdef",
]


@pytest.mark.parametrize("text", CREDENTIALS)
def test_what_looks_like_a_credential_is_hidden(text: str) -> None:
    shown = redact(f"could not read: {text} (404)")
    assert HIDDEN in shown
    secret = text.split()[-1].rpartition("=")[2].rpartition("//")[2].partition("@")[0]
    assert secret not in shown
    assert shown.startswith("could not read: ")
    assert shown.endswith(" (404)")


def test_values_of_the_environment_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", "blue-elephant-42")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    text = "sent blue-elephant-42 and wJalrXUtnFEMI/K7MDENG"
    assert redact(text) == f"sent {HIDDEN} and {HIDDEN}"


def test_settings_are_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: what is short, or names a file, is shown."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/home/me/.ray/auth_token")
    text = "false: /home/me/.ray/auth_token, a cat @ night, seedling-mini, 3 x 4 = 12"
    assert redact(text) == text


@given(st.text(alphabet=st.characters(exclude_characters="@=:"), max_size=60))
def test_other_texts_stay(text: str) -> None:
    if not any(mark in text for mark in ("hf_", "gh", "AKIA", "ASIA", "earer")):
        assert redact(text) == text
