"""docker/compose.yaml against the Compose Specification and against the project it starts."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from pipeline.ops.kafka import IMAGE
from pipeline.settings import NAMES

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as Compose reads it."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def specification() -> Draft202012Validator:
    """The Compose Specification's own JSON Schema, as check-jsonschema ships it."""
    schemas = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    return Draft202012Validator(json.loads((schemas / "compose-spec.json").read_text(encoding="utf-8")))


def test_the_file_follows_the_compose_specification(
    compose: dict[str, Any], specification: Draft202012Validator
) -> None:
    """No engine runs in the tests, so the specification's schema stands in for `docker compose config`."""
    specification.validate(compose)


def test_the_specification_refuses_a_misspelt_key(specification: Draft202012Validator) -> None:
    """The check above can fail: a schema that lets everything pass would prove nothing."""
    with pytest.raises(ValidationError, match="depend_on"):
        specification.validate({"services": {"worker": {"image": "x", "depend_on": ["kafka"]}}})


def test_services_start_in_order(compose: dict[str, Any]) -> None:
    """The topics are made once Kafka is healthy, and the worker starts once they are there."""
    services = compose["services"]

    assert "healthcheck" in services["kafka"]
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert services["worker"]["depends_on"] == {"topics": {"condition": "service_completed_successfully"}}


def test_the_worker_comes_back_and_the_one_shot_does_not(compose: dict[str, Any]) -> None:
    """A worker that ends itself is started again; creating topics is not repeated for ever."""
    assert compose["services"]["worker"]["restart"] == "unless-stopped"
    assert "restart" not in compose["services"]["topics"]


def test_every_worker_has_a_volume_of_its_own_at_the_data_directory(compose: dict[str, Any]) -> None:
    """Scaled workers never share a RocksDB store, and a restart finds its own again."""
    dockerfile = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
    data_dir = re.search(r"STREAMLEDGER_DATA_DIR=(\S+)", dockerfile)

    assert data_dir is not None
    assert compose["services"]["worker"]["volumes"] == [data_dir[1]]


def test_services_are_set_up_with_known_settings_only(compose: dict[str, Any]) -> None:
    """A renamed setting is noticed here and not by a container that refuses to start."""
    given = set(compose["services"]["worker"]["environment"])

    assert given <= {f"STREAMLEDGER_{name.upper()}" for name in NAMES}
    assert compose["services"]["topics"]["environment"] == compose["services"]["worker"]["environment"]


def test_kafka_is_the_version_that_everything_is_tested_with(compose: dict[str, Any]) -> None:
    """Compose, the tests' container and the embedded broker run the same Apache Kafka."""
    assert compose["services"]["kafka"]["image"] == IMAGE


def test_no_image_floats_and_no_port_is_open(compose: dict[str, Any]) -> None:
    """What runs is named by version, and a Kafka without authentication stays inside the project's network."""
    for service in compose["services"].values():
        assert re.search(r":\d[\w.]*$", service["image"])
        assert "ports" not in service
