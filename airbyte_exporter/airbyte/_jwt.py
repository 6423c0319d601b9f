"""What tokens say of themselves, unverified: only their times matter here."""

import base64
import json
from dataclasses import dataclass

from airbyte_exporter.airbyte._wire import LATEST_TIME

__all__ = ["TokenTimes", "times_of"]


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """When a token was issued and when it expires, epoch seconds; ``None`` where it does not tell."""

    issued_at: float | None = None
    expires_at: float | None = None


def times_of(token: str) -> TokenTimes:
    """Return the times in `token` if it is a JWT (RFC 7519, section 4.1); none if it is something else."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return TokenTimes()
    if not isinstance(claims, dict):
        return TokenTimes()
    return TokenTimes(_instant(claims.get("iat")), _instant(claims.get("exp")))


def _instant(claim: object) -> float | None:
    return float(claim) if isinstance(claim, int | float) and 0 <= claim <= LATEST_TIME else None
