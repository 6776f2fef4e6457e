"""`goldenseed submit`: draw a recipe on a cluster, as a Ray job."""

from typing import Annotated

import typer

from goldenseed.commands.options import PromptCount, RecipeName, Seeds

Address = Annotated[str, typer.Option(
    metavar="URL", envvar="RAY_API_SERVER_ADDRESS",
    help="The cluster's job server, for example http://127.0.0.1:8265 through a tunnel.",
)]  # fmt: skip
Out = Annotated[str, typer.Option(
    metavar="FOLDER", help="Run folder on the disk that the cluster's machines share, or s3://BUCKET/FOLDER.",
)]  # fmt: skip


def submit(
    recipe: RecipeName, address: Address, out: Out,
    seeds: Seeds = "", prompts: PromptCount = None,
) -> None:  # fmt: skip
    """Draw, measure, rank and publish a recipe on a Ray cluster, as a job of its own.

    The command ends when the job has begun. A run that is at work is not submitted again.
    """
    from goldenseed.output import tables
    from goldenseed.progress import note
    from goldenseed.steps.submit import make_job
    from goldenseed.steps.submit import submit as start
    from pipeline.executors.ray.jobs import connect

    job = make_job(recipe, out, seeds=seeds, prompts=prompts)
    tables.document(start(job, connect(address)))
    note(f"submitted; follow it with: ray job logs --address {address} --follow {job.id}")
