"""A Kafka with TLS, logins and ACLs: every login works or says why not, and the table of least rights is executed."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.errors import NO_KAFKA, OK, StreamledgerError
from pipeline.ingest import Publisher
from pipeline.ingest.publish.policy import Policy
from pipeline.ops.events import events
from pipeline.settings import NAMES, Settings, client, show
from pipeline.testing.ledger import fresh_name, ledger_settings
from pipeline.testing.topic import append
from pipeline.topics.admin import counts
from pipeline.topics.rights import Right, Role, rights
from tests.certificates import EXPIRED, Authority
from tests.integration.engine.harness import Stream, Worker
from tests.secured import ADMINISTRATOR, HOST, Secured, secured

MODEL: Final = "m-1"
GOODBYE: Final = 25
"""Seconds below the 30 that an event loop waits by default for a goodbye over TLS."""
OVERLAY: Final = f'[models."openai/{MODEL}"]\ninput = 1\noutput = 2\n'
"""Prices that change a record."""


@pytest.fixture(scope="module")
def kafka_with_rights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One secured broker for this file."""
    with secured(tmp_path_factory.mktemp("secured")) as found:
        yield found


@pytest.fixture
def base(kafka_with_rights: Secured, tmp_path: Path) -> Settings:
    """Settings of a ledger of a test's own."""
    servers = kafka_with_rights.cluster.bootstrap_servers
    return ledger_settings(servers, fresh_name(), tmp_path / "data", partitions=1)


def reach(settings: Settings) -> str:
    """What is said to who looks for a topic that is not there, or not to be seen, or does not get that far."""

    async def look() -> None:
        (await counts(client(settings), [settings.chunk_topic])).of(settings.chunk_topic)

    with pytest.raises(StreamledgerError) as caught:
        asyncio.run(look())
    return str(caught.value)


def changed(settings: Settings, *names: str) -> list[str]:
    """Settings as `--set` of a command: those that are not the default, and no secret is among them."""
    every = Settings()
    told = (name for name in (names or NAMES) if getattr(settings, name) != getattr(every, name))
    return [f"--set={name}={show(name, getattr(settings, name))}" for name in told]


def run(settings: Settings, *arguments: str, stdin: bytes | None = None) -> tuple[int, str]:
    """A command in this process; its exit code and all that it printed."""
    done = CliRunner().invoke(main, [*arguments, *changed(settings)], input=stdin)
    return done.exit_code, done.output


# ---- logins and certificates


@pytest.mark.parametrize(
    ("mechanism", "user"), [("PLAIN", "plain"), ("SCRAM-SHA-256", "scrammed"), ("SCRAM-SHA-512", "scrammed")]
)
def test_a_password_lets_in_and_a_wrong_one_is_said(
    kafka_with_rights: Secured, base: Settings, mechanism: str, user: str
) -> None:
    """Let in without a right to the topic is another line than not let in; the password is in neither."""
    inside = reach(kafka_with_rights.with_password(base, mechanism, user))
    outside = reach(kafka_with_rights.with_password(base, mechanism, user, "another-password"))

    assert f"does not let this user READ on topic {base.chunk_topic}" in inside
    assert f"refuses the login of {user} by {mechanism}" in outside
    assert "another-password" not in outside


def test_a_token_lets_in_and_a_wrong_one_is_said(kafka_with_rights: Secured, base: Settings, tmp_path: Path) -> None:
    """OAUTHBEARER: the file is read at each login; what the broker does not take, or nobody can read, is told apart."""
    settings = kafka_with_rights.settings(base, "someone")
    path = settings.sasl_oauth_token_file
    assert path is not None
    good = path.read_text(encoding="ascii")

    assert "READ on topic" in reach(settings)
    path.write_text("no.token", encoding="ascii")
    assert "refuses the token by OAUTHBEARER" in reach(settings)
    path.write_text(good, encoding="ascii")
    assert "READ on topic" in reach(settings)
    assert "No such file" in reach(settings.model_copy(update={"sasl_oauth_token_file": tmp_path / "none"}))


