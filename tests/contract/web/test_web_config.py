"""The web configuration file: what it may say, and the line that each mistake gets."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.web import load_web_config
from tests.certificates import Certificates

MARKER = "MARKER-of-a-secret"
HASH = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
"""Of the password ``secret``. It stands in the names of tests, so it is the same each time."""

Write = Callable[[str], Path]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    pki = Certificates(tmp_path_factory.mktemp("pki"))
    pki.make("server", "DNS:localhost")
    pki.make("other", "DNS:other")
    pki.make("weak", key=("rsa:1024",))
    pki.make("locked", passphrase="abcdef")
    return pki


@pytest.fixture
def write(tmp_path: Path, pki: Certificates) -> Write:
    """Write a web configuration file beside a folder ``pki`` and return its path."""
    (tmp_path / "pki").symlink_to(pki.folder)

    def write_file(text: str) -> Path:
        file = tmp_path / "web.yml"
        file.write_text(text, encoding="utf-8")
        return file

    return write_file


def problems(file: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_web_config(file)
    return str(caught.value).splitlines()


def tls(*more: str) -> str:
    return "\n".join(
        ("tls_server_config:", "  cert_file: pki/server.crt", "  key_file: pki/server.key", *more, "")
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "tls_server_config:\nbasic_auth_users:\n", "{}\n"])
def test_a_file_that_says_nothing_asks_for_nothing(write: Write, text: str) -> None:
    web = load_web_config(write(text))
    assert web.tls is None
    assert not web.users
    assert not web.headers


def test_every_key_that_can_be_used(write: Write) -> None:
    file = write(
        tls(
            "  client_auth_type: RequireAndVerifyClientCert",
            "  client_ca_file: pki/other.crt",
            "  client_allowed_sans: [other]",
            "  min_version: TLS12",
            "  max_version: TLS12",
            "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256]",
            "  prefer_server_cipher_suites: false",
            "  curve_preferences: [CurveP384]",
            "http_server_config:",
            "  http2: true",
            "  headers:",
            "    Strict-Transport-Security: max-age=31536000",
            "    X-Frame-Options: sameorigin",
            "    X-XSS-Protection: 0",
            "basic_auth_users:",
            f"  alice: {HASH}",
            f"  1234: '{HASH}'",
            "rate_limit:",
            "  interval: 1m0.5s",
            "  burst: 20",
        )
    )
    web = load_web_config(file)
    context = web.tls
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version == context.maximum_version == ssl.TLSVersion.TLSv1_2
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    up_to_12 = {it["name"] for it in context.get_ciphers() if it["protocol"] != "TLSv1.3"}
    assert up_to_12 == {"ECDHE-ECDSA-AES256-GCM-SHA384"}
    assert web.users == {b"alice": HASH.encode(), b"1234": HASH.encode()}
    assert web.headers == {
        "Strict-Transport-Security": "max-age=31536000",
        "X-Frame-Options": "sameorigin",
        "X-XSS-Protection": "0",
    }
    assert (web.limit.interval, web.limit.burst) == (60.5, 20)
    assert HASH not in repr(web)


def test_by_default_no_older_tls_than_1_2_and_no_client_certificate(write: Write) -> None:
    context = load_web_config(write(tls())).tls
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.maximum_version == ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_NONE
    assert context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_suites_of_tls_1_3_alone_mean_tls_1_3_alone(write: Write) -> None:
    context = load_web_config(write(tls("  cipher_suites: [TLS_AES_128_GCM_SHA256]"))).tls
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(
    ("suite"),
    [f"TLS_ECDHE_{key}_WITH_{rest}" for key in ("RSA", "ECDSA") for rest in (
        "AES_128_CBC_SHA", "AES_256_CBC_SHA", "AES_128_GCM_SHA256", "AES_256_GCM_SHA384",
        "CHACHA20_POLY1305_SHA256",
    )],
)  # fmt: skip
def test_every_suite_that_go_calls_secure_is_one_of_openssl(write: Write, suite: str) -> None:
    context = load_web_config(write(tls(f"  cipher_suites: [{suite}]"))).tls
    assert context is not None
    (name,) = [it["name"] for it in context.get_ciphers() if it["protocol"] != "TLSv1.3"]
    words = suite.removeprefix("TLS_").replace("_WITH_", "_").removesuffix("_SHA256").split("_")
    assert set(words[:2]) <= set(name.split("-"))
    assert {"128": "128", "256": "256", "POLY1305": "POLY1305"}[words[3]] in name


@pytest.mark.parametrize("curve", ["CurveP256", "CurveP384", "CurveP521"])
def test_every_curve_of_nist(write: Write, curve: str) -> None:
    assert load_web_config(write(tls(f"  curve_preferences: [{curve}]"))).tls


@pytest.mark.parametrize("known", [True, False])
def test_a_curve_that_not_every_python_knows(
    write: Write, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    """Debian 12's Python knows no X25519 here."""

    def set_curve(_context: ssl.SSLContext, name: str) -> None:
        assert name == "X25519"
        if not known:
            raise ssl.SSLError(1, "[EC: UNKNOWN_GROUP] unknown group")

    monkeypatch.setattr(ssl.SSLContext, "set_ecdh_curve", set_curve)
    file = write(tls("  curve_preferences: [X25519]"))
    if known:
        assert load_web_config(file).tls
        return
    with pytest.raises(ConfigurationError) as caught:
        load_web_config(file)
    place, _, said = str(caught.value).partition(" line 4: ")
    assert place.endswith("web.yml")
    assert said == (
        "tls_server_config.curve_preferences: X25519 cannot be chosen with this Python's TLS; "
        "name another one, or leave the choice to OpenSSL"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "tls_server_confg: {}\n",
            " line 1: tls_server_confg: there is no such setting; did you mean tls_server_config?",
        ),
        (
            tls("  cert_fil: x"),
            " line 4: tls_server_config.cert_fil: there is no such setting; did you mean cert_file?",
        ),
        (
            "rate_limit: {brust: 1}\n",
            " line 1: rate_limit.brust: there is no such setting; did you mean burst?",
        ),
        (
            tls("  min_version: TLS12", "  min_version: TLS12"),
            " line 5: tls_server_config.min_version is written twice",
        ),
        (
            "- a\n",
            " line 1: the file must be a mapping of names to values",
        ),
        (
            "a: [\n",
            " line 2: is not valid YAML: ",
        ),
        (
            "tls_server_config: 5\n",
            " line 1: tls_server_config: must be a mapping of names to values",
        ),
        (
            "tls_server_config: {min_version: TLS13}\n",
            " line 1: tls_server_config: needs cert_file and key_file",
        ),
        (
            "tls_server_config: {cert_file: pki/server.crt, key_file: ''}\n",
            " line 1: tls_server_config: needs key_file",
        ),
        (
            "tls_server_config:\n  cert_file: no\n  key_file: pki/server.key\n",
            " line 2: tls_server_config.cert_file: must be a valid string",
        ),
        (
            tls("  min_version: TLS11"),
            (
                " line 4: tls_server_config.min_version: is obsolete (RFC 8996) and not offered; write "
                "TLS12 or TLS13"
            ),
        ),
        (
            tls("  max_version: TLS1.3"),
            " line 4: tls_server_config.max_version: is not known; did you mean TLS13?",
        ),
        (
            tls("  min_version: TLS13", "  max_version: TLS12"),
            " line 2: tls_server_config: has a min_version above its max_version",
        ),
        (
            tls("  client_auth_type: RequireAnyClientCert"),
            (
                " line 4: tls_server_config.client_auth_type: would take a client certificate without "
                "verifying it"
            ),
        ),
        (
            tls("  client_auth_type: RequestClientCert"),
            (
                " line 4: tls_server_config.client_auth_type: would take a client certificate without "
                "verifying it"
            ),
        ),
        (
            tls("  client_auth_type: RequireAndVerify"),
            (
                " line 4: tls_server_config.client_auth_type: is not known; did you mean "
                "RequireAndVerifyClientCert?"
            ),
        ),
        (
            tls("  client_auth_type: zzz"),
            (
                " line 4: tls_server_config.client_auth_type: is not known; it can be NoClientCert, "
                "VerifyClientCertIfGiven, "
            ),
        ),
        (
            tls("  client_auth_type: RequireAndVerifyClientCert"),
            (
                " line 2: tls_server_config: needs client_ca_file with client_auth_type "
                "RequireAndVerifyClientCert"
            ),
        ),
        (
            tls("  client_ca_file: pki/other.crt"),
            (
                " line 2: tls_server_config: has a client_ca_file or client_ca, but no client_auth_type "
                "that asks for a certificate"
            ),
        ),
        (
            tls(
                "  client_auth_type: VerifyClientCertIfGiven",
                "  client_ca_file: pki/other.crt",
                "  client_allowed_sans: [a]",
            ),
            (
                " line 2: tls_server_config: has client_allowed_sans, which needs client_auth_type "
                "RequireAndVerifyClientCert"
            ),
        ),
        (
            tls(
                "  client_auth_type: RequireAndVerifyClientCert",
                "  client_ca_file: pki/other.crt",
                "  client_allowed_sans: []",
            ),
            " line 2: tls_server_config: has an empty client_allowed_sans, which would let nobody in",
        ),
        (
            tls("  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_RC4_128_SHA]"),
            " line 4: tls_server_config.cipher_suites[1]: is not known; did you mean TLS_ECDHE_RSA_WITH_AES_",
        ),
        (
            tls("  cipher_suites: [TLS_AES_128_GCM_SHA256]", "  max_version: TLS12"),
            " line 2: tls_server_config: has a max_version TLS12, but no cipher_suites for it",
        ),
        (
            tls("  curve_preferences: [CurveP256, X25519]"),
            (
                " line 2: tls_server_config: has several curve_preferences, but Python's TLS can only be "
                "told one; name one, or leave the choice to OpenSSL"
            ),
        ),
        (
            tls("  curve_preferences: [P256]"),
            " line 4: tls_server_config.curve_preferences[0]: is not known; did you mean CurveP256?",
        ),
        (
            tls(f"  key: {MARKER}"),
            (
                " line 4: tls_server_config.key: cannot be given in this file; write it to one of its "
                "own and name that"
            ),
        ),
        (
            "tls_server_config:\n  cert_file: gone.crt\n  key_file: pki/server.key\n",
            " line 2: tls_server_config.cert_file: cannot read {folder}/gone.crt: no such file or directory",
        ),
        (
            "tls_server_config:\n  cert_file: pki/server.crt\n  key_file: pki\n",
            " line 3: tls_server_config.key_file: cannot read {folder}/pki: is a directory",
        ),
        (
            "tls_server_config:\n  cert_file: pki/server.crt\n  key_file: pki/other.key\n",
            (
                " line 3: tls_server_config.key_file: {folder}/pki/other.key is not the key of the "
                "certificate {folder}/pki/server.crt"
            ),
        ),
        (
            "tls_server_config:\n  cert_file: web.yml\n  key_file: pki/other.key\n",
            " line 2: tls_server_config.cert_file: {folder}/web.yml holds no certificate in PEM format",
        ),
        (
            "tls_server_config:\n  cert_file: pki/server.crt\n  key_file: pki/server.crt\n",
            " line 3: tls_server_config.key_file: {folder}/pki/server.crt holds no private key in PEM format",
        ),
        (
            "tls_server_config:\n  cert_file: pki/weak.crt\n  key_file: pki/weak.key\n",
            (
                " line 2: tls_server_config.cert_file: {folder}/pki/weak.crt is refused by OpenSSL: ee "
                "key too small"
            ),
        ),
        (
            "tls_server_config:\n  cert_file: pki/locked.crt\n  key_file: pki/locked.key\n",
            (
                " line 3: tls_server_config.key_file: {folder}/pki/locked.key is encrypted, and nobody "
                "is there to type a passphrase"
            ),
        ),
        (
            tls("  client_auth_type: VerifyClientCertIfGiven", "  client_ca_file: web.yml"),
            " line 5: tls_server_config.client_ca_file: holds no certificate in PEM format",
        ),
        (
            tls("  client_auth_type: VerifyClientCertIfGiven", "  client_ca: nothing"),
            " line 5: tls_server_config.client_ca: holds no certificate in PEM format",
        ),
        (
            "http_server_config: {headers: {X-Frame-Option: deny}}\n",
            (
                " line 1: http_server_config.headers.X-Frame-Option: is no header that can be set here; "
                "did you mean X-Frame-Options?"
            ),
        ),
        (
            "http_server_config: {headers: {Server: x}}\n",
            (
                " line 1: http_server_config.headers.Server: is no header that can be set here; it can "
                "be Strict-Transport-Security, "
            ),
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: never}}\n",
            " line 1: http_server_config: headers: X-Frame-Options must be deny or sameorigin",
        ),
        (
            'http_server_config: {headers: {X-XSS-Protection: "1\\r\\nX: y"}}\n',
            (
                " line 1: http_server_config.headers.X-XSS-Protection: must be one line of printable "
                "ASCII characters"
            ),
        ),
        (
            f"basic_auth_users:\n  alice: {MARKER}\n",
            (
                " line 2: basic_auth_users.alice: must be the password's bcrypt hash: what `htpasswd -nBC 10 "
                "NAME` prints after the colon"
            ),
        ),
        (
            "basic_auth_users:\n  alice:\n",
            " line 2: basic_auth_users.alice: must be a valid string",
        ),
        (
            f"basic_auth_users:\n  alice: {HASH.replace('uu2r9', 'ux2r9')}\n",  # no salt ends so
            (
                " line 2: basic_auth_users.alice: must be the password's bcrypt hash: what `htpasswd -nBC 10 "
                "NAME` prints after the colon"
            ),
        ),
        (
            f'basic_auth_users: {{"\\ud800": {HASH}}}\n',
            " line 1: basic_auth_users: has half of a character in it",
        ),
        (
            tls("  client_auth_type: VerifyClientCertIfGiven", "  client_ca: 'für alle'"),
            " line 5: tls_server_config.client_ca: holds no certificate in PEM format",
        ),
        (
            'tls_server_config: {cert_file: "a\\0b", key_file: pki/server.key}\n',
            " line 1: tls_server_config.cert_file: has a character that no path can have",
        ),
        (
            'tls_server_config: {cert_file: "a\\ud800b", key_file: pki/server.key}\n',
            " line 1: tls_server_config.cert_file: has a character that no path can have",
        ),
        (
            f"basic_auth_users: {{'a:b': {HASH}}}\n",
            " line 1: basic_auth_users.a:b: a user name must not be empty and has no colon in it",
        ),
        (
            f"basic_auth_users: {{a: {HASH.replace('$04$', '$15$')}}}\n",
            " line 1: basic_auth_users.a: has a cost outside of 4 to 14; 10 is usual",
        ),
        (
            "basic_auth_users: [a]\n",
            " line 1: basic_auth_users: must be a mapping of names to values",
        ),
        (
            "rate_limit: {interval: 1s}\n",
            " line 1: rate_limit: needs a burst of at least 1, or no request would be answered",
        ),
        (
            f"rate_limit: {{interval: 1s, burst: 1{'0' * 400}}}\n",
            " line 1: rate_limit.burst: must be less than or equal to 1000000000",
        ),
        (
            "rate_limit: {interval: 5, burst: 1}\n",
            " line 1: rate_limit.interval: must be a duration with a unit, such as 500ms, 1s or 1m30s, or 0",
        ),
        (
            "rate_limit: {interval: 1sx, burst: 1}\n",
            " line 1: rate_limit.interval: must be a duration with a unit, such as 500ms, 1s or 1m30s, or 0",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text: str, said: str, write: Write) -> None:
    file = write(text)
    (found,) = problems(file)
    assert found.startswith(f"{file}{said.format(folder=file.parent)}")
    assert MARKER not in found


def test_a_value_that_is_part_of_itself_has_an_end(write: Write) -> None:
    file = write("rate_limit: &a {burst: *a}\n")
    assert f"{file} line 1: rate_limit.burst.burst.burst: is nested too deeply" in problems(file)


def test_every_problem_is_told_at_once(write: Write) -> None:
    file = write(f"basic_auth_users: {{a: {MARKER}}}\ntypo: 1\ntls_server_config: {{min_version: x}}\n")
    found = problems(file)
    assert [line.split(": ")[1] for line in sorted(found)] == [
        "basic_auth_users.a",
        "typo",
        "tls_server_config.min_version",
    ]
    assert MARKER not in str(found)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    assert problems(file) == [f"cannot read the web configuration file {file}: no such file or directory"]
