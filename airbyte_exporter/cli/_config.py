"""``config show`` and ``config validate``."""

from pathlib import Path

import click
import yaml

from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.settings import Setting, Settings, describe


def main(common: Common, *, file: Path | None = None) -> int:
    """Show the configuration; with a `file`, only say that it can be used."""
    if file is None:
        click.echo(_as_yaml(settings_for(common)), nl=False)
    else:
        common.config = file
        settings_for(common)
        click.echo(f"{file}: fine")
    return 0


def _as_yaml(settings: Settings) -> str:
    sections: dict[str, list[Setting]] = {}
    for setting in describe(settings):
        sections.setdefault(setting.option.section, []).append(setting)
    written = {
        name: [(_line(setting), setting.origin) for setting in found] for name, found in sections.items()
    }
    width = max(len(line) for found in written.values() for line, _ in found)
    return "\n".join(
        f"{name}:\n" + "".join(f"{line:<{width}}  # {origin}\n" for line, origin in found)
        for name, found in written.items()
    )


def _line(setting: Setting) -> str:
    # PyYAML ends a document that is one plain value with a line of three dots.
    value = yaml.safe_dump(setting.value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return f"  {setting.option.key}: {value.strip().removesuffix('...').rstrip()}"
