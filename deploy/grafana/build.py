"""Write the Grafana dashboards, or say with ``--check`` whether the committed JSON is what this writes."""

import json
import sys
from pathlib import Path

from connection import connection
from exporter import exporter_dashboard
from overview import overview

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS = {"overview": overview, "connection": connection, "exporter": exporter_dashboard}


def main(arguments: list[str]) -> int:
    """Write the files, or compare; a file that nothing writes is stale too."""
    texts = {
        FOLDER / f"{name}.json": json.dumps(build(), indent=2, ensure_ascii=False) + "\n"
        for name, build in DASHBOARDS.items()
    }
    if arguments == ["--check"]:
        stale = [path for path, text in texts.items() if not _holds(path, text)]
        stale += [path for path in FOLDER.glob("*.json") if path not in texts]
        for path in stale:
            sys.stderr.write(f"{path} is not what {Path(__file__).name} writes; run it without --check\n")
        return 1 if stale else 0
    if arguments:
        sys.stderr.write(f"usage: {Path(__file__).name} [--check]\n")
        return 2
    FOLDER.mkdir(exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    for path in FOLDER.glob("*.json"):
        if path not in texts:
            path.unlink()
    return 0


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