def test_a_certificate_lets_in_and_a_wrong_one_is_said(
    kafka_with_rights: Secured, base: Settings, tmp_path: Path
) -> None:
    """MTLS: the name in it is the user; without one, with another CA's, or with one that has expired nobody gets in."""
    authority = kafka_with_rights.authority
    good, old = authority.issue("certified"), authority.issue("certified", days=EXPIRED)
    foreign = Authority(tmp_path / "foreign").issue("certified")
    servers = {"bootstrap_servers": kafka_with_rights.cluster.certified_servers, "security_protocol": "SSL"}
    plain = kafka_with_rights.over_tls(base, **servers)
    kafka_with_rights.grant("certified", [Right("DESCRIBE", "topic", base.chunk_topic)])

    def with_certificate(made: Any) -> str:
        return reach(plain.model_copy(update={"ssl_certfile": made.certificate, "ssl_keyfile": made.key}))

    assert "does not exist" in reach(plain.model_copy(update={"ssl_certfile": good.both}))
    for line in (reach(plain), with_certificate(old), with_certificate(foreign)):
        assert "refuses our certificate or wants one" in line
        assert "check ssl_certfile" in line


def test_a_broker_that_is_not_the_one_it_should_be_is_said(
    kafka_with_rights: Secured, base: Settings, tmp_path: Path
) -> None:
    """Another CA, another host, an expired certificate, no TLS at all: each is one line, and no login is sent."""
    settings = kafka_with_rights.with_password(base, "PLAIN", "plain")
    foreign = Authority(tmp_path / "foreign").certificate
    other = settings.bootstrap_servers.replace(HOST, "127.0.0.1")

    assert "ssl_cafile must hold the CA" in reach(settings.model_copy(update={"ssl_cafile": foreign}))
    assert "must use a name that is in the certificate" in reach(
        settings.model_copy(update={"bootstrap_servers": other})
    )
    with presenting(kafka_with_rights.authority.issue(HOST, days=EXPIRED)) as servers:
        line = reach(settings.model_copy(update={"bootstrap_servers": servers}))
    assert "certificate has expired" in line
    assert "renewed on the broker" in line
    plain = settings.model_copy(update={"security_protocol": "PLAINTEXT"})
    assert "check bootstrap_servers and security_protocol" in reach(plain)


@contextmanager
def presenting(certificate: Any) -> Iterator[str]:
    """A TLS server that shows a certificate to whoever comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    started, loop = threading.Event(), asyncio.new_event_loop()
    found: list[asyncio.Server] = []

    def serve() -> None:
        async def begin() -> None:
            found.append(await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context))

        loop.set_exception_handler(lambda *_: None)  # that nobody trusts it is the point
        loop.run_until_complete(begin())
        started.set()
        loop.run_forever()
        found[0].close()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert started.wait(60)
    try:
        yield f"{HOST}:{found[0].sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


# ---- least rights


@dataclass(frozen=True)
class Books:
    """A ledger with every kind of thing in it, made by users who could do nothing else."""

    kafka: Secured
    base: Settings
    administrator: Settings

    def user(self, role: Role, *, without: Right | None = None) -> Settings:
        """Settings of a user with exactly the rights of a role, but for one."""
        every = rights(role, self.base)
        number = "" if without is None else f"-{every.index(without)}"
        name = f"{self.base.ledger}-{role}{number}"
        left = [right for right in every if right != without]
        if left:
            self.kafka.grant(name, left)
        return self.kafka.settings(self.base, name)

    def put(self, request_id: str, key: str = "", *, final: bool = True) -> None:
        """A chunk that is a whole stream, under its id or another key."""
        chunk = json.loads(Stream(request_id, ("word ",)).chunk(0)) | {"is_final": final, "provider": "openai"}
        message = ((key or request_id).encode(), json.dumps(chunk).encode(), 0)
        asyncio.run(append(self.administrator, self.base.chunk_topic, [message]))


@pytest.fixture(scope="module")
def books(kafka_with_rights: Secured, tmp_path_factory: pytest.TempPathFactory) -> Books:
    """Made once: what one test changes in it no other looks at."""
    return filled(kafka_with_rights, tmp_path_factory.mktemp("books"))


@pytest.fixture
def own_books(kafka_with_rights: Secured, tmp_path: Path) -> Books:
    """A test's own."""
    return filled(kafka_with_rights, tmp_path)


