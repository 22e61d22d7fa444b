"""Doctor's judgement of a machine: libraries, extras, disks, workers' directories, files, addresses, prices."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest

from pipeline.ops.doctor import disk, exposure, prices, program
from pipeline.ops.doctor.disk import GIB, Disk, Slot
from pipeline.ops.doctor.finding import Finding
from pipeline.pricing.catalog import Catalog
from pipeline.settings import NAMES, Loaded, Origin, Settings

NEEDED = [
    "aiokafka<0.15,>=0.14",
    "uvloop>=0.23; sys_platform != 'win32'",
    "psycopg[binary]<4,>=3.3; extra == 'sinks'",
    "bpe-openai<0.2,>=0.1.4; extra == 'estimate'",
    "pytest>=9; extra == 'test'",
]


def states(findings: Iterable[Finding]) -> list[str]:
    """How bad each is."""
    return [finding.state for finding in findings]


class TestProgram:
    """The distribution says what it needs; the doctor holds what is installed to it."""

    @pytest.mark.parametrize(
        ("aiokafka", "state"),
        [("0.14.0", "ok"), ("0.14.9", "ok"), ("0.13.9", "wrong"), ("0.15", "wrong"), (None, "wrong")],
    )
    def test_a_library_outside_of_its_bounds_is_wrong(self, aiokafka: str | None, state: str) -> None:
        """The engine leans on internals of its minor."""
        found = list(program.check_libraries(NEEDED, {"aiokafka": aiokafka, "uvloop": "0.23.1"}.get))

        assert states(found)[0] == state
        assert state == "ok" or "pip install" in (found[0].advice or "")

    def test_without_metadata_nothing_is_claimed(self) -> None:
        """A copied source tree has no requirements to hold anything to."""
        assert states(program.check_libraries([], lambda _: None)) == ["unknown"]

    def test_a_configured_feature_whose_extra_is_absent_is_wrong(self) -> None:
        """Workers would refuse to start; the extra is named."""
        absent = list(program.check_extras(NEEDED, Settings(estimate_usage="tokenizer"), lambda _: None))
        unasked = list(program.check_extras(NEEDED, Settings(), {"psycopg": "3.3"}.get))

        assert absent[0].state == "wrong"
        assert "streamledger[estimate]" in (absent[0].advice or "")
        assert [(finding.state, finding.text) for finding in unasked] == [("ok", "installed: sinks; not: estimate")]

    def test_an_old_python_is_wrong(self) -> None:
        """3.10 has no tomllib and no task groups."""
        assert program.check_python((3, 10, 9)).state == "wrong"
        assert program.check_python().state == "ok"

    def test_a_store_is_really_made_and_leaves_nothing(self, tmp_path: Path) -> None:
        """RocksDB loads, locks and syncs here; or it does not, and the line says so."""
        assert program.check_store(tmp_path).state == "ok"
        assert list(tmp_path.iterdir()) == []
        assert program.check_store(tmp_path / "no such").state == "wrong"
        assert program.check_store(None).state == "unknown"


class TestDisk:
    """Room, kind and use of data_dir."""

    @pytest.mark.parametrize(
        ("found", "room", "kind"),
        [
            (Disk("ext4", 50 * GIB, 1_000_000), "ok", "ok"),
            (Disk("xfs", 50 * GIB, None), "ok", "ok"),
            (Disk("tmpfs", 50 * GIB, None), "ok", "warn"),
            (Disk("nfs4", GIB, 5), "warn", "warn"),
            (Disk("fuse.s3fs", 50 * GIB, 5), "warn", "warn"),
            (Disk(None, GIB // 4, None), "wrong", "unknown"),
        ],
    )
    def test_room_and_kind_are_judged(self, found: Disk, room: str, kind: str) -> None:
        """A full disk ends a worker; memory and networks are no place for a store."""
        assert states(disk.check_room(found)) == [room, kind]

    def test_the_disk_of_a_directory_is_found(self, tmp_path: Path) -> None:
        """As df has it."""
        found = disk.look(tmp_path)

        assert found.kind
        assert found.free > 0

    def test_a_directory_that_is_not_there_is_judged_by_the_one_above(self, tmp_path: Path) -> None:
        """It will be made; below a file it can't be."""
        (tmp_path / "file").touch()

        assert disk.existing(tmp_path / "a" / "b") == tmp_path
        assert (
            disk.existing(tmp_path / ("a" * 300)) == tmp_path
        )  # like one that may not be looked at: an error, no answer
        assert disk.refusal(tmp_path) is None
        assert disk.refusal(tmp_path / "file") == "Not a directory"
        assert list(tmp_path.iterdir()) == [tmp_path / "file"]

    @pytest.mark.parametrize(
        ("found", "state", "text"),
        [
            ([], "ok", "no worker"),
            ([Slot("worker-0", True, 5)], "ok", "1 in use, 0 free"),
            ([Slot("worker-0", True, 5), Slot("worker-1", True, 5)], "ok", "share the disk"),
            ([Slot("worker-0", True, 5), Slot("worker-1", False, 2 * GIB)], "warn", "1 in use, 1 free, 2.0 GiB"),
            ([Slot("worker-0", False, 2 * GIB)], "ok", "0 in use, 1 free"),
            ([Slot("worker-0", None, 5)], "unknown", "can't be seen"),
        ],
    )
    def test_directories_of_workers_are_counted(self, found: list[Slot], state: str, text: str) -> None:
        """What nobody uses beside a running worker is named, once it is large."""
        finding = disk.check_slots(found)

        assert finding.state == state
        assert text in finding.text

    def test_who_holds_a_directory_is_seen_without_touching_its_lock(self, tmp_path: Path) -> None:
        """A worker that starts in this moment must find its lock free."""
        for name in ("worker-0", "worker-1"):
            (tmp_path / "main" / name).mkdir(parents=True)
            (tmp_path / "main" / name / "lock").touch()
        with (tmp_path / "main" / "worker-0" / "lock").open("rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

            assert [(slot.name, slot.held) for slot in disk.slots(tmp_path, "main")] == [
                ("worker-0", True),
                ("worker-1", False),
            ]

    @pytest.mark.parametrize(("limit", "state"), [(1_024, "warn"), (65_536, "ok"), (None, "ok")])
    def test_a_worker_must_be_able_to_hold_all_partitions(self, limit: int | None, state: str) -> None:
        """The last that lives gets them."""
        assert disk.check_open_files(limit, 8).state == state


class TestExposure:
    """What others could read."""

    @pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o640, "ok"), (0o644, "wrong"), (0o660, "wrong")])
    def test_a_key_is_private(self, tmp_path: Path, mode: int, state: str) -> None:
        """Its group may read it, as Kubernetes mounts secrets; nobody else, and nobody may write."""
        (tmp_path / "key").touch()
        (tmp_path / "key").chmod(mode)

        assert states(exposure.check_files({"ssl_keyfile": tmp_path / "key"})) == [state]

    def test_a_key_that_is_not_there_is_wrong(self, tmp_path: Path) -> None:
        """Before a worker finds out."""
        assert states(exposure.check_files({"ssl_keyfile": tmp_path / "key"})) == ["wrong"]
        assert states(exposure.check_files({})) == ["ok"]

    def test_a_settings_file_with_a_password_is_a_secret(self) -> None:
        """Without one it is not."""
        origins = dict.fromkeys(NAMES, Origin("default", "")) | {"sasl_plain_password": Origin("file", "/x.toml")}

        by_file = dict.fromkeys(NAMES, Origin("env", "STREAMLEDGER_SASL_PLAIN_PASSWORD_FILE"))

        assert exposure.secret_files(Loaded(Settings(), origins)) == {"the settings file": Path("/x.toml")}
        assert exposure.secret_files(Loaded(Settings(), by_file), {"STREAMLEDGER_SASL_PLAIN_PASSWORD_FILE": "/x"}) == {
            "STREAMLEDGER_SASL_PLAIN_PASSWORD_FILE": Path("/x")
        }
        assert exposure.secret_files(Loaded(Settings(), dict.fromkeys(NAMES, Origin("env", "")))) == {}

    @pytest.mark.parametrize(
        ("address", "found"),
        [
            (None, ["ok"]),
            ("127.0.0.1:9100", ["ok"]),
            ("localhost:9100", ["ok"]),
            ("[::1]:9100", ["ok"]),
            (":9100", ["ok"]),
            ("0.0.0.0:9100", ["wrong", "ok"]),
        ],
    )
    def test_an_open_address_wants_a_token(self, address: str | None, found: list[str]) -> None:
        """A port alone is this machine's."""
        assert states(exposure.check_addresses(Settings(metrics_address=address))) == found

    @pytest.mark.parametrize(
        ("servers", "protocol", "state"),
        [
            ("localhost:9092", "PLAINTEXT", "ok"),
            ("kafka:9092", "PLAINTEXT", "warn"),
            ("kafka:9092", "SSL", "ok"),
            ("localhost:9092,kafka:9092", "PLAINTEXT", "warn"),
        ],
    )
    def test_traffic_over_a_network_is_encrypted(self, servers: str, protocol: str, state: str) -> None:
        """Chunks hold what users say."""
        settings = Settings(bootstrap_servers=servers).model_copy(update={"security_protocol": protocol})

        assert exposure.check_transport(settings).state == state


