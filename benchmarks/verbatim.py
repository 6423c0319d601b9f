"""What HTTP itself costs: the same bytes, ready in memory, in one ``sendall``.

Run as ``python -m benchmarks.verbatim`` this is a worker whose only peer is the benchmark. It keeps the
connection and looks at nothing in a request but whether it accepts gzip.
"""

import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.workers import obey

__all__ = ["Verbatim"]

_END: Final = b"\r\n\r\n"
_READ: Final = 65536


class Verbatim:
    """A server of one page, plain and compressed, to one peer after the other."""

    def __init__(self) -> None:
        self._answers: dict[bool, bytes] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def start(self) -> Mapping[str, object]:
        """Answer in a thread from now on."""
        threading.Thread(target=self._serve, name="verbatim", daemon=True).start()
        return {"port": self.port}

    def load(self, page: str, *, compressed: bool) -> Mapping[str, object]:
        """Take what is in a file for the page, head and body in one piece."""
        body = Path(page).read_bytes()
        coding = "content-encoding: gzip\r\n" if compressed else ""
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n{coding}content-length: {len(body)}\r\n\r\n"
        self._answers[compressed] = head.encode() + body
        return {}

    def close(self) -> None:
        """Stop to listen."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                self._answer(peer)

    def _answer(self, peer: socket.socket) -> None:
        received = b""
        try:
            while part := peer.recv(_READ):
                received += part
                if received.endswith(_END):
                    peer.sendall(self._answers[b"gzip" in received])
                    received = b""
        except ConnectionError:
            return


if __name__ == "__main__":
    verbatim = Verbatim()
    obey({"start": verbatim.start, "load": verbatim.load})
