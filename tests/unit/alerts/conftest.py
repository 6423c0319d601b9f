"""Companies that are closed when their story is over."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.alerts.company import Company

Found = Callable[..., Company]


@pytest.fixture(name="found")
def founding(tmp_path: Path) -> Iterator[Found]:
    """Return what makes a company with these connections; the arguments are those of `Company`."""
    companies: list[Company] = []

    def found(*names: str, **more: object) -> Company:
        folder = tmp_path / str(len(companies))
        folder.mkdir()
        companies.append(Company(folder, *names, **more))  # type: ignore[arg-type]  # as it says
        return companies[-1]

    yield found
    for company in companies:
        company.close()
