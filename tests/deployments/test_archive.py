"""`all.zip`."""

import io
import zipfile

from apg_core.pipeline.finishing import Artifact
from deployments.running.archive import ARCHIVE, archive_of

FILES = [Artifact("mesh_000.glb", b"glTF" * 1000), Artifact("manifest.json", b"{}")]


def test_an_archive_holds_every_file_as_it_was_in_order() -> None:
    archive = archive_of(FILES)
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert [Artifact(name, opened.read(name)) for name in opened.namelist()] == FILES
    assert archive.name == ARCHIVE


def test_the_same_files_give_the_same_archive() -> None:
    assert archive_of(FILES) == archive_of(FILES)
