"""Whether a receiver could be reached, found out without a word to it."""

import os
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

import requests.adapters

from airbyte_exporter.notify._http import CONNECT_TIMEOUT_SECONDS, Endpoint
from airbyte_exporter.notify._receiver import DeliveryError

__all__ = ["reach"]

_PORTS: Final = {"http": 80, "https": 443}


def reach(endpoint: Endpoint, *, timeout: float = CONNECT_TIMEOUT_SECONDS) -> str:
    """Connect to a receiver, with its TLS certificate verified as for a delivery, and hang up.

    Nothing is sent beyond the handshake, so that nobody is told of anything. `timeout` is in seconds.

    Returns:
        Its host, and port where the address has one: the rest is as good as a password.

    Raises:
        DeliveryError: It cannot be reached.
    """
    host = endpoint.host
    try:
        _connect(endpoint, timeout)
    except (socket.gaierror, UnicodeError):
        reason = "its name cannot be resolved"
    except ssl.SSLCertVerificationError as error:
        reason = f"its TLS certificate is not trusted ({error.verify_message.rstrip('.').lower()})"
    except ssl.SSLError:
        reason = "no TLS connection, check that it speaks TLS there"
    except TimeoutError:
        reason = "no connection in time"
    except OSError as error:
        reason = f"cannot connect: {os.strerror(error.errno)}" if error.errno else "cannot connect"
    else:
        return host
    raise DeliveryError(f"{host}: {reason}", retryable=True)


def _connect(endpoint: Endpoint, timeout: float) -> None:
    parts = urlsplit(endpoint.url)
    host = parts.hostname or ""
    with socket.create_connection((host, parts.port or _PORTS[parts.scheme]), timeout) as connected:
        if endpoint.refuses(connected.getpeername()[0]):
            raise DeliveryError(
                f"{host}: the name leads to a link-local or cloud metadata address, nothing is sent there",
                retryable=True,
            )
        if parts.scheme == "https":
            # The authorities that deliveries trust, and not those of the system.
            trusted = endpoint.ca_file or requests.adapters.DEFAULT_CA_BUNDLE_PATH
            context = ssl.create_default_context(cafile=trusted)
            context.wrap_socket(connected, server_hostname=host).close()
