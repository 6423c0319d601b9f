"""Settings as tests load them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from airbyte_exporter.errors import ConfigurationError
from airbyte_exporter.settings import Settings, load_settings

MARKER = "MARKER-of-a-secret"


WEBHOOK_SECRET = "whsec_" + "c2VjcmV0" * 4


Write = Callable[[str], Path]


def load(file: Path | None = None, environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_settings(config_file=file, environ=environ or {}, overrides=dotted)


def problems(
    file: Path | None = None, environ: Mapping[str, str] | None = None, **overrides: object
) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(file, environ, **overrides)
    return str(caught.value).splitlines()


def env(**values: str) -> dict[str, str]:
    return {f"AIRBYTE_EXPORTER_{name}": value for name, value in values.items()}


def secret_of(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
