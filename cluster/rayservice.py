"""Makes `rayservice.yaml` of its template and of `serve_config.gpu.yaml`, so that the application has one config, and
`rayjob.yaml`, a batch on the same machines.

python -m cluster.rayservice            writes both
"""

from collections.abc import Mapping
from pathlib import Path

import yaml

HERE = Path(__file__).parent
TEMPLATE = HERE / "rayservice.template.yaml"
RESULT = HERE / "rayservice.yaml"
JOB = HERE / "rayjob.yaml"
APPLICATION = HERE.parent / "serve_config.gpu.yaml"
HEADING = "# Made by `python -m cluster.rayservice` from rayservice.template.yaml{}; do not edit.\n"
OF_A_SERVICE = ("gcsFaultToleranceOptions",)  # what a cluster that lives as long as one job does without


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Write repeated values out: the result is read by people and by kubectl."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def cluster_config(application: Mapping[str, object], settings: Mapping[str, object]) -> dict[str, object]:
    """The application's Serve config with a cluster's settings laid over it.

    `args` and `deployments` (by name) of the settings go to each application; the rest to the config itself.
    """
    over = {name: value for name, value in settings.items() if name not in ("args", "deployments")}
    merged = _merged(application, over)
    applications, sizes = merged["applications"], settings["deployments"]
    assert isinstance(applications, list)
    assert isinstance(sizes, Mapping)
    merged["applications"] = [
        _merged(one, {"args": settings["args"], "deployments": [_sized(each, sizes) for each in one["deployments"]]})
        for one in applications
    ]
    return merged


def _sized(deployment: Mapping[str, object], sizes: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    own = sizes.get(str(deployment["name"]), {})
    fixed = {"num_replicas"} if "autoscaling_config" in own else set()
    return {**{name: value for name, value in deployment.items() if name not in fixed}, **own}


def render() -> str:
    """The text of `rayservice.yaml`."""
    service, _, settings = yaml.safe_load_all(TEMPLATE.read_text(encoding="utf-8"))
    config = cluster_config(yaml.safe_load(APPLICATION.read_text(encoding="utf-8")), settings)
    service["spec"]["serveConfigV2"] = _dumped(config)
    return HEADING.format(" and serve_config.gpu.yaml") + _dumped(service)


def render_job() -> str:
    """The text of `rayjob.yaml`: the service's machines, without the keys of its callers."""
    service, job, _ = yaml.safe_load_all(TEMPLATE.read_text(encoding="utf-8"))
    cluster = {key: of for key, of in service["spec"]["rayClusterConfig"].items() if key not in OF_A_SERVICE}
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        pod["volumes"] = _without_keys(pod["volumes"])
        for container in pod["containers"]:
            container["volumeMounts"] = _without_keys(container["volumeMounts"])
    job["spec"]["rayClusterSpec"] = cluster
    return HEADING.format("") + _dumped(job)


def _without_keys(named: list[dict[str, object]]) -> list[dict[str, object]]:
    return [one for one in named if one["name"] != "keys"]


def _merged(under: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _dumped(value: object) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=1000)
    return text


if __name__ == "__main__":
    RESULT.write_text(render(), encoding="utf-8")
    JOB.write_text(render_job(), encoding="utf-8")
