"""What can be known of the cluster files without a cluster: they parse, they agree, and they name what is there."""

import copy
import functools
import inspect
import json
import operator
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema
import pytest
import ray.autoscaler
import yaml
from packaging.requirements import Requirement
from packaging.tags import Tag
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from ray.serve.schema import ServeDeploySchema

from apg_core.presets import load_preset
from cluster import batch, rayservice
from cluster.sizing import tables
from deployments.http.metrics import exposition
from deployments.settings import AppArgs
from deployments.stores.jobs.tallies import STAGE_SECONDS, Histogram, Readings, Total
from scripts import lock_image

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "cluster" / "Dockerfile").read_text()
LOCKED = (ROOT / "cluster" / "requirements.txt").read_text()

KUBERAY = json.loads((ROOT / "tests" / "data" / "kuberay.json").read_text())


@pytest.fixture(scope="module")
def service() -> dict[str, dict]:
    return yaml.safe_load(rayservice.RESULT.read_text())


def groups(service: Mapping[str, dict]) -> list[dict]:
    cluster = service["spec"]["rayClusterConfig"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def test_the_ray_service_and_the_ray_job_are_made_of_the_template_and_the_one_application_config() -> None:
    assert rayservice.RESULT.read_text() == rayservice.render(), "run `python -m cluster.rayservice`"
    assert rayservice.JOB.read_text() == rayservice.render_job(), "run `python -m cluster.rayservice`"


@pytest.mark.parametrize("path", [rayservice.RESULT, rayservice.JOB], ids=lambda path: path.name)
def test_the_files_have_only_fields_that_kuberay_knows_with_values_of_their_types(path: Path) -> None:
    jsonschema.Draft202012Validator(KUBERAY).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("spec", "serveConfigV3"), ""),
        (("spec", "rayClusterConfig", "rayVersion"), 2.6),
        (("spec", "rayClusterConfig", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "rayClusterConfig", "workerGroupSpecs", 0, "minReplicas"), "1"),
        (("spec", "rayClusterConfig", "workerGroupSpecs", 0, "template", "spec", "volumes", 0, "pvc"), {}),
    ],
)
def test_a_field_that_kuberay_does_not_know_is_found(service: dict[str, dict], place: tuple, value: object) -> None:
    broken = copy.deepcopy(service)
    *way, last = place
    functools.reduce(operator.getitem, way, broken)[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(KUBERAY).validate(broken)


@pytest.mark.parametrize("path", [rayservice.RESULT, rayservice.JOB], ids=lambda path: path.name)
def test_a_dashboard_that_others_reach_wants_a_token(path: Path) -> None:
    spec = yaml.safe_load(path.read_text())["spec"]
    cluster = spec.get("rayClusterConfig") or spec["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["dashboard-host"] == "0.0.0.0"
    assert cluster["authOptions"] == {"mode": "token"}


def test_groups_have_sizes_that_are_possible(service: dict[str, dict]) -> None:
    for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_job_runs_the_batch_as_it_can_be_run_here_on_the_machines_of_the_service(service: dict[str, dict]) -> None:
    job = yaml.safe_load(rayservice.JOB.read_text())["spec"]
    python, _, module, *arguments = shlex.split(job["entrypoint"])
    assert (python, module) == ("python", "cluster.batch")
    given = batch.parser().parse_args(arguments)
    machines = {group["groupName"]: group for group in job["rayClusterSpec"]["workerGroupSpecs"]}
    assert given.gpus <= machines["gpu"]["maxReplicas"]
    assert Path(given.checkpoints) == Path("/weights")
    load_preset(given.preset)
    assert list(machines) == [group["groupName"] for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]]
    assert "autopartgen-keys" not in rayservice.JOB.read_text(), "a batch has no callers"


def test_no_node_has_two_ingresses_and_the_jobs_size_the_rest(service: dict[str, dict]) -> None:
    [application] = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    sizes = {one["name"]: one for one in application["deployments"]}
    assert sizes["Ingress"]["max_replicas_per_node"] == 1
    assert application["autoscaling_policy"] == {"policy_function": "deployments.scaling:replicas_for_jobs"}
    assert {name for name, one in sizes.items() if "autoscaling_config" not in one} == {"Ingress"}
    orchestrator = sizes["Orchestrator"]["autoscaling_config"]
    assert orchestrator["target_ongoing_requests"] == application["args"]["concurrent_jobs"]


def test_every_pod_runs_as_a_user_with_its_limits_and_mounts_only_volumes_that_it_has(
    service: dict[str, dict],
) -> None:
    for group in groups(service):
        pod = group["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["resources"]["limits"] == container["resources"]["requests"]


def test_the_cluster_runs_the_version_of_ray_that_is_locked(service: dict[str, dict]) -> None:
    locked = re.search(r"^ray==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked is not None
    assert service["spec"]["rayClusterConfig"]["rayVersion"] == locked.group(1)


def test_the_embedded_config_is_one_that_serve_and_the_application_take(service: dict[str, dict]) -> None:
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    checked = ServeDeploySchema.model_validate(config)
    assert not list(unknown_keys(config, ServeDeploySchema))
    args = AppArgs.model_validate(config["applications"][0]["args"])
    assert args.models.device == "cuda"
    assert args.stores.database.startswith("postgresql")
    assert args.stores.artifacts.startswith("s3://")
    assert args.access.keys_file is not None
    assert checked.http_options.host == "0.0.0.0"


def test_every_gpu_fraction_fits_the_gpus_of_one_pod(service: dict[str, dict]) -> None:
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    wanted = [one.get("ray_actor_options", {}).get("num_gpus", 0) for one in config["applications"][0]["deployments"]]
    assert 0 < sum(wanted) <= 1


def test_the_settings_of_the_template_are_all_of_deployments_that_there_are(service: dict[str, dict]) -> None:
    *_, settings = yaml.safe_load_all(rayservice.TEMPLATE.read_text())
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    names = {one["name"] for one in config["applications"][0]["deployments"]}
    assert settings["deployments"].keys() <= names


def unknown_keys(value: object, schema: type[BaseModel]) -> Iterator[str]:
    """Keys of a config that its schema has no field for; pydantic lets them pass."""
    assert isinstance(value, dict)
    for name, below in value.items():
        field = schema.model_fields.get(name)
        if field is None:
            yield name
        elif name in ("applications", "deployments"):
            inner = {"applications": "ServeApplicationSchema", "deployments": "DeploymentSchema"}[name]
            for one in below:
                yield from unknown_keys(one, getattr(__import__("ray.serve.schema", fromlist=[inner]), inner))


def test_the_vm_cluster_passes_ray_s_own_schema() -> None:
    schema = json.loads((Path(inspect.getfile(ray.autoscaler)).parent / "ray-schema.json").read_text())
    cluster = yaml.safe_load((ROOT / "cluster" / "vm.yaml").read_text())
    jsonschema.validate(cluster, schema)
    assert cluster["head_node_type"] in cluster["available_node_types"]


def test_the_dashboard_asks_for_metrics_that_the_service_has() -> None:
    dashboard = json.loads((ROOT / "cluster" / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    asked = set(re.findall(r"\bapg_\w+", " ".join(queries)))
    text = exposition(EVERYTHING).decode()
    families = list(text_string_to_metric_families(text))
    told = {sample.name for family in families for sample in family.samples}
    assert asked <= told


EVERYTHING = Readings(
    totals={Total.SUBMITTED: {"image": 1.0}, Total.FINISHED: {"succeeded": 1.0}, Total.ATTEMPTS: {"accepted": 1.0}},
    histograms={STAGE_SECONDS.name: {"part": Histogram(STAGE_SECONDS, {1.0: 1.0}, sum=1.0)}},
)


def test_no_two_panels_of_the_dashboard_lie_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((ROOT / "cluster" / "grafana-dashboard.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_prometheus_scrapes_the_service() -> None:
    jobs = yaml.safe_load((ROOT / "cluster" / "prometheus.yaml").read_text())["scrape_configs"]
    assert {job["job_name"] for job in jobs} == {"autopartgen", "ray", "ray-pods"}


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_dockerfile_copies_files_that_are_there_and_drops_root() -> None:
    for word, rest in instructions():
        if word == "COPY":
            for source in shlex.split(rest)[:-1]:
                assert (ROOT / source).exists(), source
    targets = [rest.split(" AS ")[1] for word, rest in instructions() if word == "FROM"]
    assert targets[-2:] == ["cpu", "cuda"]
    users = [rest for word, rest in instructions() if word == "USER"]
    assert users == ["ray", "ray"]
    assert sum(word == "HEALTHCHECK" for word, _ in instructions()) == 2


def test_both_images_have_every_package_whose_commands_apg_loads() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    copied = [rest for word, rest in instructions() if word == "COPY"]
    assert all(copied.count(f"{name} {name}") == 2 for name in packages)


def test_the_images_begin_at_a_fixed_version_and_install_packages_by_hash_before_the_source() -> None:
    [base] = [rest for word, rest in instructions() if word == "ARG"]
    assert re.fullmatch(r"BASE=python:3\.11\.\d+-slim-\w+", base)
    flow = [f"{word} {rest}" for word, rest in instructions()]
    installs = [at for at, line in enumerate(flow) if "--require-hashes --no-deps -r requirements.txt" in line]
    sources = [at for at, line in enumerate(flow) if line.startswith("COPY apg_core")]
    assert len(installs) == len(sources) == 2
    assert max(installs) < min(sources)
    assert all("--no-deps" in line for line in flow if "--editable" in line)


def test_the_packages_of_the_images_are_those_of_the_lock_each_with_a_hash() -> None:
    lock = map(Requirement, (ROOT / "requirements.lock").read_text().splitlines())
    image = {"python_version": "3.11", "python_full_version": "3.11.11", "sys_platform": "linux"}
    locked = {
        one.name: str(one.specifier).removeprefix("==")
        for one in lock
        if one.marker is None or one.marker.evaluate(image)
    }
    entries = re.findall(r"^([\w.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", LOCKED, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^\w", LOCKED, re.MULTILINE)) > 100
    assert {name: version for name, version, _ in entries} == {name: locked[name] for name, _, _ in entries}
    assert "://" not in LOCKED


def test_wheels_under_the_old_names_of_platforms_fit_the_images_too() -> None:
    """Else wasmtime's for any machine is taken, which has no library for Linux."""
    old = {f"{name}_x86_64" for name in ("manylinux1", "manylinux2010", "manylinux2014")}
    assert {Tag("py3", "none", platform) for platform in old} <= lock_image.tags()
    [wasmtime] = re.findall(r"^wasmtime==.*?(?=^\w)", LOCKED, re.MULTILINE | re.DOTALL)
    assert wasmtime.count("--hash") == 2


def test_every_command_of_the_dockerfile_is_shell_that_parses() -> None:
    for word, rest in instructions():
        if word == "RUN":
            subprocess.run(["sh", "-n", "-c", rest], check=True)


def test_what_the_dockerfile_takes_from_the_lock_is_one_requirement_each() -> None:
    for name in re.findall(r"grep '\^(\w+)=='", DOCKERFILE):
        command = f"grep '^{name}==' requirements.lock | cut -d' ' -f1"
        found = subprocess.run(
            ["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
        assert len(found) == 1, name


def test_the_sizing_page_quotes_the_sizing_script() -> None:
    page = (ROOT / "docs" / "cluster.md").read_text()
    for table in tables().split("\n\n"):
        assert table.strip() in page, "run `python -m cluster.sizing` and put its tables into docs/cluster.md"
