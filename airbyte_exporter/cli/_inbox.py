"""A webhook receiver for the demo: takes what arrives, checks who signed it, hands it on."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from standardwebhooks import Webhook, WebhookVerificationError

_BODY_LIMIT: Final = 1_000_000


class Inbox:
    """An HTTP server on a free loopback port that accepts signed webhooks.

    Args:
        secret: What the sender signs with, ``whsec_...``.
        on_message: Called with each body, from a thread of the server.
    """

    def __init__(self, secret: str, on_message: Callable[[dict[str, Any]], None]) -> None:
        verifier = Webhook(secret)

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                body = self.rfile.read(min(length, _BODY_LIMIT))
                try:
                    message = verifier.verify(
                        body, {name.lower(): value for name, value in self.headers.items()}
                    )
                except (WebhookVerificationError, ValueError):
                    self.send_error(401, "the signature is not right")
                    return
                on_message(message)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Say nothing: what arrives is shown by whoever asked for it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="inbox", daemon=True
        )

    @property
    def url(self) -> str:
        """Where to post to."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def start(self) -> None:
        """Begin to take messages."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
