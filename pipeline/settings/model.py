"""The settings of Streamledger: every name of CONTRACT §6 with its default, its meaning and the reason for both.

Owns names, types, bounds and the rules between settings. Constructing `Settings` reads nothing but its arguments; files
and environment are the business of `pipeline.settings.sources`. Imports pydantic, `pipeline.settings.shape` and `units`
and, inside `policy`, the core's policy.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.settings.shape import Address, Endpoint, Ledger, Servers, Topic, UserPath
from pipeline.settings.units import DURATION, SIZE, Duration, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.core.policy import Policy

ENV_PREFIX: Final = "STREAMLEDGER_"
TOKENIZER: Final = "bpe-openai"
"""What counts tokens with estimate_usage tokenizer: the extra [estimate]."""

ROW_LIMIT: Final = SIZE.parse("8MiB")
"""max.message.bytes of the record and changelog topics (CONTRACT §3): nothing larger can be kept or sent."""


def state_dir() -> Path:
    """Where a user's programs keep state that is no document: under XDG_STATE_HOME, else under ~/.local/state."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "streamledger"


def setting(default: object, what: str, why: str, **bounds: Any) -> Any:
    """A field with its meaning and the reason for its default; a reason is required, so no default is an accident."""
    made = {"default_factory": default} if callable(default) else {"default": default}
    return Field(**made, description=what, json_schema_extra={"why": why}, **bounds)


