"""TLS as the web configuration file asks for it: from ``tls_server_config`` to a context for handshakes.

The names are those of Go's crypto/tls, since the format is that of Prometheus' exporter toolkit. What OpenSSL
under Python cannot do as asked is refused rather than done differently.
"""

import ipaddress
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, model_validator

from airbyte_exporter.errors import did_you_mean
from airbyte_exporter.yamlfile import system_reason

__all__ = ["HandshakeContext", "TlsConfig", "TlsError"]

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}

_CLIENT_AUTH: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")

_SUITES: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
"""Go's names of the suites that it calls secure, and OpenSSL's, up to TLS 1.2."""

_SUITES_13: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""May be named, but cannot be chosen, in Go neither: TLS 1.3 always has all of them."""

_CURVES: Final = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}


class TlsError(Exception):
    """What the configuration names cannot be used. `key` is what names it."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _version(value: str) -> str:
    if value in {"TLS10", "TLS11"}:
        raise ValueError("is obsolete (RFC 8996) and not offered; write TLS12 or TLS13")
    return _one_of(value, _VERSIONS)


def _client_auth(value: str) -> str:
    if value in _UNVERIFIED:
        raise ValueError(
            "would take a client certificate without verifying it, which proves nothing and which Python's "
            "TLS cannot do; write RequireAndVerifyClientCert"
        )
    return _one_of(value or "NoClientCert", _CLIENT_AUTH)


def _suite(value: str) -> str:
    return _one_of(value, [*_SUITES, *_SUITES_13])


def _curve(value: str) -> str:
    return _one_of(value, _CURVES)


def _one_of(value: str, known: Collection[str]) -> str:
    if value not in known:
        # The value is not repeated: any can be a secret in the wrong place.
        choice = did_you_mean(value, known) or f"; it can be {', '.join(known)}"
        raise ValueError(f"is not known{choice}")
    return value


def _unless_empty(value: str) -> str | None:
    return value or None


def _inline(value: SecretStr) -> None:
    if value.get_secret_value():
        raise ValueError("cannot be given in this file; write it to one of its own and name that")


_File = Annotated[str, AfterValidator(_unless_empty)] | None
_Inline = Annotated[SecretStr, AfterValidator(_inline)] | None
_Version = Annotated[str, AfterValidator(_version)]


