"""Listings as a table for people, as JSON, or as CSV; one thing as a sheet of facts, or as JSON.

On a terminal a table fits its width and is coloured. In a pipe it is plain text, aligned, and nothing is cut
off. What is not known is empty in a table and in CSV, and null in JSON.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from airbyte_exporter.cli._terminal import console_for
from airbyte_exporter.logs import mark_after, visible

WIDE: Final = 120
"""From this many columns on a terminal, columns that are only nice to have are shown too."""

_NARROWEST: Final = 80
"""On a narrower terminal lines are left to wrap: cut off any further they would say nothing."""

_JOINS_AND_COLOURS: Final = re.compile("(?<=.)[\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")

_UNLIMITED: Final = 100_000
_THOUSAND: Final = 1000
_KIBI: Final = 1024


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    `flexible` ones give way when room is scarce, `wide` ones need a wide terminal, and on one of fewer than
    `full_from` columns cells are shown in their short form. `modest` ones take at most a quarter of a
    terminal that is not wide.
    """

    title: str
    numeric: bool = False
    flexible: bool = False
    wide: bool = False
    full_from: int = WIDE
    modest: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """What a table shows: `text` in full, `short` on a narrow terminal, in a style of rich."""

    text: str = ""
    style: str = ""
    short: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The same rows for people and for machines; `empty` is what is said when there are none."""

    columns: Sequence[Column]
    empty: str
    rows: list[Sequence[Cell]] = field(default_factory=list)
    records: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, cells: Sequence[Cell], record: Mapping[str, Any]) -> None:
        """Add one row in both forms."""
        self.rows.append(cells)
        self.records.append(record)


def print_listing(listing: Listing, output: str, fields: Sequence[str]) -> None:
    """Print a listing on standard output, as `output` says.

    Args:
        listing: What to print.
        output: ``table``, ``json`` or ``csv``.
        fields: The columns of CSV, paths into a record such as ``source.name``.
    """
    if output == "json":
        print_json(listing.records)
    elif output == "csv":
        _write(_as_csv(listing.records, fields))
    elif listing.rows:
        print_table(listing)
    if not listing.rows:
        click.echo(visible(listing.empty), err=True)


def print_json(value: object) -> None:
    """Print a value as JSON, made visible on a terminal, where it is JSON all the same."""
    _write(as_json(value) + "\n", escaped=_visible_json)


def as_json(value: object) -> str:
    """Write a value as JSON, in the characters that standard output can have."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # What stands for a character that the output lacks would be no JSON.
        return json.dumps(value, ensure_ascii=True, indent=2)
    return text


def print_sheet(facts: Sequence[tuple[str, Cell]]) -> None:
    """Print what is known of one thing, a fact a line; what is not known is left out, nothing is cut off."""
    facts = [(label, cell) for label, cell in facts if cell.text]
    if not sys.stdout.isatty():
        column = max(len(label) for label, _ in facts)
        _write("".join(f"{label:{column}}  {visible(cell.text)}\n" for label, cell in facts))
        return
    sheet = Table.grid(padding=(0, 2, 0, 0))
    sheet.add_column(no_wrap=True, style="dim")
    sheet.add_column(overflow="fold")
    for label, cell in facts:
        sheet.add_row(label, Text(visible(cell.text), style=cell.style, overflow="fold"))
    console = console_for(sys.stdout)
    console.width = max(console.width, _NARROWEST)
    console.print(sheet)


def print_table(listing: Listing) -> None:
    """Print the rows of a listing for people."""
    if not sys.stdout.isatty():
        plain = io.StringIO()
        console_for(plain, width=_UNLIMITED).print(_table(listing, width=_UNLIMITED, plain=True))
        _write("".join(f"{line.rstrip()}\n" for line in plain.getvalue().splitlines()))
        return
    console = console_for(sys.stdout)
    console.width = max(console.width, _NARROWEST)
    console.print(table_of(listing, width=console.width))


def table_of(listing: Listing, *, width: int, rows: int | None = None) -> Table:
    """Make the table of a listing for a terminal that is `width` columns wide, of at most that many rows."""
    return _table(listing, width=width, plain=False, rows=rows)


