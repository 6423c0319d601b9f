"""Whether a receiver could be reached: on real sockets, and nothing is ever sent to it."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airbyte_exporter.notify import DeliveryError, Endpoint, reach
from tests.requirements import require_program

PATH = "/hooks/path-s3cret?key=query-s3cret"


class Listener:
    """Accepts connections and keeps what comes in, after the TLS handshake if there is one."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.context = context
        self.received: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.done = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            line, _ = self.socket.accept()
            line.settimeout(10)
            with line if self.context is None else self.context.wrap_socket(line, server_side=True) as talk:
                self.received.append(talk.recv(1000))
        except OSError:
            return
        finally:
            self.done.set()


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[Listener]:
    listener = Listener(context)
    try:
        yield listener
    finally:
        listener.socket.close()


def failure(url: str) -> str:
    with pytest.raises(DeliveryError) as caught:
        reach(Endpoint(url), timeout=2)
    assert "s3cret" not in f"{caught.value!r}"
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_receiver_that_listens_is_told_nothing() -> None:
    with listening() as receiver:
        address = f"http://user-s3cret:pass-s3cret@127.0.0.1:{receiver.port}{PATH}"
        assert reach(Endpoint(address)) == f"127.0.0.1:{receiver.port}"
        assert receiver.done.wait(10)
    assert receiver.received == [b""]


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert (
        failure(f"http://127.0.0.1:{port}{PATH}") == f"127.0.0.1:{port}: cannot connect: Connection refused"
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'a' * 70}.invalid"])
def test_a_name_that_does_not_resolve(host: str) -> None:
    assert failure(f"https://{host}{PATH}") == f"{host}: its name cannot be resolved"


def test_a_receiver_that_is_too_busy_to_answer() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=5) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DeliveryError, match="no connection in time"):
            reach(Endpoint(f"https://127.0.0.1:{port}{PATH}"), timeout=0.05)


def test_a_name_that_leads_to_a_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_exporter.notify._http.is_off_limits", lambda _: True)
    with listening() as receiver:
        assert "cloud metadata address" in failure(f"http://127.0.0.1:{receiver.port}{PATH}")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("certificates")

    def make(name: str) -> Path:
        file = folder / f"{name}.pem"
        subprocess.run(
            [
                *(require_program("openssl"), "req", "-x509", "-newkey", "ec"),
                *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
                *("-subj", "/CN=receiver", "-addext", f"subjectAltName={name}"),
                *("-keyout", str(file), "-out", str(folder / "certificate.pem")),
            ],
            check=True,
            capture_output=True,
        )
        file.write_bytes(file.read_bytes() + (folder / "certificate.pem").read_bytes())
        return file

    return make


def server(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_tls_is_verified_as_for_a_delivery(
    certificate: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = certificate("IP:127.0.0.1"), certificate("DNS:elsewhere.test")
    with listening(server(right)) as receiver:
        said = failure(f"https://127.0.0.1:{receiver.port}{PATH}")
        assert said.endswith("its TLS certificate is not trusted (self-signed certificate)")
    with listening(server(right)) as receiver:
        endpoint = Endpoint(f"https://127.0.0.1:{receiver.port}{PATH}", ca_file=str(right))
        assert reach(endpoint) == f"127.0.0.1:{receiver.port}"
        assert receiver.done.wait(10)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(wrong))
    with listening(server(wrong)) as receiver:
        assert "mismatch" in failure(f"https://127.0.0.1:{receiver.port}{PATH}")
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(right))
    with listening(server(right)) as receiver:
        assert reach(Endpoint(f"https://127.0.0.1:{receiver.port}{PATH}")) == f"127.0.0.1:{receiver.port}"
        assert receiver.done.wait(10)
    assert not b"".join(receiver.received)


def test_a_receiver_without_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            line, _ = plain.accept()
            with line:
                line.recv(1000)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        assert "check that it speaks TLS there" in failure(
            f"https://127.0.0.1:{plain.getsockname()[1]}{PATH}"
        )
