"""Where weight files are, and how they get there."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from apg_core.errors import OutputError, SetupError, WeightsMismatchError, WeightsMissingError
from apg_core.presets.preset import Precision, Preset, WeightSource
from apg_core.protocol.manifest import Provenance
from apg_core.protocol.mode import InputEntry

CHECKPOINTS = Path("checkpoints")
HASH_CHUNK = 1 << 22
_RECORDS = Path(".cache/huggingface/download")  # where huggingface_hub notes what it put into a folder


def find_weights(preset: Preset, network: str, folders: Sequence[Path] = (CHECKPOINTS,)) -> Path:
    """The weight file of one network: the first of `weight_places` that is there.

    Raises:
        WeightsMissingError: it is in none of them.
    """
    for place in _places(preset, network, folders):
        if place.is_file():
            return place
    source = preset.weights[network]
    if not source.files:
        raise WeightsMissingError(
            f"preset {preset.name} does not say which file has its {network} weights: "
            f"set {network}.checkpoint_path in {preset.reference}"
        )
    looked = _looked(preset, source, folders)
    fetch = "" if source.repository is None else f"run `apg fetch-weights {preset.reference}`; "
    raise WeightsMissingError(
        f"{network} weights of preset {preset.name} ({' or '.join(source.files)}) are not in {looked}; "
        f"{fetch}`apg doctor --preset {preset.reference}` lists every place"
    )


def weight_places(preset: Preset, network: str, folders: Sequence[Path] = (CHECKPOINTS,)) -> list[Path]:
    """Every path at which one network's weights are looked for, in that order; `folders` are checkpoint folders.

    A file that the config names by an absolute path is looked for there and nowhere else. A relative one is looked
    for below the working directory, the config file's folder and that one's parents, then in `folders`; there and in
    the caches by its own name only, so that no other network's file can take its place.
    """
    return list(dict.fromkeys(_places(preset, network, folders)))


def weight_hashes(preset: Preset, folders: Sequence[Path] = (CHECKPOINTS,)) -> dict[str, str]:
    """sha256 of each weight file that is there.

    Raises:
        WeightsMismatchError: a file was fetched under the name of another.
    """
    hashes = {}
    for network in preset.weights:
        path = weights_there(preset, network, folders)
        if path is None:
            continue
        hashes[network] = sha256_of(path)
        if (other := is_other_file(path, hashes[network])) is not None:
            raise WeightsMismatchError(f"{path} has the content of {other}; run `apg fetch-weights` again")
    return hashes


def weights_there(preset: Preset, network: str, folders: Sequence[Path] = (CHECKPOINTS,)) -> Path | None:
    """The weight file of one network; None where it is nowhere, or the preset has no such network."""
    try:
        return find_weights(preset, network, folders) if network in preset.weights else None
    except WeightsMissingError:
        return None


def removes_plainly(preset: Preset, folders: Sequence[Path] = (CHECKPOINTS,)) -> bool:
    """Whether backgrounds are removed without a network, as the preset wants it or has to."""
    if preset.background == "auto":
        return weights_there(preset, "background", folders) is None
    return preset.background == "plain"


def provenance_of(
    preset: Preset,
    folders: Sequence[Path],
    *,
    precision: Precision,
    inputs: Mapping[str, InputEntry],
    weights: Mapping[str, str] | None = None,
) -> Provenance:
    """What a manifest says of a preset's weights, held in this precision, and of these inputs.

    `weights` are the hashes, where somebody has them.
    """
    return Provenance(
        preset=preset.name,
        random_weights=preset.random_seed is not None,
        precision=precision,
        weights=weight_hashes(preset, folders) if weights is None else weights,
        sampling=preset.sampling,
        inputs=inputs,
    )


def is_other_file(path: Path, sha256: str) -> str | None:
    """The name under which a file of this content was fetched into the same folder, where it is another name."""
    recorded = {}
    for record in sorted((path.parent / _RECORDS).glob("*.metadata")):
        lines = record.read_text(encoding="utf-8", errors="replace").splitlines()
        recorded[record.name.removesuffix(".metadata")] = lines[1].strip() if len(lines) > 1 else ""
    if recorded.get(path.name) == sha256:
        return None
    return next((name for name, known in recorded.items() if known == sha256), None)


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
            tell(f"{network}: not published; it comes with the preset, or is yours")
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


def _looked(preset: Preset, source: WeightSource, folders: Sequence[Path]) -> str:
    if source.path is not None and source.path.is_absolute():
        return str(source.path.parent)
    above = " or above it" if len(preset.roots) > 1 else ""
    places = [f"{preset.folder}{above}", *map(str, folders)]
    return ", ".join(places) + ("" if source.repository is None else " or the caches")


def _places(preset: Preset, network: str, folders: Sequence[Path]) -> Iterator[Path]:
    source = preset.weights[network]
    if source.path is None:
        yield from _of_known(preset, source, folders)
    else:
        yield from _of_named(preset, source, folders)
    if source.path is None or not source.path.is_absolute():
        yield from _in_caches(network, source)


def _of_named(preset: Preset, source: WeightSource, folders: Sequence[Path]) -> Iterator[Path]:
    assert source.path is not None
    if source.path.is_absolute():
        yield source.path
        return
    for root in (Path.cwd(), *preset.roots):
        yield root / source.path
    # `checkpoints/x.pth` in a config is x.pth in the folder of checkpoints, wherever that is.
    inner = source.path.relative_to(CHECKPOINTS) if source.path.is_relative_to(CHECKPOINTS) else source.path
    for folder in folders:
        yield folder.absolute() / inner
        if source.repository is not None:
            yield folder.absolute() / Path(source.repository).name / source.path.name


def _of_known(preset: Preset, source: WeightSource, folders: Sequence[Path]) -> Iterator[Path]:
    roots = [preset.folder, *folders]
    if source.repository is not None:
        roots += [root / CHECKPOINTS for root in preset.roots]
    for root in roots:
        for name in _names(source):
            yield root.absolute() / name


def _in_caches(network: str, source: WeightSource) -> Iterator[Path]:
    """Each cache is where its own library puts it, by its own environment variables."""
    if network == "image_encoder" and source.repository is not None:
        from torch.hub import get_dir  # torch takes a second to import

        for name in source.files:
            if name.endswith(".pth"):
                yield Path(get_dir()) / "checkpoints" / name
    if source.repository is not None:
        from huggingface_hub import constants, try_to_load_from_cache  # a tenth of a second, for those who need it

        for name in source.files:
            cached = try_to_load_from_cache(source.repository, name)
            folder = Path(constants.HF_HUB_CACHE) / f"models--{source.repository.replace('/', '--')}"
            yield Path(cached) if isinstance(cached, str) else folder / name


def _names(source: WeightSource) -> list[Path]:
    plain = [Path(name) for name in source.files]
    # A bare `model.safetensors` could be anyone's; under its repository's name it is known.
    if source.repository is None:
        return plain
    named = [Path(source.repository).name / name for name in plain]
    return named + [name for name in plain if not name.stem.endswith("model")]


def _fetch(repository: str, name: str, folder: Path) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

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
