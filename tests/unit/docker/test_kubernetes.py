"""The Kubernetes manifests: valid by schema, and held to the program that they run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from pipeline.cli.shell import COMMANDS
from pipeline.engine.config import Timing
from pipeline.settings import ENV_PREFIX, NAMES, Settings, secret
from pipeline.settings.sources import RESERVED

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "docker" / "kubernetes"
CORE: Final = ("network", "settings", "sink", "topics", "web", "worker")
OPTIONAL: Final = ("autoscaling", "monitoring")
VERSIONS: Final = ("1.29", kubernetes_validate.latest_version())
"""The oldest that these manifests promise to run on, and the newest whose schemas there are."""

CUSTOM: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "ScaledObject": {
        "": frozenset(
            ("scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "advanced", "triggers")
        ),
        "scaleTargetRef": frozenset(("apiVersion", "kind", "name")),
        "advanced": frozenset(("horizontalPodAutoscalerConfig",)),
        "triggers": frozenset(("type", "metadata", "authenticationRef")),
    },
    "TriggerAuthentication": {
        "": frozenset(("secretTargetRef",)),
        "secretTargetRef": frozenset(("parameter", "name", "key")),
    },
    "PodMonitor": {
        "": frozenset(("jobLabel", "selector", "podMetricsEndpoints")),
        "podMetricsEndpoints": frozenset(("port", "path", "interval", "authorization")),
    },
}
"""Fields of custom resources that are used, by kind and place in the spec, as their operators document them."""
KAFKA_TRIGGER: Final = {"bootstrapServers", "consumerGroup", "topic", "lagThreshold", "offsetResetPolicy"}


def documents(name: str) -> Iterator[dict[str, Any]]:
    """The resources of a file."""
    yield from yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


EVERYTHING: Final = [each for name in CORE for each in documents(name)]
SECRETS: Final = next(documents("secret.example"))["stringData"]
SETTINGS: Final[Mapping[str, str]] = next(documents("settings"))["data"]
PODS: Final[Mapping[str, dict[str, Any]]] = {
    each["metadata"]["name"]: each["spec"]["template"]["spec"]
    for each in EVERYTHING
    if "template" in each.get("spec", {})
}
WORKER: Final = next(each for each in EVERYTHING if each["kind"] == "StatefulSet")


def container(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The only container of a pod."""
    (only,) = pod["containers"]
    found: dict[str, Any] = only
    return found


def environment(pod: Mapping[str, Any]) -> dict[str, str]:
    """Variables of a pod, those of the ConfigMap included; what comes from elsewhere is empty."""
    own = {each["name"]: each.get("value", "") for each in container(pod).get("env", [])}
    return {**SETTINGS, **own}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", EVERYTHING, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_each_resource_is_valid_by_schema(resource: dict[str, Any], version: str) -> None:
    """Strictly: a field that the API does not know is an error, not a wish."""
    kubernetes_validate.validate(resource, version, strict=True)


def test_a_mistyped_field_would_be_found() -> None:
    """The test before this one can fail."""
    wrong = {**WORKER, "spec": {**WORKER["spec"], "podManagmentPolicy": "Parallel"}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_kustomization_names_every_file_and_the_image() -> None:
    """What it applies is there, and nothing is forgotten."""
    kustomization = next(documents("kustomization"))
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}

    assert set(kustomization["resources"]) == files == {f"{name}.yaml" for name in CORE}
    assert [image["name"] for image in kustomization["images"]] == ["streamledger"]


