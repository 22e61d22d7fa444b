"""Every alert of docker/prometheus on a real Prometheus: it scrapes pages of our metrics, and its API is asked."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from pipeline.ops.broker.ports import HOST, free_ports
from pipeline.testing.waiting import eventually
from tests.patient import Patient, State

PROMETHEUS: Final = Path(__file__).parents[2] / "docker/prometheus"
FASTER: Final = 150
"""Windows and waits of the rules are divided by this: five minutes are two seconds."""
SCRAPE: Final = "150ms"
TOKEN: Final = "the-token-of-the-metrics"
SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

ALERTS: Final = frozenset(re.findall(r"- alert: (\w+)", (PROMETHEUS / "alerts.yaml").read_text(encoding="utf-8")))
GONE: Final = frozenset({"WorkerDown", "SinkDown"})
RESTORING: Final = frozenset({"RecoverySlow"})
SICK: Final = ALERTS - GONE - RESTORING
"""What can be wrong all at once; who restores, or is gone, does not show the rest."""


def faster(rules: str) -> str:
    """The same rules with shorter windows, offsets and waits; thresholds stay."""

    def shorter(match: re.Match[str]) -> str:
        return f"{match[1]}{int(match[2]) * SECONDS[match[3]] * 1_000 // FASTER}ms"

    return re.sub(r"(\[|for: |offset )(\d+)([smhd])\b", shorter, rules)


@contextmanager
def pages(patient: Patient) -> Iterator[int]:
    """The port on which the patient's pages are shown to whoever has the token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """One page, as text."""
            try:
                page = patient.page("worker" if self.path == "/worker" else "sink")
            except ConnectionError:
                return
            known = self.headers["Authorization"] == f"Bearer {TOKEN}"
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(page if known else b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def written(folder: Path, port: int) -> Path:
    """The configuration of docker/prometheus in a folder: faster, and with the patient for worker and sink."""
    (folder / "alerts.yaml").write_text(
        faster((PROMETHEUS / "alerts.yaml").read_text(encoding="utf-8")), encoding="utf-8"
    )
    (folder / "metrics_token").write_text(TOKEN, encoding="utf-8")
    config = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE}
    for job in config["scrape_configs"]:
        job["authorization"]["credentials_file"] = str(folder / "metrics_token")
        job["metrics_path"] = "/" + job.pop("dns_sd_configs")[0]["names"][0]
        job["static_configs"] = [{"targets": [f"{HOST}:{port}"]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder / "prometheus.yaml"


@contextmanager
def prometheus(config: Path) -> Iterator[Callable[[str], Any]]:
    """A Prometheus; give a path of its API, get its data."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed")
    address = f"{HOST}:{free_ports(1)[0]}"
    with (config.parent / "log").open("w") as log:
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={config}",
                f"--storage.tsdb.path={config.parent / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )

    def ask(path: str) -> Any:
        assert process.poll() is None, (config.parent / "log").read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(f"http://{address}/api/v1/{path}", timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError as error:  # not up yet
            raise AssertionError from error

    try:
        yield ask
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def patient() -> Patient:
    """A worker and a sink, healthy."""
    return Patient()


@pytest.fixture
def ask(patient: Patient, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """The API of a Prometheus that watches the patient."""
    with pages(patient) as port, prometheus(written(tmp_path, port)) as api:
        yield api


def test_every_alert_fires_and_resolves(patient: Patient, ask: Callable[[str], Any]) -> None:
    """In health nothing fires; in sickness, while restoring, and when all is gone just the right alerts do, and end."""

    def firing() -> set[str]:
        alerts = [alert for alert in ask("alerts")["alerts"] if alert["state"] == "firing"]
        texts = [text for alert in alerts for text in alert["annotations"].values()]
        assert [text for text in texts if "<no value>" in text or "<error" in text] == []
        return {alert["labels"]["alertname"] for alert in alerts}

    def fires(alerts: frozenset[str]) -> bool:
        return firing() == alerts

    def nothing_but(*allowed: frozenset[str]) -> Callable[[], None]:
        def watch() -> None:
            if odd := firing() - frozenset().union(*allowed):
                raise RuntimeError(f"fires without a reason: {sorted(odd)}")

        return watch

    def scraped(times: int) -> bool:
        counts = ask("query?query=sum_over_time(up[1h])")["result"]
        return len(counts) == 2 and all(float(count["value"][1]) >= times for count in counts)

    # Prometheus looks for its targets five seconds after it started: faster than fast, that is an outage.
    eventually(lambda: scraped(3) and firing() == set())
    eventually(lambda: scraped(10), watch=nothing_but())
    states: tuple[tuple[State, frozenset[str]], ...] = (
        ("sick", SICK),
        ("restoring", RESTORING),
        ("gone", GONE),
        ("healthy", frozenset()),
    )
    before = frozenset[str]()
    for state, alerts in states:
        patient.become(state)
        eventually(functools.partial(fires, alerts), what=state, watch=nothing_but(before, alerts))
        before = alerts
