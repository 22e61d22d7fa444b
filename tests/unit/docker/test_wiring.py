"""The files under docker/ that name each other: Compose, Prometheus, Grafana, console, health checks and secrets."""

import json
import os
import re
import runpy
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from pipeline.ops.broker.ports import HOST, free_ports
from pipeline.testing.waiting import eventually
from schemas.generate import FOLDER
from tests.promql import promtool

DOCKER: Final = Path(__file__).parents[3] / "docker"


def read(name: str) -> Any:
    """A file of the folder."""
    return yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))


SERVICES: Final[dict[str, dict[str, Any]]] = read("compose.yaml")["services"]
SCRAPED: Final[list[dict[str, Any]]] = read("prometheus/prometheus.yaml")["scrape_configs"]


class Answer(BaseHTTPRequestHandler):
    """Well, but not ready."""

    def do_GET(self) -> None:
        """By path."""
        self.send_response(200 if self.path in {"/health/live", "/other"} else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that is live and not ready."""
    with ThreadingHTTPServer((HOST, 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def health(*arguments: str, **environment: str) -> int:
    """Exit status of the image's health check."""
    path = os.environ["PATH"]
    program = [sys.executable, str(DOCKER / "health.py"), *arguments]
    return subprocess.run(program, env={"PATH": path} | environment, check=False, capture_output=True).returncode


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """What Prometheus would refuse at its start is found here."""
    shutil.copytree(DOCKER / "prometheus", tmp_path, dirs_exist_ok=True)
    config = (tmp_path / "prometheus.yaml").read_text(encoding="utf-8")
    (tmp_path / "prometheus.yaml").write_text(config.replace("/run/streamledger", str(tmp_path)), encoding="utf-8")
    (tmp_path / "metrics_token").touch()
    program = [promtool(), "check", "config", str(tmp_path / "prometheus.yaml")]
    checked = subprocess.run(program, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "SUCCESS: 1 rule files found" in checked.stdout


@pytest.mark.parametrize("job", SCRAPED, ids=lambda job: str(job["job_name"]))
def test_prometheus_scrapes_where_a_service_shows_metrics(job: dict[str, Any]) -> None:
    """Job, service, port and token of both files are the same."""
    (found,) = job["dns_sd_configs"]
    (name,) = found["names"]
    environment = SERVICES[name]["environment"]

    assert job["job_name"] == f"streamledger-{name}"
    assert environment["STREAMLEDGER_METRICS_ADDRESS"] == f"0.0.0.0:{found['port']}"
    assert environment["STREAMLEDGER_METRICS_TOKEN_FILE"] == job["authorization"]["credentials_file"]


def test_alerts_and_dashboard_ask_for_jobs_that_are_scraped() -> None:
    """A job of another name would be an alert that never fires."""
    texts = [(DOCKER / name).read_text(encoding="utf-8") for name in ("prometheus/alerts.yaml", "grafana/panels.yaml")]

    assert set(re.findall(r'job="([^"]+)"', "".join(texts))) == {job["job_name"] for job in SCRAPED}


def test_services_find_each_other() -> None:
    """Addresses in the files of Grafana and the console are those of services."""
    (source,) = read("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    (provider,) = read("grafana/provisioning/dashboards/streamledger.yaml")["providers"]
    console = read("console/console.yaml")
    kafka = SERVICES["kafka"]["environment"]
    (registry,) = SERVICES["registry"]["command"]

    assert source["url"] == "http://prometheus:9090"
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    assert console["kafka"]["brokers"] == [SERVICES["worker"]["environment"]["STREAMLEDGER_BOOTSTRAP_SERVERS"]]
    assert f"PLAINTEXT://{console['kafka']['brokers'][0]}" in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert console["schemaRegistry"]["urls"] == [f"http://registry:{registry}"]
    assert [service for service in ("prometheus", "kafka", "registry") if service not in SERVICES] == []


def test_health_checks_ask_where_their_service_listens() -> None:
    """A port that was changed in one place only would never become healthy."""
    web = SERVICES["web"]["environment"]["STREAMLEDGER_WEB_ADDRESS"].rpartition(":")[2]
    published = {
        name: service["ports"][0].rpartition(":")[2] for name, service in SERVICES.items() if "ports" in service
    }
    asked = {
        name: re.search(r"http://127\.0\.0\.1:(\d+)/", str(each["healthcheck"])) for name, each in SERVICES.items()
    }
    ports = {name: match[1] for name, match in asked.items() if match}

    assert ports == {
        "web": web,
        "prometheus": published["prometheus"],
        "grafana": published["grafana"],
        "console": published["console"],
        "registry": SERVICES["registry"]["command"][0],
    }
    assert published["web"] == web


def test_secrets_are_made_once_and_for_those_who_need_them(tmp_path: Path) -> None:
    """The first start makes every secret that a file of docker/ names, a second leaves them; libpq takes its file."""
    (script,) = SERVICES["secrets"]["command"]
    script = script.replace("$$", "$").replace("/run/streamledger", str(tmp_path))
    sources = [(DOCKER / name).read_text(encoding="utf-8") for name in ("compose.yaml", "prometheus/prometheus.yaml")]

    def made() -> dict[str, str]:
        subprocess.run([*SERVICES["secrets"]["entrypoint"], script], check=True, umask=0o022)
        return {file.name: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()}

    first, second = made(), made()

    assert first == second
    assert set(re.findall(r"/run/streamledger/(\w+)", "".join(sources))) <= set(first)
    assert first["pgpass"] == f"*:*:*:*:{first['postgres_password']}\n"
    assert stat.S_IMODE((tmp_path / "pgpass").stat().st_mode) == 0o600
    assert [name for name in first if name != "pgpass" and not re.fullmatch(r"[0-9a-f]{64}", first[name])] == []


def test_the_health_check_asks_the_metrics_port(port: int) -> None:
    """Live and ready are asked apart, at the port of the settings; what does not answer is not well."""
    address = f"0.0.0.0:{port}"
    (nobody,) = free_ports(1)

    assert health(STREAMLEDGER_METRICS_ADDRESS=address) == 0
    assert health("ready", STREAMLEDGER_METRICS_ADDRESS=address) == 1
    assert health(f"http://{HOST}:{port}/other") == 0
    assert health(STREAMLEDGER_METRICS_ADDRESS=f":{nobody}") == 1


def test_without_a_metrics_port_the_health_check_looks_at_kafka_and_the_topics() -> None:
    """A container that shows no metrics is as well as its Kafka: nobody is there, which is exit status 3."""
    (nobody,) = free_ports(1)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    assert health(PATH=path, STREAMLEDGER_BOOTSTRAP_SERVERS=f"{HOST}:{nobody}") == 3


def test_the_console_is_shown_every_schema_and_can_change_none() -> None:
    """The registry has a subject for each topic and each stream type, each with its schema as it was generated."""
    answer = runpy.run_path(str(DOCKER / "console/registry.py"))["answer"]
    _, subjects = answer("/subjects?deleted=true")
    shown = [answer(f"/subjects/{subject}/versions/latest")[1] for subject in subjects]
    files = {json.dumps(json.loads(file.read_text(encoding="utf-8"))) for file in FOLDER.glob("*.schema.json")}

    assert {"llm.chunks-value", "llm.accumulated-value", "llm.chunks.dead-value"} < set(subjects)
    assert {json.dumps(json.loads(schema["schema"])) for schema in shown} == files
    assert [answer(f"/schemas/ids/{schema['id']}")[1]["schema"] == schema["schema"] for schema in shown] == [
        True
    ] * len(shown)
    assert answer("/subjects/llm.chunks-value/versions")[1] == [1]
    assert answer("/subjects/llm.chunks-value/versions/1/schema")[1]["title"] == "Chunk"
    assert answer("/subjects/llm.chunks-value/versions/1/referencedby") == (200, [])
    assert answer("/mode")[1]["mode"] == "READONLY"
    assert [answer(path)[0] for path in ("/subjects/x/versions", "/subjects/llm.chunks-value/versions/2", "/x")] == [
        404
    ] * 3


def test_the_registry_runs() -> None:
    """As a program on its port it answers what the health check of its container asks."""
    (port,) = free_ports(1)
    with subprocess.Popen([sys.executable, DOCKER / "console/registry.py", str(port)]) as process:
        try:
            eventually(lambda: health(f"http://{HOST}:{port}/subjects") == 0)
        finally:
            process.terminate()
