"""What it means that a TLS connection does not come about, and what to do about it."""

import ssl
from typing import Final

from airbyte_exporter.airbyte._errors import ApiError, ApiUnreachable

__all__ = ["CLIENT_CERTIFICATE", "tls_error"]

CLIENT_CERTIFICATE: Final = "a client certificate: set airbyte.client_cert_file"


def tls_error(method: str, host: str, chain: tuple[BaseException, ...]) -> ApiError:
    """Return the error that the exceptions in `chain` mean; where none is telling, another try may help."""
    for exc in chain:
        if isinstance(exc, ssl.SSLCertVerificationError):
            text = (
                f"{method}: the TLS certificate of {host} is not trusted ({_sentence(exc.verify_message)}); "
                f"{_certificate_advice(exc.verify_message)}"
            )
            return ApiUnreachable(text, method=method, reason="tls")
    reasons = {exc.reason for exc in chain if isinstance(exc, ssl.SSLError) and exc.reason}
    if reasons & {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        text = f"{method}: {host} does not speak TLS there: is http:// meant in airbyte.url?"
        return ApiUnreachable(text, method=method, reason="tls")
    if any("CERTIFICATE_REQUIRED" in reason for reason in reasons):
        text = f"{method}: {host} wants {CLIENT_CERTIFICATE}"
        return ApiUnreachable(text, method=method, reason="tls")
    why = f" ({min(reasons).lower().replace('_', ' ')})" if reasons else ""
    text = f"{method}: the TLS connection to {host} failed{why}; is airbyte.url right?"
    return ApiUnreachable(text, method=method, reason="tls", retryable=True)


def _certificate_advice(problem: str) -> str:
    if "mismatch" in problem:
        return "put the name that the certificate is for into airbyte.url"
    if "expired" in problem or "not yet valid" in problem:
        return "it has to be renewed (and are the clocks right?)"
    return "set airbyte.ca_file to the authority that signed it"


def _sentence(text: str) -> str:
    return text.rstrip(".").lower()