def test_the_image_is_that_of_this_version() -> None:
    """Manifests, kustomization and the name of the Job."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert {container(pod)["image"] for pod in PODS.values()} == {f"streamledger:{version}"}
    assert next(documents("kustomization"))["images"][0]["newTag"] == version
    assert f"streamledger-topics-{version.replace('.', '-')}" in PODS


@pytest.mark.parametrize("name", PODS)
def test_each_variable_is_a_setting(name: str) -> None:
    """And the values make settings that agree with each other."""
    settings = set(NAMES)
    for variable in environment(PODS[name]):
        if not variable.startswith(ENV_PREFIX):
            continue
        word = variable.removeprefix(ENV_PREFIX).lower()
        by_file = word.removesuffix("_file")
        assert word in settings or variable in RESERVED or secret(by_file), variable

    plain = {
        word: value
        for variable, value in environment(PODS[name]).items()
        if (word := variable.removeprefix(ENV_PREFIX).lower()) in NAMES
    }
    Settings.model_validate({**plain, "sasl_plain_password": "from a file"})


@pytest.mark.parametrize("name", PODS)
def test_each_pod_runs_a_command_with_the_least_rights(name: str) -> None:
    """No root, no writable image, no privileges, no token of the API, no variables of other services."""
    pod = PODS[name]
    own = container(pod)["securityContext"]

    assert container(pod)["args"][0] in COMMANDS
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert container(pod)["resources"].keys() == {"requests", "limits"}


@pytest.mark.parametrize("name", PODS)
def test_each_file_that_a_setting_names_is_mounted(name: str) -> None:
    """From keys that the example of the Secret has; no pod sees more of it than it names."""
    pod = PODS[name]
    (mounted,) = (volume["secret"] for volume in pod["volumes"] if "secret" in volume)
    (at,) = (mount["mountPath"] for mount in container(pod)["volumeMounts"] if mount["name"] == "secrets")
    files = {f"{at}/{item['path']}" for item in mounted["items"]}
    named = {value for variable, value in environment(pod).items() if variable.endswith(("_FILE", "FILE"))}

    assert {item["key"] for item in mounted["items"]} <= SECRETS.keys()
    assert files == named
    assert mounted["defaultMode"] == 0o440


@pytest.mark.parametrize("name", [name for name in PODS if "topics" not in name])
def test_probes_ask_what_answers(name: str) -> None:
    """By the name of a port that is that of the address; being ready is asked of whoever can say it."""
    pod, own = PODS[name], container(PODS[name])
    (port,) = own["ports"]
    variable = "STREAMLEDGER_WEB_ADDRESS" if name.endswith("web") else "STREAMLEDGER_METRICS_ADDRESS"
    probes = {kind: own[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}

    assert environment(pod)[variable] == f"0.0.0.0:{port['containerPort']}"
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert probes["startup"]["path"] == probes["liveness"]["path"] == "/health/live"
    assert probes["readiness"]["path"] == ("/health/live" if name.endswith("web") else "/health/ready")


def test_workers_keep_name_and_store_and_have_time_to_leave() -> None:
    """The pod's name is the member's, the volume is data_dir, and SIGKILL comes after the last checkpoint."""
    pod, spec = PODS["streamledger-worker"], WORKER["spec"]
    own = container(pod)
    (instance,) = (each for each in own["env"] if each["name"] == "STREAMLEDGER_INSTANCE")
    (data,) = (mount for mount in own["volumeMounts"] if mount["name"] == "data")

    assert instance["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert data["mountPath"] == environment(pod)["STREAMLEDGER_DATA_DIR"]
    assert [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]] == ["data"]
    assert spec["podManagementPolicy"] == "Parallel"
    assert pod["terminationGracePeriodSeconds"] > 2 * Timing().leave
    assert spec["minReadySeconds"] > Timing().session
    assert spec["replicas"] <= int(SETTINGS["STREAMLEDGER_PARTITIONS"])
    assert int(SETTINGS["STREAMLEDGER_REPLICATION"]) >= 3


def test_selectors_find_the_pods_that_they_mean() -> None:
    """Of workloads, services, the disruption budget and the policies."""
    labels = [
        each["spec"]["template"]["metadata"]["labels"] for each in EVERYTHING if "template" in each.get("spec", {})
    ]
    for each in EVERYTHING:
        selector = each.get("spec", {}).get("podSelector" if each["kind"] == "NetworkPolicy" else "selector")
        if selector is None:
            continue
        wanted = selector.get("matchLabels", selector)
        found = [own for own in labels if wanted.items() <= own.items()]
        everyone = each["metadata"]["name"] == "streamledger"
        assert len(found) == (len(labels) if everyone else 1), each["metadata"]["name"]
        assert everyone or found[0]["app.kubernetes.io/name"] == each["metadata"]["name"]


def test_one_worker_at_a_time_is_taken_away() -> None:
    """By whoever drains nodes."""
    (budget,) = (each["spec"] for each in EVERYTHING if each["kind"] == "PodDisruptionBudget")

    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == WORKER["spec"]["selector"]


def test_the_network_lets_in_what_listens_and_out_what_is_needed() -> None:
    """Ports of the policies are those of pods and settings."""
    policies = {each["metadata"]["name"]: each["spec"] for each in EVERYTHING if each["kind"] == "NetworkPolicy"}
    ports = {name: container(pod).get("ports", [{}])[0].get("containerPort") for name, pod in PODS.items()}
    kafka = int(SETTINGS["STREAMLEDGER_BOOTSTRAP_SERVERS"].rpartition(":")[2])
    outward = [port for rule in policies["streamledger"]["egress"] for port in rule["ports"]]

    assert policies["streamledger"]["ingress"][0]["ports"][0]["port"] == ports["streamledger-worker"]
    assert policies["streamledger"]["ingress"][0]["ports"][0]["port"] == ports["streamledger-sink"]
    assert policies["streamledger-web"]["ingress"][0]["ports"][0]["port"] == ports["streamledger-web"]
    assert any(port["port"] <= kafka <= port.get("endPort", port["port"]) for port in outward)
    assert ":5432/" in container(PODS["streamledger-sink"])["args"][3]
    assert policies["streamledger-sink"]["egress"][0]["ports"][0]["port"] == 5432


@pytest.mark.parametrize("name", OPTIONAL)
def test_custom_resources_use_known_fields(name: str) -> None:
    """Their schemas are their operators'; what is used of them is listed here."""
    for each in documents(f"optional/{name}"):
        if each["kind"] not in CUSTOM:
            kubernetes_validate.validate(each, VERSIONS[0], strict=True)
            continue
        for place, known in CUSTOM[each["kind"]].items():
            found = each["spec"][place] if place else each["spec"]
            for part in found if isinstance(found, list) else [found]:
                assert part.keys() <= known, (each["kind"], place)


