"""The job server of a Ray cluster, which runs a command on the cluster's head."""

from collections.abc import Sequence
from typing import Any, Protocol

from ray.job_submission import JobSubmissionClient

from pipeline.errors import ConfigError, RunError


class Jobs(Protocol):
    """The part of `ray.job_submission.JobSubmissionClient` that is used here."""

    def list_jobs(self) -> Sequence[Any]:
        """Give the jobs of the cluster, each with `submission_id` and `status`."""
        ...

    def delete_job(self, job_id: str) -> bool:
        """Forget a job that has ended."""
        ...

    def submit_job(
        self,
        *,
        entrypoint: str,
        submission_id: str,
        runtime_env: dict[str, Any],
        metadata: dict[str, str],
    ) -> str:
        """Start a job."""
        ...


def connect(address: str) -> Jobs:
    """Connect to the job server of a cluster.

    Args:
        address: URL of its dashboard, for example http://127.0.0.1:8265.

    Raises:
        ConfigError: If Ray's parts for jobs are not installed.
        RunError: If no job server answers there.
    """
    try:
        client: Jobs = JobSubmissionClient(address)
    except RuntimeError as error:
        if "ray[default]" in str(error):
            raise ConfigError(
                "jobs need more of Ray than is installed here: "
                "pip install -c constraints.txt -e '.[cluster]'"
            ) from error
        raise RunError(_no_server(address, error)) from error
    except (ConnectionError, ValueError, OSError) as error:
        raise RunError(_no_server(address, error)) from error
    return client


def _no_server(address: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    return (
        f"no Ray job server answers at {address} ({reason}); on a cluster of Ray's launcher, open "
        f"a tunnel with `ray dashboard cluster/aws.yaml` and give http://127.0.0.1:8265; the "
        f"cluster's token must be in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
    )