class TestPrices:
    """How old the list is, and whether your own prices count."""

    def test_a_list_of_a_quarter_ago_is_old(self) -> None:
        """The newest price that has begun is the least that is known of its age."""
        begun = date(2026, 1, 1)

        assert prices.check_list(begun, date(2026, 4, 1), "1").state == "ok"
        assert "pip install" in (prices.check_list(begun, date(2026, 4, 2), "1").advice or "")
        assert prices.check_list(None, date(2026, 4, 1), "1").state == "unknown"

    def test_prices_that_are_announced_do_not_make_the_list_newer(self) -> None:
        """Some begin next year."""
        catalog = Catalog()
        newest = catalog.newest(date(2026, 10, 1))

        assert newest is not None
        assert newest <= date(2026, 10, 1)
        assert catalog.newest(date(1990, 1, 1)) is None

    def test_own_prices_are_read(self, tmp_path: Path) -> None:
        """Those that begin later are told: until then list prices count."""
        path = tmp_path / "prices.toml"
        path.write_text('[models."openai/gpt-4o"]\ninput = 1\noutput = 2\nfrom = 2030-01-01\n')

        assert states(prices.check_overlay(path, date(2026, 4, 1))) == ["warn", "ok"]
        assert states(prices.check_overlay(path, date(2031, 4, 1))) == ["ok"]
        assert states(prices.check_overlay(None, date(2026, 4, 1))) == ["ok"]
        assert states(prices.check_overlay(tmp_path / "none", date(2026, 4, 1))) == ["wrong"]