def test_scaling_follows_the_lag_of_the_ledgers_own_group() -> None:
    """Group, topic and brokers are those of the settings, and there are no more workers than partitions."""
    scaled, login, extra = documents("optional/autoscaling")
    ((trigger,), spec) = scaled["spec"]["triggers"], scaled["spec"]
    settings = Settings(ledger=SETTINGS["STREAMLEDGER_LEDGER"])

    assert trigger["metadata"].keys() == KAFKA_TRIGGER
    assert trigger["metadata"]["bootstrapServers"] == SETTINGS["STREAMLEDGER_BOOTSTRAP_SERVERS"]
    assert trigger["metadata"]["consumerGroup"] == settings.ledger
    assert trigger["metadata"]["topic"] == settings.chunk_topic
    assert spec["maxReplicaCount"] == int(SETTINGS["STREAMLEDGER_PARTITIONS"])
    assert (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]) == ("StatefulSet", "streamledger-worker")
    assert trigger["authenticationRef"]["name"] == login["metadata"]["name"]
    given = {"streamledger": SECRETS, extra["metadata"]["name"]: extra["stringData"]}
    assert all(each["key"] in given[each["name"]] for each in login["spec"]["secretTargetRef"])
    assert extra["stringData"]["username"] == SETTINGS["STREAMLEDGER_SASL_PLAIN_USERNAME"]


def test_prometheus_asks_each_part_that_shows_metrics() -> None:
    """With the token, at the named port."""
    (monitor,) = documents("optional/monitoring")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    shown = [name for name, pod in PODS.items() if "STREAMLEDGER_METRICS_ADDRESS" in environment(pod)]

    assert set(monitor["spec"]["selector"]["matchExpressions"][0]["values"]) == set(shown)
    assert endpoint["port"] == "metrics"
    assert endpoint["authorization"]["credentials"] == {"name": "streamledger", "key": "metrics_token"}
