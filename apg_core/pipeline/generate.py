"""The one loop of a generation: drives a `PartSession` over stages, wherever they run.

It is a coroutine, so that the service can await other processes and cancel it at any await; over the local stages,
which never wait, it runs to its end without an event loop. docs/how-it-works.md tells it step by step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from apg_core.geometry.files import check_formats
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.pipeline.attempt import Conditions, try_part
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.ending import Ending, Resume
from apg_core.pipeline.fit import fit_to_mesh
from apg_core.pipeline.seeds import Draw
from apg_core.pipeline.session import PartSession, Session
from apg_core.pipeline.whole import Seen, Whole, encode_mesh, get_whole, see
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.manifest import AcceptedPart
from apg_core.protocol.mesh import TriangleMesh

HISTORY_DRAWS = (Draw.HISTORY_SURFACE, Draw.HISTORY_POSTERIOR)


@dataclass(frozen=True, eq=False)
class SoFar:
    """The accepted parts, the cells that their surfaces pass through, and the latent of their union once encoded."""

    parts: tuple[AcceptedPart, ...]
    cells: SurfaceCells
    history: LatentArray | None = None

    @classmethod
    def of(cls, parts: Sequence[AcceptedPart], grid_size: int) -> "SoFar":
        """These parts, of a generation that was interrupted after them."""
        cells = SurfaceCells.empty(grid_size)
        for part in parts:
            cells = cells.union(SurfaceCells.of(part.mesh, grid_size))
        return cls(tuple(parts), cells)

    def plus(self, part: AcceptedPart, cells: SurfaceCells) -> "SoFar":
        """With one part more."""
        return SoFar((*self.parts, part), self.cells.union(cells))


async def generate(brief: Brief, resume: Resume | None = None) -> Ending:
    """Generate the parts of the prompt's object, one after the other.

    The same prompt, options, weights and backend give the same meshes, also across an interruption that is resumed.

    Raises:
        InputError: the prompt cannot be used.
        BackendMissingError: a format that cannot be written here is asked for.
        SamplingError: the network's output is not finite.
    """
    check_formats(brief.options.formats)
    resume = resume or Resume()
    seen = await see(brief) if resume.seen is None else resume.seen
    whole = await get_whole(brief, seen, resume.whole)
    session = PartSession(
        brief.options,
        end_threshold=brief.end_threshold,
        labels=brief.prompt.regions,
        accepted=[part.facts for part in resume.parts],
        failed=resume.failed_regions,
    )
    sampled = await make_parts(brief, session, seen, whole, resume.parts)
    fitted = await fit_to_mesh(brief, sampled, whole.mesh, seen)
    assert session.stop_reason is not None
    return Ending(
        parts=fitted.parts,
        failed_regions=session.failed_regions + fitted.failed_regions,
        stop_reason=session.stop_reason,
        whole=whole.latent,
        whole_mesh=await whole_mesh(brief, whole),
        placement=whole.placement,
        prepared=seen.prepared,
        warnings=seen.warnings + _option_warnings(brief) + fitted.warnings,
        timings={stage.value: seconds for stage, seconds in brief.clock.seconds.items()},
        partition=fitted.partition,
    )


async def make_parts(
    brief: Brief, session: Session, seen: Seen, whole: Whole, earlier: Sequence[AcceptedPart]
) -> tuple[AcceptedPart, ...]:
    """The parts that there are, and those that the session wants; candidates are no history of each other."""
    so_far = SoFar.of([part for part in earlier if part.facts.candidate is None], brief.options.iou_grid_size)
    candidates = [part for part in earlier if part.facts.candidate is not None]
    while (attempt := session.next_attempt()) is not None:
        history = so_far.history
        if history is None:
            union = TriangleMesh.joined([part.mesh for part in so_far.parts])
            history = await encode_mesh(brief, union, draws=HISTORY_DRAWS, part=len(so_far.parts))
            so_far = replace(so_far, history=history)
        first = not so_far.parts
        conditions = Conditions(
            seen, whole.latent, history, so_far.cells, first=first, extent=whole.extent, given=whole.mesh
        )
        tried = await try_part(brief, session, attempt, conditions)
        if tried.part is not None and tried.cells is not None:
            await brief.sink.part(tried.part)
            if attempt.candidate is None:
                so_far = so_far.plus(tried.part, tried.cells)
            else:
                candidates.append(tried.part)
        if (failed := session.record(tried.outcome)) is not None:
            await brief.sink.region_failed(failed)
    return (*so_far.parts, *candidates)


async def whole_mesh(brief: Brief, whole: Whole) -> TriangleMesh | None:
    """The whole object's mesh, where `save_whole` asks for it."""
    return await brief.stages.decode_mesh(whole.latent, brief.options, None) if brief.options.save_whole else None


def _option_warnings(brief: Brief) -> tuple[str, ...]:
    warnings = []
    if brief.prompt.image is None and brief.options.image_cfg_scale is not None:
        warnings.append("image_cfg_scale has no effect without an image")
    if brief.prompt.mesh is None and brief.options.frame == "input":
        warnings.append("frame 'input' has no effect without a mesh; the files are in the normalised frame")
    return tuple(warnings)
