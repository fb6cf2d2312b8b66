"""The stage that writes: a finished generation becomes the files of its folder."""

from dataclasses import asdict, replace

from apg_core.pipeline.finishing import finish, output_files
from cluster.results import MANIFEST, RECORD, Outcome, record_of
from cluster.storage import Place, open_folder
from cluster.work import Row, RowStage, Work


class WriteResults(RowStage):
    """Makes the files of a finished generation and writes them to the object's folder, the manifest last."""

    def __init__(self, output: Place) -> None:
        self._output = output

    async def __call__(self, row: Row) -> Row:
        """How the object ended: an `Outcome` as a row."""
        return asdict(Outcome.of(Work.of(await super().__call__(row))))

    async def advance(self, work: Work) -> Work:
        """The work, written."""
        assert work.ending is not None
        assert work.prompt is not None
        assert work.provenance is not None
        folder = open_folder(self._output.join(work.item.id))
        folder.clear_results()
        ending = finish(work.ending, work.options)
        written: dict[str, bytes] = {}
        for file in output_files(ending, prompt=work.prompt, options=work.options, provenance=work.provenance):
            written[file.name] = file.content
            if file.name == MANIFEST:  # which is the last of them
                folder.write(RECORD, record_of(written))
            folder.write(file.name, file.content)
        return replace(work, ending=ending)
