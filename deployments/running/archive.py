"""`all.zip`: files of a job in one, of a finished job all that it made, of one that ended early its accepted parts."""

import io
import zipfile
from collections.abc import Iterable

from apg_core.pipeline.earlier import LATENTS_FILE
from apg_core.pipeline.ending import OutputFile

ARCHIVE = "all.zip"
_NO_DATE = (1980, 1, 1, 0, 0, 0)  # so that the same files give the same archive


def archive_of(files: Iterable[OutputFile]) -> OutputFile:
    """These files in one archive, in this order; what only edits need is not in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in files:
            if file.name != LATENTS_FILE:
                archive.writestr(zipfile.ZipInfo(file.name, _NO_DATE), file.content)
    return OutputFile(ARCHIVE, buffer.getvalue())
