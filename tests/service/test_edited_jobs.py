"""Edits in the real service: each operation once, and the runner killed in the middle of one."""

import re
import threading

import pytest
from conftest import RunningService

from apg_core.protocol.edit import Edit, Merge, Pick, Remove, Resample, Split
from apg_core.protocol.job import Event, Job
from clients import AutoPartGenClient
from tests.support.inputs import png

pytestmark = [pytest.mark.http, pytest.mark.graph]

MADE = {"seed": 4, "num_inference_steps": 2, "max_parts": 3, "grid_size": 32, "preview": False, "iou_threshold": -1}
END_SECONDS = 240.0


def meshes(job: Job) -> dict[str, str]:
    return {one.name: one.sha256 for one in job.artifacts if re.fullmatch(r"mesh_\d+\.glb", one.name)}


def edited(client: AutoPartGenClient, job: Job, change: Edit) -> Job:
    return client.wait(client.edit(job, change).id, timeout=END_SECONDS).result()


def test_parts_that_an_edit_leaves_alone_keep_their_files_and_a_killed_runner_changes_nothing(
    service: RunningService,
) -> None:
    killed = threading.Event()

    def kill_after_the_first_part(event: Event) -> None:
        if event.part is not None and not killed.is_set():
            killed.set()
            service.kill_replica("Orchestrator")

    with service.client as client:
        made = client.wait(client.submit(image=png(), options=MADE).id, timeout=END_SECONDS).result()
        several = edited(client, made, Resample(parts=(1,), options={"seed": 8}, candidates=2))
        assert [one.name for one in several.artifacts if one.name.startswith("candidate")] == [
            "candidate_001_0.glb",
            "candidate_001_1.glb",
        ]
        for job, change, touched in (
            (several, Pick(candidate=1), {1}),
            (made, Merge(parts=(0, 2)), {0, 2}),
            (made, Split(part=1, options={"max_parts": 2}), {1, 3}),
            (made, Remove(parts=(0,)), {0}),
        ):
            before, after = meshes(job), meshes(edited(client, job, change))
            changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
            assert changed <= {f"mesh_{index:03d}.glb" for index in touched}
        long = Resample(parts=(0, 1), options={"seed": 8, "num_inference_steps": 100})
        undisturbed = edited(client, made, long)
        broken = client.edit(made, long)
        ended = client.wait(broken.id, on_event=kill_after_the_first_part, timeout=END_SECONDS)
        assert killed.is_set()
        assert (ended.status, ended.parts_done, set(meshes(ended))) == ("succeeded", 3, set(meshes(undisturbed)))
        assert meshes(ended)["mesh_002.glb"] == meshes(made)["mesh_002.glb"]
        client.delete(made.id)
        content = client.download(ended, service.folder / "fetched", names=["mesh_002.glb"])
        assert content[0].stat().st_size > 0