class TlsConfig(BaseModel):
    """``tls_server_config``, its paths made absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    cert_file: _File = None
    key_file: _File = None
    cert: _Inline = None
    key: _Inline = None
    client_auth_type: Annotated[str, AfterValidator(_client_auth)] = "NoClientCert"
    client_ca_file: _File = None
    client_ca: _File = None
    client_allowed_sans: tuple[str, ...] | None = None
    min_version: _Version = "TLS12"
    max_version: _Version = "TLS13"
    cipher_suites: tuple[Annotated[str, AfterValidator(_suite)], ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[Annotated[str, AfterValidator(_curve)], ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in self._contradictions():
            raise ValueError(problem)
        return self

    def _contradictions(self) -> Iterator[str]:
        missing = [key for key in ("cert_file", "key_file") if getattr(self, key) is None]
        if missing:
            yield f"needs {' and '.join(missing)}"
        has_ca = self.client_ca_file is not None or self.client_ca is not None
        if has_ca and self.client_auth_type == "NoClientCert":
            yield "has a client_ca_file or client_ca, but no client_auth_type that asks for a certificate"
        if not has_ca and self.client_auth_type != "NoClientCert":
            yield f"needs client_ca_file with client_auth_type {self.client_auth_type}"
        if self.client_ca_file is not None and self.client_ca is not None:
            yield "has both client_ca_file and client_ca; keep one"
        if self.client_allowed_sans is not None and self.client_auth_type != "RequireAndVerifyClientCert":
            yield "has client_allowed_sans, which needs client_auth_type RequireAndVerifyClientCert"
        if self.client_allowed_sans == ():
            yield "has an empty client_allowed_sans, which would let nobody in; name one, or leave it out"
        if _VERSIONS[self.min_version] > _VERSIONS[self.max_version]:
            yield "has a min_version above its max_version"
        if self._only_suites_of_13 and self.max_version == "TLS12":
            yield "has a max_version TLS12, but no cipher_suites for it"
        if len(self.curve_preferences) > 1:
            yield (
                "has several curve_preferences, but Python's TLS can only be told one; "
                "name one, or leave the choice to OpenSSL"
            )

    @property
    def _only_suites_of_13(self) -> bool:
        return bool(self.cipher_suites) and not any(suite in _SUITES for suite in self.cipher_suites)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a context is made of."""
        named = (self.cert_file, self.key_file, self.client_ca_file)
        return tuple(Path(file) for file in named if file is not None)

    def context(self) -> ssl.SSLContext:
        """Read the files and return a context for handshakes.

        Raises:
            TlsError: A file cannot be read or used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Clients that know HTTP/2 would else try it.
        context.set_alpn_protocols(["http/1.1"])
        context.minimum_version = _VERSIONS["TLS13" if self._only_suites_of_13 else self.min_version]
        context.maximum_version = _VERSIONS[self.max_version]
        if suites := [_SUITES[suite] for suite in self.cipher_suites if suite in _SUITES]:
            context.set_ciphers(":".join(suites))
        if not self.prefer_server_cipher_suites:
            context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        for curve in self.curve_preferences:
            self._set_curve(context, curve)
        self._load_certificate(context)
        self._load_client_authorities(context)
        if self.client_allowed_sans is not None:
            context.sslobject_class = _object_that_admits(frozenset(map(_normal, self.client_allowed_sans)))
        return context

    @staticmethod
    def _set_curve(context: ssl.SSLContext, curve: str) -> None:
        try:
            context.set_ecdh_curve(_CURVES[curve])
        except (ssl.SSLError, ValueError):
            # Debian 12's Python, 3.11.2, knows the three of NIST alone.
            raise TlsError(
                "curve_preferences",
                f"{curve} cannot be chosen with this Python's TLS; "
                "name another one, or leave the choice to OpenSSL",
            ) from None

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        certificate, key = _readable("cert_file", self.cert_file), _readable("key_file", self.key_file)
        try:
            context.load_cert_chain(certificate, key, password=_no_passphrase)
        except _PassphraseNeededError:
            raise TlsError(
                "key_file", f"{key} is encrypted, and nobody is there to type a passphrase"
            ) from None
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise TlsError("key_file", f"{key} is not the key of the certificate {certificate}") from None
            if not _has_certificate(certificate):
                raise TlsError("cert_file", f"{certificate} holds no certificate in PEM format") from None
            if error.reason and error.reason.startswith(("EE_", "CA_")):
                reason = error.reason.replace("_", " ").lower()
                raise TlsError("cert_file", f"{certificate} is refused by OpenSSL: {reason}") from None
            raise TlsError("key_file", f"{key} holds no private key in PEM format") from None
        except OSError as error:  # taken away since it was looked at
            raise TlsError("cert_file", f"cannot read {certificate}: {system_reason(error)}") from None

    def _load_client_authorities(self, context: ssl.SSLContext) -> None:
        try:
            if self.client_ca_file is not None:
                context.load_verify_locations(cafile=_readable("client_ca_file", self.client_ca_file))
            elif self.client_ca is not None:
                context.load_verify_locations(cadata=self.client_ca)
        except (ssl.SSLError, ValueError, TypeError):  # the last for text that is not ASCII
            key = "client_ca" if self.client_ca_file is None else "client_ca_file"
            raise TlsError(key, "holds no certificate in PEM format") from None
        context.verify_mode = _CLIENT_AUTH[self.client_auth_type]


class _PassphraseNeededError(Exception):
    """OpenSSL asks for a passphrase, by default on the terminal."""


def _no_passphrase() -> str:
    raise _PassphraseNeededError


def _readable(key: str, file: str | None) -> str:
    path = file or ""
    try:
        with Path(path).open("rb"):
            return path
    except OSError as error:
        raise TlsError(key, f"cannot read {path}: {system_reason(error)}") from None
    except ValueError:
        raise TlsError(key, "has a character that no path can have") from None


def _has_certificate(file: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=file)
    except (OSError, ValueError):
        return False
    return True


def _object_that_admits(names: frozenset[str]) -> type[ssl.SSLObject]:
    class Admitting(ssl.SSLObject):
        """A handshake that fails unless the client's certificate is for one of `names`."""

        def do_handshake(self) -> None:
            super().do_handshake()
            certificate: Mapping[str, Any] = self.getpeercert() or {}
            if names.isdisjoint(_normal(name) for _, name in certificate.get("subjectAltName", ())):
                raise ssl.SSLCertVerificationError(
                    1, "the client's certificate is for none of the allowed names"
                )

    return Admitting


def _normal(name: str) -> str:
    """Return `name`, an IPv6 address in one way: OpenSSL and people write it differently."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


class HandshakeContext(ssl.SSLContext):
    """A context for asyncio whose every handshake is made with the newest one.

    So a certificate that was renewed, and everything else in the file, counts from the next connection on,
    and connections that are open keep theirs.
    """

    _newest: Callable[[], ssl.SSLContext]

    def __new__(cls, newest: Callable[[], ssl.SSLContext]) -> Self:
        """Make the context; it has no certificate of its own, so a handshake with it alone would fail."""
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self._newest = newest
        return self

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a handshake."""
        return self._newest().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
