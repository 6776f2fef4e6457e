"""Upload a release to a dataset repository of the Hugging Face hub.

Files go to a pull request first, which is merged when all are there, so no reader sees half a
release; a tag then names the commit. Each step is skipped if it is done, so the same call resumes.
Only the library's own store gives credentials; nothing here reads or writes a token.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from analysis.publish.base import SUMS, sha256_of
from pipeline.errors import ConfigError, IncompleteError, RunError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SCHEME: Final = "hf://"
KIND: Final = "dataset"
NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}"
TARGET: Final = re.compile(rf"hf://datasets/({NAME}/{NAME})/?")
TOKEN: Final = re.compile(r"\bhf_[A-Za-z0-9]+|(?i:bearer)\s+\S+")


RESUME: Final = "repeat the command to continue"


@dataclass(frozen=True)
class Upload:
    """An upload of one release.

    Attributes:
        repo: OWNER/NAME.
        folder: The release.
    """

    repo: str
    folder: Path

    @property
    def tag(self) -> str:
        """Name of the release in the repository."""
        return self.folder.name

    @property
    def title(self) -> str:
        """Title of the pull request; names the content, so that a later call finds it."""
        return f"Release {self.tag} ({sha256_of(self.folder / SUMS)[:12]})"

    @property
    def files(self) -> list[Path]:
        """The files, in the order of their names."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def parse_target(text: str) -> str:
    """Read the repository from hf://datasets/OWNER/NAME.

    Raises:
        ConfigError: If the text is anything else.

    Example:
        >>> parse_target("hf://datasets/me/my-seeds")
        'me/my-seeds'
    """
    match = TARGET.fullmatch(text)
    if match is None or ".." in text or "--" in text:
        raise ConfigError(f"--to {text!r} is no dataset; wanted hf://datasets/OWNER/NAME")
    return match[1]


def upload(wanted: Upload, tell: Callable[[str], None]) -> str:
    """Upload a release, or what is left of it, and tag it.

    Args:
        wanted: The upload.
        tell: Gets a line for each step.

    Returns:
        The address of the release, with its tag.

    Raises:
        RunError: If the hub refuses: no credentials, no permission, or the tag names something
            else.
        IncompleteError: If the connection failed; the same call resumes.
    """
    from huggingface_hub import HfApi

    api = HfApi(library_name="goldenseed")
    address = f"{api.endpoint}/datasets/{wanted.repo}/tree/{wanted.tag}"
    with _words(wanted):
        api.create_repo(wanted.repo, repo_type=KIND, exist_ok=True)
        if _is_tagged(api, wanted):
            tell(f"{wanted.tag} is in {wanted.repo} already")
            return address
        number = _pull_request(api, wanted, tell)
        commit = _merged(api, wanted, number) or _fill_and_merge(api, wanted, number, tell)
        api.create_tag(wanted.repo, tag=wanted.tag, revision=commit, repo_type=KIND)
    return address


def _is_tagged(api: "HfApi", wanted: Upload) -> bool:
    """Whether the tag is there; one of other content is refused."""
    tags = api.list_repo_refs(wanted.repo, repo_type=KIND).tags
    if wanted.tag not in [tag.name for tag in tags]:
        return False
    if not any(status == "merged" for _, status in _own_requests(api, wanted)):
        raise RunError(
            f"{wanted.repo} has a release {wanted.tag} with other content; publish under another "
            f"name, or in another repository"
        )
    return True


def _own_requests(api: "HfApi", wanted: Upload) -> list[tuple[int, str]]:
    """Give number and status of this account's pull requests with this content's title."""
    found = api.get_repo_discussions(
        wanted.repo, repo_type=KIND, discussion_type="pull_request", author=api.whoami()["name"]
    )
    return [(int(r.num), r.status) for r in found if r.title == wanted.title]


def _pull_request(api: "HfApi", wanted: Upload, tell: Callable[[str], None]) -> int:
    """Find the pull request of this content, merged or not, or open it."""
    for number, status in _own_requests(api, wanted):
        if status != "closed":
            tell(f"continuing pull request {number}")
            return number
    number = int(api.create_pull_request(wanted.repo, wanted.title, repo_type=KIND).num)
    tell(f"opened pull request {number}")
    return number


def _merged(api: "HfApi", wanted: Upload, number: int) -> str | None:
    """Give the commit of a pull request that is merged; None if it is not."""
    request = api.get_discussion_details(wanted.repo, number, repo_type=KIND)
    return request.merge_commit_oid if request.status == "merged" else None


def _fill_and_merge(
    api: "HfApi", wanted: Upload, number: int, tell: Callable[[str], None]
) -> str | None:
    """Upload what the pull request lacks, remove what other releases had, and merge it."""
    api.upload_folder(
        repo_id=wanted.repo,
        repo_type=KIND,
        folder_path=wanted.folder,
        revision=f"refs/pr/{number}",
        commit_message=wanted.title,
        delete_patterns="*",
    )
    tell(f"{len(wanted.files):,} files are in pull request {number}")
    request = api.get_discussion_details(wanted.repo, number, repo_type=KIND)
    if request.status == "draft":
        api.change_discussion_status(wanted.repo, number, "open", repo_type=KIND)
    api.merge_pull_request(wanted.repo, number, repo_type=KIND)
    return _merged(api, wanted, number)


@contextmanager
def _words(wanted: Upload) -> Iterator[None]:
    """Turn the library's errors into words without a token."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        code = error.response.status_code
        if code in (401, 403):
            raise RunError(
                f"the hub does not let you write to {wanted.repo} ({code}); log in with `hf auth "
                f"login`, with a token that may write to this repository"
            ) from None
        kind = IncompleteError if code >= 500 or code in (408, 429) else RunError
        raise kind(f"{wanted.repo}: {without_token(str(error))}; {RESUME}") from None
    # The library raises RuntimeError where the storage of large files fails.
    except (HTTPError, ConnectionError, TimeoutError, RuntimeError) as error:
        raise IncompleteError(
            f"{wanted.repo}: the connection failed ({without_token(str(error))}); {RESUME}"
        ) from None


def without_token(text: str) -> str:
    """Replace whatever looks like a token, and keep one line of at most 300 characters.

    Example:
        >>> without_token("401 for hf_abcdef")
        '401 for (token)'
    """
    return TOKEN.sub("(token)", " ".join(text.split()))[:300]
