"""The command line: arguments in, one call, text and an exit code out. No rules live here.

The modules without an underscore declare commands and import nothing heavy, so that ``--help`` answers at
once; what a command does is in the underscored module that it names, loaded when it runs.
"""

from airbyte_exporter.cli._root import command_line

__all__ = ["command_line"]
