"""Turns what an object store answers into words that say what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import AlreadyExistsError, BaseError

from pipeline.errors import StoreError, UnreachableError

ROLES = ("/latest/api/token", "/latest/meta-data", "/computeMetadata/", "/metadata/identity")
"""Where obstore asks a cloud's machine for its role, if the environment holds no credentials."""

NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
"""What stores answer, beside 404, if not only the key is missing."""

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")


@contextmanager
def object_errors(where: str) -> Iterator[None]:
    """Turn the errors of obstore about a key into errors that say what to do.

    FileNotFoundError (no such key) and AlreadyExistsError pass unchanged: they are answers, not
    failures.

    Args:
        where: The address of the key.

    Raises:
        UnreachableError: If the store does not answer, or says that it cannot now.
        StoreError: If the bucket or the credentials are wrong.
    """
    try:
        yield
    except AlreadyExistsError:
        raise
    except FileNotFoundError as error:
        if any(code in str(error) for code in NO_BUCKET):
            raise _error(where, str(error)) from None
        raise FileNotFoundError(f"{where} does not exist") from None
    except BaseError as error:
        # The cause is left out: what obstore says in full may hold what a log must not.
        raise _error(where, str(error)) from None


def _error(where: str, text: str) -> StoreError:
    """Say what went wrong, from obstore's text, of which only codes are repeated."""
    status, code = _first(_STATUS, text), _first(_CODE, text)
    answer = " ".join(filter(None, (status, code))) or text.partition("\n")[0].partition(" in ")[0]
    if any(path in text for path in ROLES) or "ccount must be specified" in text:
        return StoreError(
            f"{where}: found no credentials. Set those of the store in the environment "
            f"(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; GOOGLE_APPLICATION_CREDENTIALS; "
            f"AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY), or give the machine a role"
        )
    if status == "404":
        return StoreError(f"{where}: there is no such bucket ({answer}); make it, or name another")
    if status in ("401", "403") or "privileges" in text:
        return StoreError(
            f"{where}: the store refuses the credentials in the environment ({answer}); give "
            f"others, or let them read, write, list and delete in this bucket"
        )
    if status.startswith("5") or status == "429" or "HTTP error" in text:
        return UnreachableError(
            f"{where}: the store does not answer ({answer}). Check the network, and the address of "
            f"the server if it is your own (AWS_ENDPOINT_URL). What is committed is safe: the same "
            f"command goes on from there"
        )
    return StoreError(
        f"{where}: the store refuses the request ({answer}); check the bucket and its region "
        f"(AWS_REGION)"
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""
