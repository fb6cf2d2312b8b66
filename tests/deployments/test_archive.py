"""`all.zip`."""

import io
import zipfile

from apg_core.pipeline.ending import OutputFile
from deployments.running.archive import ARCHIVE, archive_of

FILES = [OutputFile("mesh_000.glb", b"glTF" * 1000), OutputFile("manifest.json", b"{}")]


def test_an_archive_holds_every_file_as_it_was_in_order() -> None:
    archive = archive_of(FILES)
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert [OutputFile(name, opened.read(name)) for name in opened.namelist()] == FILES
    assert archive.name == ARCHIVE


def test_the_same_files_give_the_same_archive() -> None:
    assert archive_of(FILES) == archive_of(FILES)