def filled(kafka_with_rights: Secured, home: Path) -> Books:
    """Topics by `topics`, chunks by `produce`, records and dead letters by `worker`, each as a user of its role."""
    servers = kafka_with_rights.cluster.bootstrap_servers
    # Closed by its finish, and so to be erased, is what anything follows.
    base = ledger_settings(servers, fresh_name(), home / "data", partitions=1, finish_grace="1ms")
    made = Books(kafka_with_rights, base, kafka_with_rights.settings(base, ADMINISTRATOR))
    (home / "overlay.toml").write_text(OVERLAY, encoding="utf-8")

    code, said = run(made.user("topics"), "topics")
    assert code == OK, said
    made.put("erased", final=False)
    stream = Stream("explained", ("a ", "b "))
    code, said = run(made.user("gateway"), "produce", stdin=b"\n".join(stream.chunk(index) for index in range(2)))
    assert code == OK, said
    made.put("repriced")
    made.put("misplaced", key="another")
    code, said = worked(made.user("worker"), home / "worker.log")
    assert code == OK, said
    (seconds,) = (event["seconds"] for event in events(said, "restored"))
    assert seconds < GOODBYE, "a connection over TLS was closed by its timeout"
    return made


def worked(settings: Settings, log: Path) -> tuple[int, str]:
    """A worker that ends when all is worked off; its exit code and log."""
    worker = Worker(settings, log, drain=True)
    return worker.wait(), worker.text()


def overlay(settings: Settings) -> Settings:
    """With prices that change a record."""
    return settings.model_copy(update={"price_overlay": settings.data_dir.parent / "overlay.toml"})


Command = Callable[[Settings], tuple[int, str]]


def redrive(settings: Settings) -> tuple[int, str]:
    """The dead letter goes back."""
    return run(settings, "dead", "redrive", "--repair-key", "--execute")


def reprice(settings: Settings) -> tuple[int, str]:
    """A record is corrected."""
    arguments = ("reprice", "--request-id", "repriced", "--execute")
    return run(overlay(settings), *arguments)


def explain(settings: Settings) -> tuple[int, str]:
    """The chunks of a record and the record."""
    return run(settings, "explain", "explained")


def dead(settings: Settings) -> tuple[int, str]:
    """The dead letters."""
    return run(settings, "dead", "ls")


def reconcile(settings: Settings) -> tuple[int, str]:
    """Chunks, dead letters, records and the worker's position."""
    return run(settings, "reconcile", "--request-id", "explained")


def sink(settings: Settings) -> tuple[int, str]:
    """Records into a database."""
    path = settings.data_dir.parent / f"{fresh_name()}.duckdb"
    return run(settings, "sink", "duckdb", "--once", "--db", str(path))


def export(settings: Settings) -> tuple[int, str]:
    """Records for others."""
    return run(settings, "export", "cloudevents", "--subject", "x")


def erase(settings: Settings) -> tuple[int, str]:
    """Content of a closed request that may still be revised."""
    return run(settings, "erase", "--request-id", "erased", "--execute")


def produce(settings: Settings) -> tuple[int, str]:
    """A chunk; of a stream that is there already, so that it changes nothing."""
    return run(settings, "produce", stdin=Stream("explained", ("a ", "b ")).chunk(0))


def topics(settings: Settings) -> tuple[int, str]:
    """All of them looked at."""
    return run(settings, "topics")


EVERY: Final[Mapping[Role, tuple[Command, ...]]] = {
    "gateway": (produce,),
    "sink": (sink, export),
    "reader": (explain, dead, reconcile),
    "corrector": (redrive, reprice),
    "eraser": (erase,),
    "topics": (topics,),
}
"""What a role does; the first that needs a right must miss it."""


def missed(books: Books, role: Role, right: Right) -> None:
    """Without the right a command of the role fails, in a line that names it."""
    user = books.user(role, without=right)
    commands = EVERY[role]
    if role == "corrector" and right.name not in (books.base.chunk_topic, books.base.dead_topic):
        commands = (reprice,)  # what the other would do is for later tests to find undone
    done = [command(user) for command in commands[: 1 if role == "corrector" else None]]
    named = f"does not let this user {right.operation} on {right.kind.replace('-', ' ')} {right.name}"

    assert any(code == NO_KAFKA and named in said for code, said in done), (right, done)


