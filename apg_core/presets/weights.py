"""Where weight files are, and how they get there."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from apg_core.errors import OutputError, SetupError, WeightsMissingError
from apg_core.presets.preset import Preset, WeightSource

CHECKPOINTS = Path("checkpoints")
HASH_CHUNK = 1 << 22


def find_weights(preset: Preset, network: str, folders: Sequence[Path] = (CHECKPOINTS,)) -> Path:
    """The weight file of one network: in the preset's folder, in `folders`, or in Hugging Face's cache.

    Raises:
        WeightsMissingError: it is in none of them.
    """
    source = preset.weights[network]
    places = [folder / name for folder in (preset.folder, *folders) for name in _names(source)]
    for place in places:
        if place.is_file():
            return place
    if source.repository is not None:
        for name in source.files:
            cached = try_to_load_from_cache(source.repository, name)
            if isinstance(cached, str):
                return Path(cached)
    looked = ", ".join(str(folder) for folder in (preset.folder, *folders))
    raise WeightsMissingError(
        f"{network} weights of preset {preset.name} ({' or '.join(source.files)}) are not in {looked}; "
        f"run `apg fetch-weights {preset.reference}`"
    )


def fetch_weights(preset: Preset, folder: Path = CHECKPOINTS, *, tell: Callable[[str], None]) -> list[Path]:
    """Download the preset's weights into `folder`, going on where an earlier download stopped.

    Each file is checked against the size that its repository states; `tell` hears what is fetched and whose licence
    is accepted by using it.

    Raises:
        SetupError: the repository cannot be reached, or a file has the wrong size.
        OutputError: `folder` cannot be written.
    """
    fetched = []
    for network, source in preset.weights.items():
        if source.repository is None:
            tell(f"{network}: comes with the preset")
            continue
        name = source.files[0]
        tell(f"{network}: {name} from {source.repository}; using it accepts: {source.licence}")
        fetched.append(_fetch(source.repository, name, folder / Path(source.repository).name))
    return fetched


def sha256_of(path: Path) -> str:
    """Hash of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _names(source: WeightSource) -> list[Path]:
    plain = [Path(name) for name in source.files]
    # A bare `model.safetensors` could be anyone's; under its repository's name it is known.
    if source.repository is None:
        return plain
    named = [Path(source.repository).name / name for name in plain]
    return named + [name for name in plain if not name.stem.endswith("model")]


def _fetch(repository: str, name: str, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        expected = get_hf_file_metadata(hf_hub_url(repository, name)).size
        path = Path(hf_hub_download(repository, name, local_dir=folder))
    except (HfHubHTTPError, LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        reason = str(error).splitlines()[0]
        raise SetupError(
            f"cannot fetch {name} from {repository} ({reason}); check the network, log in with `hf auth login` "
            f"where the repository asks for it, or put the file into {folder} by hand"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write weights into {folder}: {error.strerror or error}") from error
    if expected is not None and path.stat().st_size != expected:
        raise SetupError(f"{path} has {path.stat().st_size} bytes, its repository says {expected}; fetch it again")
    return path
