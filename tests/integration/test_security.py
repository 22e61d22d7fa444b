"""A Kafka with TLS, logins and ACLs: every login works or says why not, and the table of least rights is executed."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import NO_KAFKA, OK, StreamledgerError
from pipeline.ingest import Publisher
from pipeline.ingest.publish.policy import Policy
from pipeline.settings import Settings, client
from pipeline.testing.ledger import fresh_name, ledger_settings
from pipeline.topics.admin import counts
from pipeline.topics.rights import Right, Role, rights
from tests.books import EVERY, MODEL, Books, filled, reprice, run, worked
from tests.certificates import EXPIRED, Authority
from tests.secured import HOST, Secured, secured


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


@pytest.fixture(scope="module")
def books(kafka_with_rights: Secured, tmp_path_factory: pytest.TempPathFactory) -> Books:
    """Made once: what one test changes in it no other looks at."""
    return filled(kafka_with_rights, tmp_path_factory.mktemp("books"))


@pytest.fixture
def own_books(kafka_with_rights: Secured, tmp_path: Path) -> Books:
    """A test's own."""
    return filled(kafka_with_rights, tmp_path)


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
