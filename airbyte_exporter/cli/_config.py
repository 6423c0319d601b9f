"""``config show`` and ``config validate``."""

from itertools import takewhile
from pathlib import Path

import click
import yaml

from airbyte_exporter.cli._settings import settings_for
from airbyte_exporter.cli._shared import Common
from airbyte_exporter.settings import Setting, Settings, describe
from airbyte_exporter.web import load_web_config


def main(common: Common, *, file: Path | None = None) -> int:
    """Show the configuration; with a `file`, only say that it can be used."""
    if file is None:
        click.echo(_as_yaml(settings_for(common)), nl=False)
    else:
        common.config = file
        settings = settings_for(common)
        if settings.web.config_file is not None:
            load_web_config(Path(settings.web.config_file))
        click.echo(f"{file}: fine")
    return 0


def _as_yaml(settings: Settings) -> str:
    lines = [line for setting in describe(settings) for line in _lines(setting)]
    width = max(len(line) for line, origin in lines if origin)
    shown: list[str] = []
    open_mappings: list[str] = []
    for setting in describe(settings):
        *mappings, _ = setting.option.name.split(".")
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(open_mappings, mappings, strict=False))
        shared = len(list(alike))
        if shared == 0 and shown:
            shown.append("")
        shown += [f"{'  ' * depth}{mappings[depth]}:" for depth in range(shared, len(mappings))]
        open_mappings = mappings
        shown += [f"{line:<{width}}  # {origin}" if origin else line for line, origin in _lines(setting)]
    return "\n".join([*shown, ""])


def _lines(setting: Setting) -> list[tuple[str, str]]:
    """Return the lines of a setting, each with where it comes from; only the first says it."""
    *mappings, key = setting.option.name.split(".")
    indent = "  " * len(mappings)
    if setting.option.item is not None and isinstance(setting.value, list) and setting.value:
        items = [(f"{indent}  - {_flow(item)}", "") for item in setting.value]
        return [(f"{indent}{key}:", setting.origin), *items]
    return [(f"{indent}{key}: {_flow(setting.value)}", setting.origin)]


def _flow(value: object) -> str:
    # PyYAML ends a document that is one plain value with a line of three dots.
    # Line breaks of every kind are lost in other styles, and the comment would not stand behind the value.
    has_controls = isinstance(value, str) and not value.isprintable()
    text = yaml.safe_dump(
        value,
        default_flow_style=True,
        default_style='"' if has_controls else None,
        width=float("inf"),
        allow_unicode=True,
        sort_keys=False,
    )
    return text.strip().removesuffix("...").rstrip()
