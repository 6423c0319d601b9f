"""The image's health check: ask the exporter of this container whether it works, over HTTP or else HTTPS.

Whose certificate it is does not matter, since nothing but this container is asked. It exits with 0, or with 1
and the reason.
"""

import contextlib
import http.client
import os
import ssl
import sys

TIMEOUT = 2.0
"""Seconds for one attempt: two are shorter than what the Dockerfile allows."""


def main() -> int:
    """Ask, say what was heard, and return the exit code."""
    address = os.environ.get("AIRBYTE_EXPORTER_WEB__LISTEN_ADDRESS", "").strip() or ":10980"
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"  # Linux takes 0.0.0.0 and :: for this machine itself
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    reasons = []
    for connection in (
        http.client.HTTPConnection(host, int(port), timeout=TIMEOUT),  # which knows no proxy variables
        http.client.HTTPSConnection(host, int(port), timeout=TIMEOUT, context=unverified),
    ):
        try:
            with contextlib.closing(connection):
                connection.request("GET", "/-/healthy")
                answer = connection.getresponse()
                print(answer.read(4096).decode(errors="replace").strip())
                return 0 if answer.status == http.HTTPStatus.OK else 1
        except (OSError, http.client.HTTPException) as error:
            reasons.append(str(error))
    print(f"{address} does not answer: {'; over TLS: '.join(reasons)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
