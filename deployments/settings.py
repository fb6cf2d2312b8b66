"""What an application is built from: the `args` of a Serve config file, and the values made of them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from deployments.limits import Count, Seconds, ServiceLimits


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ModelSettings(_Settings):
    """Which weights run, and where."""

    preset: str = "tiny"
    """A preset's name, or the path of a preset folder or of a published config file."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks run."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """What their weights are held in; `auto` is the preset's own for the device."""
    checkpoints: Path = Path("checkpoints")
    """Folder of fetched weights."""
    threads: Count | None = None
    """Threads of one replica on the CPU; None is one fewer than the machine has, at least one."""
    exact: bool | None = None
    """Whether a job's parts are the same to the bit whatever jobs share its denoising steps; None: on the CPU."""
    sampler_rows: Count | None = None
    """Network evaluations that may share one denoising step; bounds the sampler's memory. None is as many as a GPU of
    this size has room for, and 48 on a CPU."""


class StoreSettings(_Settings):
    """Where state lives, and for how long."""

    folder: Path = Path("outputs/service")
    """Folder of the job store and the artifact store, where they have no address of their own."""
    database_url: str | None = None
    """`postgresql+psycopg://...` for a cluster; None is SQLite in `folder`."""
    artifacts_uri: str | None = None
    """Any `pyarrow.fs` URI, such as `s3://bucket/prefix?region=...`; None is `folder`."""
    lease_seconds: Seconds = 30
    """How long a job waits for its runner after it was last heard of."""
    max_attempts: Count = 5
    """How often a job is taken up before it fails."""
    retention_hours: Annotated[float, Field(gt=0)] = 72
    """How long the artifacts of an ended job are kept."""

    @field_validator("folder")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        return folder.expanduser().resolve()

    @property
    def database(self) -> str:
        """The job store's address."""
        return self.database_url or f"sqlite:///{self.folder / 'jobs.db'}"

    @property
    def artifacts(self) -> str:
        """The artifact store's address."""
        return self.artifacts_uri or str(self.folder / "artifacts")


class AccessSettings(_Settings):
    """Who is let in."""

    keys_file: Path | None = None
    """File of `owner:sha256` lines; None lets everyone in."""
    allow_open: bool = False
    """Start without keys even when other machines can reach the port."""


class AppArgs(_Settings):
    """The whole application; sizes and replicas are in the config file's deployments instead."""

    models: ModelSettings = ModelSettings()
    stores: StoreSettings = StoreSettings()
    access: AccessSettings = AccessSettings()
    limits: ServiceLimits = ServiceLimits()
    more_presets: tuple[str, ...] = ()
    """Further presets that jobs may ask for, each run by an application of its own (`deployments.app:build_preset`)."""
    concurrent_jobs: Count = 16
    """Jobs that one orchestrator runs at a time."""
    decoder_processes: Count = 2
    """Processes of one ingress that decode untrusted files."""
