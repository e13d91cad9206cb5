"""The Kustomize overlays, by kubernetes-validate and against the service's own settings."""

import itertools
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.settings import Settings
from tests.deploy.tools import DEPLOY, find, run

OVERLAYS = ("edge", "mesh")
KILL_MARGIN = 5
"""Seconds beyond the grace period after which the supervisor kills a worker."""

Manifest = dict[str, Any]


@pytest.fixture(scope="module", params=OVERLAYS)
def rendered(request: pytest.FixtureRequest) -> str:
    """An overlay, as it is applied."""
    folder = DEPLOY / "kubernetes" / "overlays" / str(request.param)
    command = ["kustomize", "build"] if shutil.which("kustomize") else [find("kubectl"), "kustomize"]
    done = run(*command, folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def manifests(rendered: str) -> list[Manifest]:
    return list(yaml.safe_load_all(rendered))


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind]


def settings_of(manifests: list[Manifest], folder: Path) -> Settings:
    """The settings that the pods read, with the arguments of `serve`."""
    (configuration,) = of_kind(manifests, "ConfigMap")
    file = folder / "router.toml"
    file.write_text(configuration["data"]["router.toml"])
    arguments = container(manifests, "did-router")["args"]
    pairs = [value.partition("=") for flag, value in itertools.pairwise(arguments) if flag == "--set"]
    given = {name: value for name, _, value in pairs}
    names = {"--transport": "transport", "--listen": "listen", "--workers": "workers"}
    given |= {names[flag]: value for flag, value in itertools.pairwise(arguments) if flag in names}
    given |= {"insecure": "true"} if "--insecure" in arguments else {}
    return Settings.load(file, **given)


def container(manifests: list[Manifest], name: str) -> Manifest:
    (deployment,) = [each for each in of_kind(manifests, "Deployment") if each["metadata"]["name"] == name]
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    result: Manifest = found
    return result


def test_overlay_is_valid_strictly(manifests: list[Manifest], tmp_path: Path) -> None:
    """The Prometheus operator's kind is none of Kubernetes' own, so the validator does not know it."""
    files = []
    for index, manifest in enumerate(each for each in manifests if each["kind"] != "ServiceMonitor"):
        files.append(tmp_path / f"{index}.yaml")
        files[-1].write_text(yaml.safe_dump(manifest))
    done = run(find("kubernetes-validate"), "--strict", *files)

    assert done.returncode == 0, done.stdout + done.stderr


def test_validator_finds_a_misspelt_key(manifests: list[Manifest], tmp_path: Path) -> None:
    broken = of_kind(manifests, "Deployment")[0]
    file = tmp_path / "broken.yaml"
    file.write_text(yaml.safe_dump(broken).replace("terminationGracePeriodSeconds", "terminationGracePeriod"))

    assert run(find("kubernetes-validate"), "--strict", file).returncode != 0


def test_grace_period_exceeds_draining(manifests: list[Manifest], tmp_path: Path) -> None:
    server = settings_of(manifests, tmp_path).server
    (serve,) = [each for each in of_kind(manifests, "Deployment") if each["metadata"]["name"] == "did-router"]

    assert serve["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > (
        server.drain_delay + server.shutdown_grace_period + KILL_MARGIN
    )


def test_readiness_is_noticed_within_the_drain_delay(manifests: list[Manifest], tmp_path: Path) -> None:
    probe = container(manifests, "did-router")["readinessProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] < settings_of(manifests, tmp_path).server.drain_delay


def test_pods_are_confined(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for each in pod["containers"]:
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"name": "tmp", "mountPath": "/tmp"} in each["volumeMounts"]


def test_selectors_match_the_pods(manifests: list[Manifest]) -> None:
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(manifests, "Deployment")]
    selectors = [each["spec"]["selector"] for each in of_kind(manifests, "Service")]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in of_kind(manifests, "PodDisruptionBudget")]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in of_kind(manifests, "Deployment")]

    for selector in selectors:
        assert [pod for pod in pods if selector.items() <= pod.items()], selector
    (monitor,) = of_kind(manifests, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    services = [each for each in of_kind(manifests, "Service") if wanted.items() <= each["metadata"]["labels"].items()]
    assert [port["name"] for each in services for port in each["spec"]["ports"]] == ["admin", "admin"]


def test_ports_are_those_of_the_settings(manifests: list[Manifest], tmp_path: Path) -> None:
    settings = settings_of(manifests, tmp_path)
    listening = {"grpc": settings.server.listen, "http": settings.http.listen, "admin": settings.server.admin_listen}
    ports = {each["name"]: each["containerPort"] for each in container(manifests, "did-router")["ports"]}

    assert {name: int(address.rpartition(":")[2]) for name, address in listening.items()} == ports
    (follower,) = container(manifests, "did-router-follower")["ports"]
    assert settings.follower.admin_listen.endswith(f":{follower['containerPort']}")


def test_settings_file_of_secrets_is_complete(manifests: list[Manifest], tmp_path: Path) -> None:
    """Files that the settings name are mounted there."""
    (configuration,) = of_kind(manifests, "ConfigMap")
    text = configuration["data"]["router.toml"]
    named = [value for group in tomllib.loads(text).values() for name, value in group.items() if name.endswith("_file")]
    mounts = [each["mountPath"] for each in container(manifests, "did-router")["volumeMounts"]]

    assert named
    assert all(str(Path(path).parent) in mounts for path in named)
    assert settings_of(manifests, tmp_path).server.transport in {"edge", "native"}
