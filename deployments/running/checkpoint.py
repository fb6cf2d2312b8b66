"""What the generation of a job has got to, as the stores keep it: any runner can go on from there."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from apg_core.pipeline.earlier import Earlier
from apg_core.pipeline.edit import Plan, plan_edit
from apg_core.pipeline.ending import OutputFile, Resume
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.edit import read_edit
from apg_core.protocol.manifest import AcceptedPart, FailedRegion, PartFacts
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.packing import pack_latent, pack_mesh, unpack_latent, unpack_mesh, unpack_prompt
from apg_core.protocol.prompt import Prompt
from deployments.running.claimed import ClaimedJob
from deployments.stores.jobs.leases import JobLeases
from deployments.stores.jobs.records import Claim, PartRecord, StoredArtifact

PROMPT = ".prompt.npz"
"""Name of the hidden artifact that holds a job's decoded inputs."""
WHOLE = ".whole.npz"
"""Name of the hidden artifact that holds the latent of the whole object."""
EARLIER = ".earlier.safetensors"
"""Name of the hidden artifact that holds the generation that a job edits, as `latents.safetensors` does."""


def part_state(number: int) -> str:
    """Name of the hidden artifact that holds the mesh of a job's first, second ... accepted part, exactly."""
    return f".part_{number:03d}.npz"


class RunRow(BaseModel):
    """What is kept in the job's own row."""

    model_config = ConfigDict(frozen=True)

    failed_regions: tuple[FailedRegion, ...] = ()


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a job asked for, and how far its generation has come."""

    prompt: Prompt
    options: GenerationOptions
    resume: Resume
    edited: tuple[Earlier, Plan] | None = None
    """Of an edit: the generation that it changes, and what is to be done."""

    @classmethod
    async def load(cls, job: ClaimedJob) -> "Checkpoint":
        """What earlier runs have left; of a job that never ran, its prompt and options.

        Raises:
            ExpiredError: a file of it is gone.
            StoreError: the artifact store cannot be reached.
        """
        claim = job.claim
        parts = [
            AcceptedPart(
                PartFacts.model_validate(part.facts), unpack_mesh(await job.get_hidden(part_state(part.index)))
            )
            for part in claim.parts
        ]
        whole = claim.job.artifact(WHOLE)
        edited = None
        if claim.job.edit is not None:
            earlier = Earlier.unpack(await job.get_hidden(EARLIER))
            edited = earlier, plan_edit(earlier.record, read_edit(claim.job.edit))
        return cls(
            prompt=unpack_prompt(await job.get_hidden(PROMPT)),
            options=GenerationOptions.model_validate(claim.job.options),
            resume=Resume(
                whole=None if whole is None else unpack_latent(await job.get(whole)),
                parts=parts,
                failed_regions=failed_regions(claim),
            ),
            edited=edited,
        )


def failed_regions(claim: Claim) -> tuple[FailedRegion, ...]:
    """The mask regions that earlier runs have passed over."""
    return RunRow.model_validate(claim.checkpoint).failed_regions


async def save_whole(job: ClaimedJob, latent: LatentArray) -> None:
    """Keep the latent of the whole object, unless an earlier run has."""
    if job.claim.job.artifact(WHOLE) is None:
        stored = await job.put(WHOLE, pack_latent(latent))
        await job.write(JobLeases.keep, artifacts=[stored], checkpoint=job.claim.checkpoint)


async def save_part(
    job: ClaimedJob, part: AcceptedPart, file: OutputFile, *, number: int, progress: float
) -> StoredArtifact:
    """Keep an accepted part exactly, the `number`th of this job, with the file that callers see; returns that file."""
    shown = await job.put(file.name, file.content)
    exact = await job.put(part_state(number), pack_mesh(part.mesh))
    record = PartRecord(index=number, facts=part.facts.model_dump(mode="json"))
    await job.write(JobLeases.accept_part, record, mesh=shown, hidden=[exact], progress=progress)
    return shown


async def save_failed_regions(job: ClaimedJob, regions: tuple[FailedRegion, ...]) -> None:
    """Keep which mask regions have been passed over."""
    row = RunRow(failed_regions=regions).model_dump(mode="json")
    await job.write(JobLeases.keep, artifacts=[], checkpoint=row)