def _table(listing: Listing, *, width: int, plain: bool, rows: int | None = None) -> Table:
    # Rich puts a blank between columns where a box could have a line.
    gap = (0, 2, 0, 0) if plain else (0, 1, 0, 0)
    table = Table(box=None if plain else SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=gap)
    shown = {
        index: column for index, column in enumerate(listing.columns) if width >= WIDE or not column.wide
    }
    for column in shown.values():
        table.add_column(
            Text(column.title, no_wrap=True, overflow="ellipsis"),
            justify="right" if column.numeric else "left",
            # Rich narrows columns that may wrap before the others; the cells themselves never do.
            no_wrap=not column.flexible,
            max_width=width // 4 if column.modest and width < WIDE else None,
            header_style="bold",
        )
    for row in listing.rows[:rows]:
        texts = [
            _text(row[index], short=width < column.full_from, plain=plain) for index, column in shown.items()
        ]
        if not plain:
            _keep_order(texts)
        table.add_row(*texts)
    return table


def _text(cell: Cell, *, short: bool, plain: bool) -> Text:
    text = cell.short if short and cell.short is not None else cell.text
    shown = visible(text) if plain else steady(text)
    return Text(shown, style=cell.style, no_wrap=True, overflow="ellipsis")


def steady(text: str) -> str:
    """Return what is shown of `text` where it has to take the same room on every terminal.

    Some terminals draw joined and coloured emoji as one, others piece by piece: without what joins and
    colours them all draw the same pieces.
    """
    return _JOINS_AND_COLOURS.sub("", visible(text))


def _keep_order(cells: Sequence[Text]) -> None:
    """Let terminals that turn right-to-left text around do so within each cell, never across cells.

    A mark at the beginning of the next cell ends what runs from right to left; at its own end it would be
    lost where the text is cut off.
    """
    for cell, following in pairwise(cells):
        following.plain = mark_after(cell.plain) + following.plain


def _as_csv(records: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([name.replace(".", "_") for name in fields])
    writer.writerows([[_flat(record, name) for name in fields] for record in records])
    return written.getvalue()


def _flat(record: Mapping[str, Any], path: str) -> object:
    value: Any = record
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return ",".join(value) if isinstance(value, list) else value


def _write(text: str, *, escaped: Callable[[str], str] = visible) -> None:
    if sys.stdout.isatty():
        text = "\n".join(escaped(line) for line in text.split("\n"))
    sys.stdout.write(text)


def _visible_json(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(char if visible(char) == char else json.dumps(char)[1:-1] for char in line)


def iso_time(seconds: int | None) -> str | None:
    """Write an instant for machines: RFC 3339 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_time(seconds: int | None) -> Cell:
    """Write an instant for people, in the time zone of this machine."""
    if seconds is None:
        return Cell()
    local = datetime.fromtimestamp(seconds, UTC).astimezone()
    return Cell(local.strftime("%Y-%m-%d %H:%M:%S"), short=local.strftime("%m-%d %H:%M"))


def span(seconds: float | None) -> str:
    """Write a length of time for people: ``45s``, ``12m 3s``, ``2h 5m``, ``3d 4h``."""
    if seconds is None:
        return ""
    whole = round(seconds)
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    for (unit, length), (next_unit, next_length) in pairwise(units):
        if whole >= length:
            rest = whole % length // next_length
            return f"{whole // length}{unit} {rest}{next_unit}" if rest else f"{whole // length}{unit}"
    return f"{whole}s"


def count(number: int | None) -> Cell:
    """Write a number for people: ``12,345,678``, short ``12.3M``."""
    if number is None:
        return Cell()
    value, unit = _scaled(number, _THOUSAND, ("", "k", "M", "G", "T", "P"))
    return Cell(f"{number:,}", short=f"{_three_digits(value)}{unit}")


def size(number: int | None) -> Cell:
    """Write a number of bytes for people, in powers of 1024: ``1.2 GiB``, short ``1.2G``."""
    if number is None:
        return Cell()
    value, unit = _scaled(number, _KIBI, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))
    full = f"{number} B" if unit == "B" else f"{value:.1f} {unit}"
    return Cell(full, short=f"{_three_digits(value)}{unit[0]}")


def _scaled(number: int, step: int, units: Sequence[str]) -> tuple[float, str]:
    value, rank = float(number), 0
    while value >= step and rank + 1 < len(units):
        value, rank = value / step, rank + 1
    return value, units[rank]


def _three_digits(value: float) -> str:
    # From 1000 on, and from what rounds to it, the format "g" would write an exponent.
    return f"{value:.3g}" if value < 999 else f"{value:.0f}"  # noqa: PLR2004