class Settings(BaseSettings):
    """Frozen settings; durations in whole milliseconds, sizes in bytes (CONTRACT §6)."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
    )

    bootstrap_servers: Servers = setting(
        "localhost:9092", "Kafka brokers to start from, host:port,host:port", "where a developer's broker listens"
    )
    ledger: Ledger = setting(
        "main",
        "Name that keeps environments apart: group, changelogs, transactional ids and record ids derive from it",
        "one ledger is the common case; a second environment on the same Kafka must choose its own",
    )
    data_dir: UserPath = setting(
        state_dir,
        "Directory of the RocksDB stores",
        "per user and writable; it is a cache of the changelog, safe to delete",
    )
    chunk_topic: Topic = setting("llm.chunks", "Topic the gateways write chunks to", "CONTRACT §3")
    record_topic: Topic = setting("llm.accumulated", "Topic of the finished records", "CONTRACT §3")
    dead_topic: Topic = setting("llm.chunks.dead", "Topic of the dead letters", "CONTRACT §3")
    partitions: int = setting(
        8,
        "Partitions of the topics that `topics` creates",
        "the most workers that can share the load, and it can't be changed later without splitting requests; "
        "a partition is one transaction a second, so more than needed costs too",
        ge=1,
        le=10_000,
    )
    replication: int = setting(
        -1,
        "Replicas of the topics that `topics` creates; -1 is the cluster's own default",
        "whoever runs the cluster has decided it, and one broker can't hold three; promise G1 needs 3 or more",
        ge=-1,
        le=32_767,
    )
    checkpoint_interval: Duration = setting(
        "1s",
        "Longest time between two checkpoints of a partition that has new chunks",
        "a restart folds at most this much again; with records waiting the worker checkpoints sooner by itself",
        ge=50,
        le=60_000,
    )
    finish_grace: Duration = setting(
        "2s",
        "Wait after the end of a stream for what trails it",
        "usage, cost and end markers come after finish_reason, within a round trip of the gateway",
        ge=0,
    )
    attempt_grace: Duration = setting(
        "60s",
        "Wait after an error for another attempt",
        "another provider needs its own time to the first chunk",
        ge=0,
    )
    session_window: Duration = setting(
        "300s",
        "Silence after which an unfinished request is closed as incomplete",
        "models that think and tools that run are silent for minutes",
        gt=0,
    )
    max_request_age: Duration = setting(
        "24h",
        "Age at which a request is closed whatever still comes",
        "ends what never falls silent, and never finishes",
        gt=0,
    )
    revise_window: Duration = setting(
        "1h",
        "How long after its close a request takes late chunks as a revision",
        "a gateway that kept chunks through an outage sends them",
        ge=0,
    )
    marker_retention: Duration = setting(
        "24h",
        "How long a closed request is remembered, to know repeats",
        "a day covers what is produced again by hand after an outage (G1)",
        gt=0,
    )
    late_policy: Literal["revise", "dead_letter"] = setting(
        "revise", "What becomes of chunks after the close", "a bill is corrected rather than left wrong"
    )
    clock: Literal["append", "create"] = setting(
        "append", "Which time of a Kafka record drives closing", "only the broker's append time never runs backwards"
    )
    clock_slack: Duration = setting(
        "5s",
        "Most that worker and broker clocks may differ",
        "must exceed their real difference, which clock services keep small",
        ge=0,
    )
    max_chunk_bytes: Size = setting(
        "8MiB",
        "Larger chunks become dead letters",
        "an image fits, and a changelog row can hold it",
        ge=1,
        le=ROW_LIMIT,
    )
    max_bytes: Size = setting(
        "64MiB",
        "Content kept per request; beyond it only usage, cost and timing go on",
        "bounds what one request can cost the worker; several images fit",
        ge=0,
    )
    max_chunks: int = setting(
        100_000, "Chunks whose content is kept per request", "bounds what one request can cost the worker", ge=1
    )
    max_record_bytes: Size = setting(
        "8MiB",
        "A larger record sheds raw, then content, never money",
        "what the record topic takes",
        ge=1 << 10,
        le=ROW_LIMIT,
    )
    capture: Literal["full", "metadata", "hash"] = setting(
        "full",
        "What of the content state and records keep",
        "the product is the whole record; metadata and hash keep no text",
    )
    estimate_usage: Literal["off", "characters", "tokenizer"] = setting(
        "off",
        "How the usage of a cut stream that has none is estimated; tokenizer needs the extra [estimate]",
        "an estimate is no bill: whoever wants it says so, and its records say usage_source estimated",
    )
    price_overlay: UserPath | None = setting(
        None, "File of your own prices, above the price list", "list prices until you have a contract"
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] = setting(
        "info", "Least severe log event that is written", "events a day's operator wants; never one per request"
    )
    log_format: Literal["auto", "console", "json"] = setting(
        "auto", "How log events are written", "console for a person on a terminal, JSON lines for everything else"
    )
    metrics_address: Address | None = setting(
        None,
        "host:port on which a worker or sink shows Prometheus metrics and its health; without a host on loopback only",
        "no port is opened that nobody asked for",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = setting(
        "PLAINTEXT", "Protocol to the brokers", "Kafka's own default"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = setting(
        None, "SASL mechanism; needed with SASL_PLAINTEXT and SASL_SSL", "no mechanism is right unasked"
    )
    sasl_plain_username: str | None = setting(None, "User for SASL PLAIN and SCRAM", "no login unasked")
    sasl_plain_password: SecretStr | None = setting(None, "Password for SASL PLAIN and SCRAM", "no login unasked")
    ssl_cafile: UserPath | None = setting(None, "CA certificates (PEM) to trust", "the system's own store")
    ssl_certfile: UserPath | None = setting(None, "Client certificate (PEM)", "most clusters ask for none")
    ssl_keyfile: UserPath | None = setting(None, "Key of the client certificate (PEM)", "it may be in ssl_certfile")
    ssl_password: SecretStr | None = setting(None, "Password of ssl_keyfile", "keys are often unencrypted files")

    # The live page (`streamledger web`).
    web_address: Address = setting(
        "127.0.0.1:8420",
        "host:port of the live page; without a host on loopback only",
        "seen on this machine only; anything else needs web_token",
    )
    web_token: SecretStr | None = setting(
        None,
        "What a person or program shows to see the live page, 16 characters or more",
        "on this machine's own address nobody else gets to it",
        min_length=16,
    )
    web_content: bool = setting(
        default=False,
        what="Whether everybody who may see the live page may see answers and tool calls",
        why="who watches streams need not read them",
    )
    web_content_token: SecretStr | None = setting(
        None,
        "Token that shows answers and tool calls too, beside web_token",
        "nobody reads content unasked",
        min_length=16,
    )
    web_ssl_certfile: UserPath | None = setting(
        None, "Certificate (PEM) of the live page, for https", "a loopback address needs none, a proxy has its own"
    )
    web_ssl_keyfile: UserPath | None = setting(None, "Key of web_ssl_certfile (PEM)", "it may be in web_ssl_certfile")

    # who may look at metrics_address
    metrics_token: SecretStr | None = setting(
        None,
        "Bearer token that /metrics asks for; an address that others reach needs it, or a client's certificate",
        "on loopback none is needed, and no token is right unasked",
    )
    metrics_ssl_certfile: UserPath | None = setting(
        None, "Certificate (PEM) of the metrics port, which then speaks HTTPS", "no certificate is right unasked"
    )
    metrics_ssl_keyfile: UserPath | None = setting(
        None, "Key of that certificate (PEM)", "it may be in metrics_ssl_certfile"
    )
    metrics_ssl_cafile: UserPath | None = setting(
        None,
        "CA certificates (PEM) that sign those of clients, which /metrics then asks for",
        "a token is enough for most, and probes have no certificate",
    )

    # Login by token.
    sasl_oauth_token_file: UserPath | None = setting(
        None,
        "File with the token for SASL OAUTHBEARER, read again at each login",
        "whoever renews tokens beside us, as Kubernetes does with projected ones, names the file",
    )
    sasl_oauth_token_endpoint: Endpoint | None = setting(
        None,
        "URL that gives tokens for SASL OAUTHBEARER by client credentials; certificates by the system's store",
        "no request leaves the machine that nobody asked for",
    )
    sasl_oauth_client_id: str | None = setting(None, "Client id at the token endpoint", "no login unasked")
    sasl_oauth_client_secret: SecretStr | None = setting(
        None, "Client secret at the token endpoint", "no login unasked"
    )
    sasl_oauth_scope: str | None = setting(
        None, "Scope asked for at the token endpoint", "most endpoints have a default"
    )

    # What sends chunks.
    compression: Literal["zstd", "lz4", "snappy", "gzip", "none"] = setting(
        "zstd",
        "How batches of chunks are compressed on their way and on Kafka's disks",
        "smallest and among the fastest for chunks, and other threads go on beside it; needs Kafka 2.1",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (this and the next three: the signature is pydantic-settings')
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the arguments: a `Settings(...)` in a test or an embedding program never picks up a stray variable."""
        return (init_settings,)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Refuse values that are each fine and together are not; all that is wrong is said at once."""
        wrong = list(self._conflicts())
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _conflicts(self) -> Iterator[str]:
        """Every broken rule between settings, in words that name both and say what would happen."""
        grace, session, age = map(DURATION.show, (self.finish_grace, self.session_window, self.max_request_age))
        memory = self.revise_window + self.session_window
        if self.finish_grace > self.session_window:
            yield f"finish_grace {grace} is longer than session_window {session}: finished requests would expire"
        if self.session_window > self.max_request_age:
            yield f"session_window {session} is longer than max_request_age {age}: no request would ever expire"
        if self.marker_retention < memory:
            yield (
                f"marker_retention {DURATION.show(self.marker_retention)} is shorter than revise_window + "
                f"session_window ({DURATION.show(memory)}): a late chunk would start its request a second time"
            )
        if len({self.chunk_topic, self.record_topic, self.dead_topic}) < len(("chunks", "records", "dead letters")):
            yield "chunk_topic, record_topic and dead_topic must be three different topics"
        if self.replication == 0:
            yield "replication can't be 0: use -1 for the cluster's default, 3 for the promise that nothing is lost"
        if self.security_protocol.startswith("SASL_"):
            yield from self._login_conflicts()
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            yield "ssl_keyfile needs ssl_certfile"
        if self.web_ssl_keyfile is not None and self.web_ssl_certfile is None:
            yield "web_ssl_keyfile needs web_ssl_certfile"
        if self.web_content_token is not None and self.web_token is None:
            yield "web_content_token needs web_token: without it everybody is let in"
        for name in ("metrics_ssl_keyfile", "metrics_ssl_cafile"):
            if getattr(self, name) is not None and self.metrics_ssl_certfile is None:
                yield f"{name} needs metrics_ssl_certfile"

    def _login_conflicts(self) -> Iterator[str]:
        """What is missing of a login, or there twice."""
        if self.sasl_mechanism != "OAUTHBEARER":
            if None in (self.sasl_mechanism, self.sasl_plain_username, self.sasl_plain_password):
                yield (
                    f"security_protocol {self.security_protocol} needs sasl_mechanism, sasl_plain_username "
                    "and sasl_plain_password"
                )
            return
        client = (self.sasl_oauth_token_endpoint, self.sasl_oauth_client_id, self.sasl_oauth_client_secret)
        if self.sasl_oauth_token_file is not None:
            if client != (None, None, None):
                yield "sasl_oauth_token_file and sasl_oauth_token_endpoint are two ways to a token: choose one"
        elif None in client:
            yield (
                "sasl_mechanism OAUTHBEARER needs sasl_oauth_token_file, or sasl_oauth_token_endpoint, "
                "sasl_oauth_client_id and sasl_oauth_client_secret"
            )

    def policy(self) -> Policy:
        """The part of the settings that decides what a record says, as the core takes it."""
        from pipeline.core.policy import Policy  # noqa: PLC0415 (a client that only sends needs no core)

        return Policy(
            ledger=self.ledger,
            finish_grace=self.finish_grace,
            attempt_grace=self.attempt_grace,
            session_window=self.session_window,
            max_request_age=self.max_request_age,
            revise_window=self.revise_window,
            marker_retention=self.marker_retention,
            late_policy=self.late_policy,
            max_chunk_bytes=self.max_chunk_bytes,
            max_bytes=self.max_bytes,
            max_chunks=self.max_chunks,
            max_record_bytes=self.max_record_bytes,
            capture=self.capture,
            estimate_usage=self.estimate_usage,
            tokenizer=tokenizer() if self.estimate_usage == "tokenizer" else None,
        )


def tokenizer() -> str:
    """Name and version of the tokenizer that is installed, for `config_digest`; pricing says what to do without one."""
    try:
        return f"{TOKENIZER} {version(TOKENIZER)}"
    except PackageNotFoundError:
        return TOKENIZER


NAMES: Final = tuple(Settings.model_fields)
"""Every setting, in the order of CONTRACT §6."""
