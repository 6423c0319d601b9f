"""The tokens that the simulated Airbyte issues, against Airbyte's specifications."""

import json

import pytest

from airbyte_exporter.simulator import Credentials
from airbyte_exporter.simulator._auth import Gate
from tests.unit.simulator.asking import NOW, PUBLIC
from tests.unit.simulator.openapi import config_api, public_api


@pytest.mark.parametrize("generation", PUBLIC)
def test_token_answers_are_as_the_specifications_document(generation: str) -> None:
    credentials = Credentials.of(0)
    gate = Gate("client-credentials", credentials, lifetime=900, seed=0)
    pair = {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    for path, specification in (
        ("/api/v1/applications/token", config_api(generation)),
        ("/api/public/v1/applications/token", public_api(generation)),
    ):
        answer = gate.issue(path, json.dumps(pair).encode(), "application/json", NOW)
        assert answer.status == 200
        assert specification.problems("POST", "applications/token", 200, answer.body) == []
