"""The ``airbyte-exporter`` command, also as ``python -m airbyte_exporter``."""

from airbyte_exporter.cli import command_line

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    command_line()


if __name__ == "__main__":
    main()
