"""A stand-in for Airbyte: a company that syncs day and night, speaking Airbyte's own HTTP APIs.

It shares no code with the client of this project, so that the two cannot be wrong together: what it answers
follows Airbyte's specifications and what its servers are known to do.
"""

from ._auth import AUTH_MODES, Credentials
from ._generations import GENERATIONS, Generation
from ._truth import SimulatedAttempt, SimulatedConnection, SimulatedJob
from .server import Fault, ReceivedRequest, SimulatorServer
from .world import World

__all__ = [
    "AUTH_MODES",
    "GENERATIONS",
    "Credentials",
    "Fault",
    "Generation",
    "ReceivedRequest",
    "SimulatedAttempt",
    "SimulatedConnection",
    "SimulatedJob",
    "SimulatorServer",
    "World",
]
