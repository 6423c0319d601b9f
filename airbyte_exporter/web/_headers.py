"""What every answer tells a browser: that it may do nothing with it but show it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.responses import PlainTextResponse

from airbyte_exporter.web._page import CONTENT_SECURITY_POLICY

__all__ = ["SECURITY_HEADERS", "refusal"]

SECURITY_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
)


def refusal(status: int, reason: str, headers: Mapping[str, str]) -> PlainTextResponse:
    """Return the answer to a request that gets no page: `reason` in one line."""
    return PlainTextResponse(f"{reason}\n", status, {**SECURITY_HEADERS, **headers})
