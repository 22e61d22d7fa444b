"""What tests of metrics share: a look at a process' port, as Prometheus and Kubernetes have one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from pipeline.metrics import PREFIX
from pipeline.testing.waiting import eventually

Values = dict[tuple[str, ...], float]


class Scrape:
    """Values by name, without prefix, and by labels in the order of the list."""

    def __init__(self, text: str) -> None:
        """Read the text format."""
        self._values: dict[str, Values] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(value for _, value in sorted(sample.labels.items()))
                self._values.setdefault(sample.name.removeprefix(PREFIX), {})[labels] = sample.value

    def __getitem__(self, name: str) -> float:
        """The sum of a metric's series; 0 without any."""
        return sum(self._values.get(name, {}).values())

    def __contains__(self, name: str) -> bool:
        """Whether there is a series of that name."""
        return name in self._values

    def by(self, name: str) -> Values:
        """Values other than 0, by label values in the order of the labels' names."""
        return {labels: value for labels, value in self._values.get(name, {}).items() if value}


def asked(url: str) -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (our own process)
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def reasons(url: str, what: str = "ready") -> list[str]:
    """What speaks against being ready or live."""
    status, text = asked(f"{url}/health/{what}")
    document = json.loads(text)
    found: list[str] = document["reasons"]
    assert (status == 200) is document[what] is (found == [])
    return found


def scraped(url: str, holds: Callable[[Scrape], bool] = lambda _: True) -> Scrape:
    """The first scrape of which something holds."""

    def look() -> Scrape | None:
        status, text = asked(f"{url}/metrics")
        seen = Scrape(text)
        return seen if status == 200 and holds(seen) else None

    found = eventually(look, what="what the metrics say")
    assert found is not None
    return found
