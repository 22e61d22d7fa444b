"""docker/compose.yaml against the Compose Specification and against the project it starts."""

import json
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from pipeline.engine.config import Timing
from pipeline.ops.kafka import IMAGE
from pipeline.settings import ENV_PREFIX, NAMES, load, secret
from tests.commands import parse

ROOT: Final = Path(__file__).parents[3]
DOCKER: Final = ROOT / "docker"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {name: service for name, service in SERVICES.items() if "build" in service}
COMMANDS: Final = {name: service for name, service in OURS.items() if "entrypoint" not in service}
ONCE: Final = {"secrets", "topics"}
STAYING: Final = {name: service for name, service in SERVICES.items() if name not in ONCE}


@pytest.fixture(scope="module")
def specification() -> Draft202012Validator:
    """The Compose Specification's own JSON Schema, as check-jsonschema ships it."""
    schemas = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    return Draft202012Validator(json.loads((schemas / "compose-spec.json").read_text(encoding="utf-8")))


def test_the_file_follows_the_compose_specification(specification: Draft202012Validator) -> None:
    """No engine runs in the tests, so the specification's schema stands in for `docker compose config`."""
    specification.validate(COMPOSE)


def test_the_specification_refuses_a_misspelt_key(specification: Draft202012Validator) -> None:
    """The check above can fail: a schema that lets everything pass would prove nothing."""
    with pytest.raises(ValidationError, match="depend_on"):
        specification.validate({"services": {"worker": {"image": "x", "depend_on": ["kafka"]}}})


def test_everything_is_there() -> None:
    """Kafka, topics, two workers, a sink with its database, page, Prometheus, Grafana and a console."""
    assert set(SERVICES) >= {"kafka", "topics", "worker", "postgres", "sink", "web", "prometheus", "grafana", "console"}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


def test_services_start_in_order() -> None:
    """`up --wait` can end: what is waited for exists, is healthy some day, or ends and is waited for as such."""
    waited = {
        (needed, how["condition"])
        for service in SERVICES.values()
        for needed, how in service.get("depends_on", {}).items()
    }

    assert {needed for needed, _ in waited} <= set(SERVICES)
    assert {needed for needed, how in waited if how == "service_completed_successfully"} == ONCE
    assert {needed for needed, how in waited if how == "service_healthy"} <= set(STAYING)
    assert [name for name, service in STAYING.items() if "test" not in service["healthcheck"]] == []
    assert [name for name in ONCE if not SERVICES[name]["healthcheck"]["disable"]] == []
    assert SERVICES["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert [name for name in ("worker", "sink", "web") if "topics" not in SERVICES[name]["depends_on"]] == []


def test_what_stays_comes_back_and_is_bounded() -> None:
    """A process that ends itself is started again, what runs once is not, and none takes the machine."""
    assert {name for name, service in SERVICES.items() if service.get("restart") == "unless-stopped"} == set(STAYING)
    assert [
        name for name, each in STAYING.items() if set(each["deploy"]["resources"]["limits"]) != {"cpus", "memory"}
    ] == []


def test_a_worker_is_given_the_time_to_leave() -> None:
    """SIGKILL comes after the last checkpoint, not into it."""
    grace = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))

    assert grace > Timing().leave


def test_every_worker_has_a_volume_of_its_own_at_the_data_directory() -> None:
    """Scaled workers never share a RocksDB store, and a restart finds its own again."""
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    data_dir = re.search(r"STREAMLEDGER_DATA_DIR=(\S+)", dockerfile)

    assert data_dir is not None
    assert data_dir[1] in SERVICES["worker"]["volumes"]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_service_of_ours_is_a_command_with_settings(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renamed command, option or setting, or a value that is none, is noticed here and not by a container."""
    given = {key: str(value) for key, value in SERVICES[name].get("environment", {}).items()}
    ours = {key: value for key, value in given.items() if key.startswith(ENV_PREFIX)}
    by_file = {f"{ENV_PREFIX}{setting.upper()}_FILE" for setting in NAMES if secret(setting)}

    assert set(ours) <= {f"{ENV_PREFIX}{setting.upper()}" for setting in NAMES} | by_file
    for key, value in ours.items():
        if key in by_file:
            (tmp_path / Path(value).name).write_text("a-token-of-sixteen-bytes", encoding="utf-8")
            monkeypatch.setenv(key, str(tmp_path / Path(value).name))
        else:
            monkeypatch.setenv(key, value)
    load()
    parse(SERVICES[name].get("command", ["worker"]))


def test_kafka_is_the_version_that_everything_is_tested_with() -> None:
    """Compose, the tests' container and the embedded broker run the same Apache Kafka."""
    assert SERVICES["kafka"]["image"] == IMAGE


def test_no_image_floats() -> None:
    """What runs is named by version; ours by the project's."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert [each["image"] for each in SERVICES.values() if not re.search(r":v?\d+\.\d[\w.-]*$", each["image"])] == []
    assert {each["image"] for each in OURS.values()} == {f"streamledger:{version}"}


def test_ports_are_open_on_this_machine_only() -> None:
    """Kafka without a login, and pages without one, are for whoever sits at the machine; no two want one port."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    outside = [port.split(":")[1] for port in ports]

    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []
    assert len(set(outside)) == len(outside)


def test_containers_may_do_little() -> None:
    """None has a capability or can gain one, and none but Kafka, which writes its configuration, writes its image."""
    assert [name for name, service in SERVICES.items() if service["cap_drop"] != ["ALL"]] == []
    assert [name for name, each in SERVICES.items() if each["security_opt"] != ["no-new-privileges:true"]] == []
    assert {name for name, service in SERVICES.items() if not service.get("read_only")} == {"kafka"}
    assert [
        name for name, service in SERVICES.items() if service.get("user") == "root" or service.get("privileged")
    ] == []


def test_what_is_mounted_is_there() -> None:
    """No container gets an empty folder in the place of a file, and every volume is declared."""
    mounts = [volume.split(":") for service in SERVICES.values() for volume in service.get("volumes", [])]
    sources = {mount[0] for mount in mounts if len(mount) > 1}

    assert [source for source in sources if source.startswith("./") and not (DOCKER / source).exists()] == []
    assert {source for source in sources if not source.startswith("./")} == set(COMPOSE["volumes"])
    assert [mount for mount in mounts if mount[0].startswith("./") and mount[-1] != "ro"] == []


def test_whoever_reads_a_secret_waits_until_it_is_made() -> None:
    """Only those see the secrets who name one, none but their maker may write them, and none starts before."""
    scraping = (DOCKER / "prometheus/prometheus.yaml").read_text(encoding="utf-8")
    for name, service in SERVICES.items():
        mounts = [volume.partition(":")[2] for volume in service.get("volumes", []) if volume.startswith("secrets:")]
        named = json.dumps({key: value for key, value in service.items() if key != "volumes"})
        if name == "secrets":
            assert mounts == ["/run/streamledger"]
        elif "/run/streamledger/" in named + (scraping if name == "prometheus" else ""):
            assert mounts == ["/run/streamledger:ro"]
            assert {"secrets", "postgres"} & set(service["depends_on"])  # the database itself waits for them
        else:
            assert mounts == []
