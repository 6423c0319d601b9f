"""What can be wrong at the start, how each is made, and what is to be said of it."""

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from airbyte_exporter.simulator import Fault, SimulatorServer
from airbyte_exporter.store import StoreConfig, open_store
from tests.e2e.conftest import Simulate
from tests.servers import QuietServer

MARKER = "MARKERc9d1e5secret"
KEY = base64.b64encode(f"{MARKER} of the webhook".encode()).decode()
FOR_EVER = 1e9
IMPATIENT = {"AIRBYTE__TIMEOUT": "0.3s"}
"""Where nothing good will come: a call with its retries takes three times this."""

Settings = dict[str, str]


@dataclass
class Place:
    """Where a situation is made: servers that end with the test, files, and an exporter's settings."""

    folder: Path
    simulate: Simulate
    stack: ExitStack
    certificate: Callable[[str], Path]
    listeners: list[socket.socket] = field(default_factory=list)

    def airbyte(self, *faults: Fault, **options: Any) -> SimulatorServer:  # noqa: ANN401 - as the simulator takes them
        server = self.simulate(**options)
        server.faults += faults
        return server

    def listen(self, backlog: int = 128) -> int:
        """Return a port where connections are taken and nobody ever says a word."""
        listener = self.stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=backlog))
        self.listeners.append(listener)
        port: int = listener.getsockname()[1]
        return port

    def deaf(self) -> int:
        """Return a port where nothing listens, and nothing else can begin to while the test runs."""
        bound = self.stack.enter_context(socket.socket())
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port

    def serve(
        self,
        body: object,
        *,
        kind: str = "application/json",
        status: int = 200,
        location: str = "",
        tls: str | None = None,
    ) -> str:
        """Return the address, without a scheme, of a server that answers everything alike."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - as in http.server

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        context = None
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate(tls))
        server = QuietServer(Handler, context)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.stack.callback(server.server_close)
        self.stack.callback(server.shutdown)
        return f"127.0.0.1:{server.server_port}"

    def state(self, change: str = "SELECT 1") -> Settings:
        """Make a state of another Airbyte, and change something in it."""
        url = f"sqlite:///{self.folder / 'made.db'}"
        with open_store(StoreConfig(url=SecretStr(url))) as store:
            store.bind(url="http://elsewhere:8001/api/v1", deployment_id="d-elsewhere", epoch=1)
            with store._database.write() as db:
                db.execute(sa.text(change))
        return {"STATE__URL": url}


CLIENT = {"AIRBYTE__CLIENT_ID": f"{MARKER}-id", "AIRBYTE__CLIENT_SECRET": MARKER}
NO_CREDENTIALS: Settings = {}


def url(address: object) -> Settings:
    """Return the settings for an Airbyte at an address, which is tried with a secret."""
    return {"AIRBYTE__URL": str(address)} | CLIENT


def accepted(server: SimulatorServer) -> Settings:
    """Return the settings for an Airbyte that takes the marker as its client secret."""
    return {
        "AIRBYTE__URL": server.url,
        "AIRBYTE__CLIENT_ID": server.credentials.client_id,
        "AIRBYTE__CLIENT_SECRET": MARKER,
    }


def secured(place: Place, *faults: Fault, **options: Any) -> Settings:  # noqa: ANN401 - as the simulator takes them
    return accepted(place.airbyte(*faults, auth="client-credentials", client_secret=MARKER, **options))


def expired_token() -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) - 3600}).encode()).decode()
    return f"e30.{claims.rstrip('=')}.{MARKER}"


def everywhere(status: int, **more: Any) -> Fault:  # noqa: ANN401 - as a fault takes them
    return Fault("*", status=status, times=FOR_EVER, **more)


def refused(path: str, status: int) -> Fault:
    return Fault(f"/api/v1/{path}", status=status, times=FOR_EVER)


ROLELESS_IN_PUBLIC = Fault("/api/public/v1/work*", status=403, body="{}", times=FOR_EVER)
"""Who may not read a workspace may not do so by the public API either."""


def nobody_home(place: Place) -> Settings:
    return url(f"http://127.0.0.1:{place.deaf()}") | {"AIRBYTE__TIMEOUT": "2s"}  # refused long before


def full_backlog(place: Place) -> Settings:
    port = place.listen(backlog=0)
    for _ in range(2):
        waiting = place.stack.enter_context(socket.socket())
        waiting.settimeout(0)
        waiting.connect_ex(("127.0.0.1", port))
    return url(f"http://127.0.0.1:{port}") | IMPATIENT


def tls_to_tls_with_authority(place: Place, name: str) -> Settings:
    address = place.serve({"available": True}, tls=name)
    return url(f"https://{address}") | {"AIRBYTE__CA_FILE": str(place.certificate(name))} | IMPATIENT


def plain_to_tls(place: Place) -> Settings:
    settings = tls_to_tls_with_authority(place, "IP:127.0.0.1")
    return settings | {"AIRBYTE__URL": settings["AIRBYTE__URL"].replace("https", "http")}


def tls_to_plain(place: Place) -> Settings:
    return url(place.airbyte().url.replace("http", "https")) | IMPATIENT


def wrong_path(place: Place) -> Settings:
    return url(f"{place.airbyte().url}/somewhere/api/v1")


def below_a_file(place: Place) -> Settings:
    (place.folder / "file").touch()
    return secured(place) | {"STATE__URL": f"sqlite:///{place.folder}/file/state.db"}


def damaged(place: Place) -> Settings:
    settings = place.state()
    file = place.folder / "made.db"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    return secured(place) | settings


def taken_address(place: Place) -> Settings:
    return secured(place) | {"WEB__LISTEN_ADDRESS": f"127.0.0.1:{place.listen()}"}


def known_to_refuse(place: Place) -> Settings:
    told = json.dumps({"version": "1.8.3", "edition": "community", "auth": {"mode": "simple"}})
    instance = Fault("/api/v1/instance_configuration", body=told, times=FOR_EVER)
    return secured(place, instance, refused("applications/token", 401))


def password_in_the_clear(place: Place) -> Settings:
    file = place.folder / "web.yaml"
    file.write_text(f"basic_auth_users:\n  prometheus: {MARKER}\n")
    return secured(place) | {"WEB__CONFIG_FILE": str(file)}


def workspace_of_nobody(place: Place) -> Settings:
    return secured(place) | {"AIRBYTE__WORKSPACE_IDS": "11111111-1111-4111-8111-111111111111"}


def forbidden_workspace(place: Place) -> Settings:
    faults = (refused("workspaces/get", 403), replace(ROLELESS_IN_PUBLIC))
    server = place.airbyte(*faults, auth="client-credentials", client_secret=MARKER)
    ids = ",".join(workspace.id for workspace in server.world.workspaces())
    return accepted(server) | {"AIRBYTE__WORKSPACE_IDS": ids}


def basic(place: Place) -> Settings:
    return {"AIRBYTE__URL": place.airbyte(auth="basic").url}


def static(place: Place, token: str) -> Settings:
    return {"AIRBYTE__URL": place.airbyte(auth="bearer").url, "AIRBYTE__TOKEN": token}


def receiver(place: Place, address: str) -> Settings:
    return secured(place) | {"ALERTS__WEBHOOK_URL": f"{address}/{MARKER}"}


@dataclass(frozen=True)
class Run:
    """What `run` does: it keeps trying for a reason, or it ends; or all is well with it."""

    keeps_trying: str | None = None
    words: tuple[str, ...] = ()
    ends_with: int | None = None


def trying(reason: str, *words: str) -> Run:
    return Run(keeps_trying=reason, words=words)


def ends(code: int, *words: str) -> Run:
    return Run(ends_with=code, words=words)


WORKS = Run()


@dataclass(frozen=True)
class Situation:
    """Something that is wrong, the step of `check` that says so with these words, and what `run` does."""

    name: str
    make: Callable[[Place], Settings]
    step: str | None
    words: tuple[str, ...]
    run: Run


def airbyte_settings(body: object, **answer: Any) -> Callable[[Place], Settings]:  # noqa: ANN401 - as Place.serve
    return lambda place: url(f"http://{place.serve(body, **answer)}") | IMPATIENT


SITUATIONS = (
    # The address
    Situation("nothing listens", nobody_home,
              "address", ("cannot connect", "connection refused", "is Airbyte running"),
              trying("connect", "cannot connect", "connection refused")),
    Situation("no such host",
              lambda _: url("http://no-such-host.invalid:8000") | IMPATIENT,
              "address", ("no-such-host.invalid", "cannot be resolved"),
              trying("dns", "cannot be resolved")),
    Situation("a socket that never answers",
              lambda place: url(f"http://127.0.0.1:{place.listen()}") | IMPATIENT,
              "address", ("does not answer within 0.3 s", "airbyte.timeout"),
              trying("timeout", "does not answer")),
    Situation("a connection that is never made", full_backlog,
              "address", ("no connection to", "within 0.3 s", "firewall"),
              trying("timeout", "no connection")),
    Situation("TLS to where none is spoken", tls_to_plain,
              "address", ("does not speak TLS", "Airbyte answers at http://127.0.0.1"),
              trying("tls", "http:// meant")),
    Situation("no TLS to where it is spoken", plain_to_tls,
              "address", ("Airbyte answers at https://127.0.0.1", "airbyte.url"),
              trying("connect", "broke")),
    Situation("a certificate that nobody trusts",
              lambda place: url(f"https://{place.serve({}, tls='IP:127.0.0.1')}") | IMPATIENT,
              "address", ("is not trusted", "self-signed", "airbyte.ca_file"),
              trying("tls", "airbyte.ca_file")),
    Situation("a certificate for another host",
              lambda place: tls_to_tls_with_authority(place, "DNS:elsewhere.test"),
              "address", ("is not trusted", "mismatch", "put the name that the certificate is for"),
              trying("tls", "mismatch")),
    Situation("a wrong path", wrong_path,
              "address", ("/somewhere/api/v1", "Airbyte answers at http://127.0.0.1", "airbyte.url"),
              trying("not_airbyte", "web page", "/somewhere/api/v1")),
    Situation("a sign-in page for everything",
              airbyte_settings(b"<!doctype html><title>Sign in</title>", kind="text/html"),
              "address", ("answers with a web page", "is airbyte.url right?"),
              trying("not_airbyte", "web page")),
    Situation("a sign-in page with 401", airbyte_settings(b"<html>", kind="text/html", status=401),
              "address", ("says 401 with a web page", "let airbyte.url lead past it"),
              trying("not_airbyte", "web page")),
    Situation("a redirect to a login",
              airbyte_settings(b"", status=302, location=f"https://sso.test/login?state={MARKER}"),
              "address", ("redirects to https://sso.test (302)", "final address"),
              trying("rejected", "redirects")),
    Situation("no JSON at all", airbyte_settings(b"hello", kind="text/plain"),
              "address", ("cannot be used",),
              trying("malformed", "cannot be used")),
    Situation("the JSON of another service", airbyte_settings({"status": "UP"}),
              "address", ("cannot be used",),
              trying("malformed", "cannot be used")),
    Situation("503 for ever", lambda place: secured(place, everywhere(503)) | IMPATIENT,
              "address", ("in trouble (503", "log tells more"),
              trying("server_error", "503")),
    Situation("500 for ever",
              lambda place: secured(place, everywhere(500, body=f"boom {MARKER}")) | IMPATIENT,
              "address", ("in trouble (500", "log tells more"),
              trying("server_error", "500")),
    Situation("429 for ever", lambda place: secured(place, everywhere(429, retry_after="60")) | IMPATIENT,
              "address", ("wants fewer requests (429", "airbyte.requests_per_second"),
              trying("rate_limited", "429")),
    # The credentials
    Situation("none are set where some are wanted",
              lambda place: {"AIRBYTE__URL": place.airbyte(auth="client-credentials").url},
              "credentials", ("says 401", "set airbyte.client_id and airbyte.client_secret"),
              trying("unauthorized", "airbyte.client_id")),
    Situation("a wrong client secret",
              lambda place: url(place.airbyte(auth="client-credentials").url),
              "credentials", ("does not accept airbyte.client_id", "abctl local credentials"),
              trying("unauthorized", "client_secret")),
    Situation("a token that has expired",
              lambda place: static(place, expired_token()),
              "credentials", ("airbyte.token has expired, at 20", "airbyte.client_id"),
              trying("unauthorized", "airbyte.token has expired")),
    Situation("a token that is not Airbyte's",
              lambda place: static(place, MARKER),
              "credentials", ("airbyte.token is not accepted",),
              trying("unauthorized", "airbyte.token is not accepted")),
    Situation("good credentials, and a release that is known to refuse them", known_to_refuse,
              "credentials", ("1.8.3", "airbyte#65592", "upgrade Airbyte"),
              trying("unauthorized", "1.8.3", "airbyte#65592")),
    Situation("good credentials, and the fresh token is refused",
              lambda place: secured(place, *(refused(path, 401) for path in ("[!aih]*", "health/*"))),
              "credentials", ("says 401", "even a fresh token is not accepted"),
              trying("unauthorized", "fresh token")),
    Situation("a proxy that wants a password", basic,
              "credentials", ("wants a password", "airbyte.username and airbyte.password"),
              trying("unauthorized", "airbyte.username")),
    Situation("a proxy with another password",
              lambda place: basic(place) | {"AIRBYTE__USERNAME": "airbyte", "AIRBYTE__PASSWORD": MARKER},
              "credentials", ("airbyte.username and airbyte.password are not accepted",),
              trying("unauthorized", "airbyte.password")),
    # The permission
    Situation("a user without any role",
              lambda place: secured(place, *(refused(path, 403) for path in ("work*", "*/list", "dep*")),
                                    replace(ROLELESS_IN_PUBLIC)),
              "permission", ("workspaces/list", "does not allow this (403)", "a user who may read this"),
              trying("forbidden", "does not allow this")),
    Situation("a workspace that is set and forbidden", forbidden_workspace,
              "permission", ("workspaces/get", "of airbyte.workspace_ids (403)", "a role in it"),
              trying("forbidden", "workspaces/get")),
    Situation("a workspace that is set and not there", workspace_of_nobody,
              "workspaces", ("has no workspace 11111111", "airbyte.workspace_ids"),
              trying("not_found", "airbyte.workspace_ids")),
    # What is there
    Situation("jobs that cannot be read", lambda place: secured(place, refused("jobs/*", 500)) | IMPATIENT,
              "jobs", ("jobs/list", "in trouble (500"),
              trying("server_error", "jobs/list")),
    Situation("an Airbyte without anything", lambda place: secured(place, connections=0),
              None, (), WORKS),
    # What is here
    Situation("a state in a place that is none", below_a_file,
              "state", ("file/state.db cannot be opened", "a folder of its path is a file", "state.url"),
              ends(1, "file/state.db", "state.url")),
    Situation("a state of another Airbyte", lambda place: secured(place) | place.state(),
              "state", ("belongs to another Airbyte: http://elsewhere:8001/api/v1", "--adopt-state"),
              ends(1, "http://elsewhere:8001/api/v1", "--adopt-state")),
    Situation("a state of a newer version",
              lambda place: secured(place) | place.state("UPDATE alembic_version SET version_num = '9999'"),
              "state", ("a newer version (schema 9999", "name another file in state.url"),
              ends(1, "a newer version (schema 9999")),
    Situation("a damaged state", damaged,
              "state", ("made.db cannot be read: it is damaged", "restore a copy"),
              ends(1, "made.db cannot be read: it is damaged", "restore a copy")),
    Situation("a listen address that is taken", taken_address,
              "web", ("something else listens there", "web.listen_address"),
              ends(1, "something else listens there", "web.listen_address")),
    Situation("a password in the clear for the pages", password_in_the_clear,
              "web", ("web.yaml", "bcrypt hash", "web.config_file"),
              ends(2, "web.yaml", "bcrypt hash")),
    Situation("a receiver that does not exist",
              lambda place: receiver(place, "https://no-such-host.invalid"),
              "receivers", ("no-such-host.invalid: its name cannot be resolved", "alerts.webhook_url"),
              WORKS),
    Situation("a receiver that is down",
              lambda place: receiver(place, f"http://127.0.0.1:{place.deaf()}"),
              "receivers", ("cannot connect: Connection refused", "alerts.webhook_url"), WORKS),
    # The configuration
    Situation("an option that does not exist",
              lambda _: {"AIRBYTE__TOKNE": MARKER},
              None, ("AIRBYTE_EXPORTER_AIRBYTE__TOKNE", "AIRBYTE_EXPORTER_AIRBYTE__TOKEN"),
              ends(2, "AIRBYTE_EXPORTER_AIRBYTE__TOKNE", "AIRBYTE_EXPORTER_AIRBYTE__TOKEN")),
    Situation("half of the credentials", lambda _: {"AIRBYTE__CLIENT_SECRET": MARKER},
              None, ("client_id is missing",),
              ends(2, "client_id is missing")),
    Situation("two ways to authenticate", lambda _: CLIENT | {"AIRBYTE__TOKEN": MARKER},
              None, ("2 ways to authenticate",),
              ends(2, "2 ways to authenticate")),
    Situation("an authority's file that is not there",
              lambda _: url("https://127.0.0.1:9") | {"AIRBYTE__CA_FILE": "/nowhere/ca.pem"},
              None, ("airbyte.ca_file", "/nowhere/ca.pem", "no such file"),
              ends(2, "airbyte.ca_file", "no such file")),
)  # fmt: skip