@pytest.mark.parametrize("role", EVERY)
def test_a_role_works_with_its_rights_and_says_which_is_missing(books: Books, role: Role) -> None:
    """The table of least rights is enough, and not too much: two of them are shown to be needed; the long test, all."""
    every = rights(role, books.base)
    for right in dict.fromkeys((every[0], every[len(every) // 2])):
        missed(books, role, right)
    for command in EVERY[role]:
        code, said = command(books.user(role))
        assert code == OK, said


@pytest.mark.long
@pytest.mark.parametrize("role", [role for role in EVERY if role != "gateway"])
def test_every_right_of_a_role_is_needed(own_books: Books, role: Role) -> None:
    """Each right of the table, taken away alone, makes a command fail with a line that names it."""
    for right in rights(role, own_books.base):
        missed(own_books, role, right)


@pytest.mark.long
def test_every_right_of_a_worker_is_needed(books: Books, tmp_path: Path) -> None:
    """A worker without one of its rights ends in a line that names it, and what it left undone the next one does."""
    every = rights("worker", books.base)
    for number, right in enumerate(every):
        books.put(f"kept-{number}")
        code, said = worked(books.user("worker", without=right), tmp_path / f"{number}.log")
        assert code in (NO_KAFKA, 70), (right, said)
        named = f"does not let this user {right.operation} on {right.kind.replace('-', ' ')} {right.name}"
        assert named in said, (right, said)
    code, said = worked(books.user("worker"), tmp_path / "all.log")
    assert code == OK, said
    found = run(books.user("reader"), "reconcile", *(f"--request-id=kept-{number}" for number in range(len(every))))
    assert found[0] == OK, found


def test_a_worker_without_a_right_says_so_and_ends(books: Books, tmp_path: Path) -> None:
    """What it may not even see is found before it starts; what it may not join, as soon as the group says so."""
    group = next(right for right in rights("worker", books.base) if right.kind == "group")
    code, said = worked(books.user("worker", without=group), tmp_path / "group.log")
    assert code == 70
    assert f"does not let this user READ on group {books.base.ledger}" in said
    code, said = worked(books.user("worker", without=rights("worker", books.base)[0]), tmp_path / "chunks.log")
    assert code == NO_KAFKA
    assert f"does not let this user READ on topic {books.base.chunk_topic}" in said


# ---- the publisher


def test_what_a_publisher_may_not_write_is_kept_and_sent_when_it_may(
    kafka_with_rights: Secured, books: Books, tmp_path: Path
) -> None:
    """A refused login and a missing right are reported as what they are; nothing is lost, and a grant mends it."""
    base = books.base.model_copy(update={"data_dir": tmp_path / "gateway"})
    user = f"{base.ledger}-late"
    reports: list[str] = []
    settings = kafka_with_rights.settings(base, user)
    path = settings.sasl_oauth_token_file
    assert path is not None
    good = path.read_text(encoding="ascii")
    path.write_text("no.token", encoding="ascii")

    with Publisher(settings, policy=Policy(on_report=lambda told: reports.append(str(told)))) as publisher:
        with publisher.request(request_id="patient", provider="openai", model=MODEL) as request:
            request.chunk({"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]})
        assert _until(lambda: publisher.stats().delivered, reports, 60) == 0
        assert any("refuses the token" in line for line in reports), reports
        path.write_text(good, encoding="ascii")
        waiting = _until(lambda: publisher.stats().delivered, reports, 3)
        assert waiting == 0, "delivered without a right"
        kafka_with_rights.grant(user, rights("gateway", base))
        assert publisher.flush(60), reports
        stats = publisher.stats()
    assert (stats.accepted, stats.delivered, stats.refused) == (2, 2, 0)


def _until(value: Callable[[], int], reports: list[str], seconds: float) -> int:
    """The value when something else is reported, or after some seconds."""
    deadline, before = time.monotonic() + seconds, list(reports)
    while time.monotonic() < deadline and len(reports) == len(before):
        time.sleep(0.05)
    return value()
