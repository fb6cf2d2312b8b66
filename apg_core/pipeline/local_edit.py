"""An edit in this process: of a generation in memory, or of a folder that one has left."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from apg_core.errors import InputError
from apg_core.inputs.prompt import Source, input_entries, read_prompt
from apg_core.output import OutputFolder
from apg_core.pipeline.earlier import Earlier, Record, check_weights
from apg_core.pipeline.edit import plan_edit
from apg_core.pipeline.edit_brief import EditBrief
from apg_core.pipeline.editing import carry_out
from apg_core.pipeline.keeping import INPUTS_FILE, Keeper, fingerprint, read_kept
from apg_core.pipeline.local import Generation, LocalSink, progress_of, written
from apg_core.pipeline.local_stages import Pipeline, run_at_once
from apg_core.protocol.edit import Continue, Edit, edit_values
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.manifest import ParentEntry, Provenance
from apg_core.protocol.mode import InputName
from apg_core.protocol.prompt import Prompt


def edit(
    pipeline: Pipeline,
    earlier: Generation | Path | str,
    change: Edit,
    *,
    output_dir: Path | str | None = None,
    inputs: Mapping[InputName, Source] | None = None,
) -> Generation:
    """A generation changed: a new one, beside the earlier or, with its own folder as `output_dir`, in its place.

    `earlier` is a generation, or the folder that one has left, finished or interrupted. Of a folder without the inputs,
    `inputs` are these again.

    Raises:
        EditError: the edit does not fit the generation, or this was made with other weights than the pipeline's.
        InputError: the folder has no generation, or not all of it.
        OutputError: `output_dir` cannot be written.
    """
    if isinstance(earlier, Generation):
        source, prompt, kept = earlier.output_dir, earlier.prompt, earlier.earlier
    else:
        source = Path(earlier)
        prompt, kept = _read(source, inputs or {})
    plan = plan_edit(kept.record, change)
    if plan.samples:
        check_weights(kept.record, pipeline.provenance)
    folder = None if output_dir is None else OutputFolder(Path(output_dir))
    in_place = folder is not None and source is not None and folder.path.resolve() == source.resolve()
    meanwhile = None if in_place else folder
    if meanwhile is not None:
        meanwhile.clear_results()
    begun = replace(kept, record=kept.record.model_copy(update={"options": plan.options.model_dump(mode="json")}))
    keeper = Keeper(meanwhile if isinstance(change, Continue) else None, begun)
    sink = LocalSink(meanwhile, progress_of(plan.options), keeper)
    brief = EditBrief(
        prompt=prompt,
        options=plan.options,
        preset=pipeline.preset,
        stages=pipeline.stages,
        sink=sink,
        earlier=kept,
        plan=plan,
    )
    provenance = _provenance(pipeline.provenance, kept, change)
    with sink.progress:
        return written(run_at_once(carry_out(brief)), brief, provenance, replace(sink, folder=folder))


def _provenance(loaded: Provenance, kept: Earlier, change: Edit) -> Provenance:
    record = kept.record
    return replace(
        loaded,
        preset=record.preset,
        random_weights=record.random_weights,
        weights=record.weights,
        inputs=record.inputs,
        parent=ParentEntry(latents=fingerprint(kept)),
        edit=edit_values(change),
    )


def _read(folder: Path, inputs: Mapping[InputName, Source]) -> tuple[Prompt, Earlier]:
    prompt, kept = read_kept(folder)
    if inputs:
        _check_inputs(kept.record, inputs)
        prompt = read_prompt(inputs, InputLimits(), beside=True)
    if prompt is None:
        names = " and ".join(kept.record.inputs)
        raise InputError(f"{folder} has no {INPUTS_FILE}; give {names} again", field="folder")
    if prompt.mode != kept.record.mode:
        raise InputError(f"{folder} has the results of {kept.record.mode} and inputs of {prompt.mode}", field="folder")
    return prompt, kept


def _check_inputs(record: Record, inputs: Mapping[InputName, Source]) -> None:
    given = input_entries(inputs)
    for name in (*record.inputs, *given):
        if name not in given or name not in record.inputs:
            known = ", ".join(record.inputs)
            raise InputError(f"the generation was made of {known}; give each of these, and nothing else", field=name)
        if given[name].sha256 != record.inputs[name].sha256:
            raise InputError(
                f"{name}: not the file that the generation was made of, which was {record.inputs[name].name} with "
                f"sha256 {record.inputs[name].sha256}",
                field=name,
            )
