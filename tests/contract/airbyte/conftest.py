"""Servers and clients that are closed at the end of the test."""

from collections.abc import Iterator

import pytest

from tests.contract.airbyte.house import House


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    for close in reversed(house.opened):
        close()
