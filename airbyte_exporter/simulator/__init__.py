"""A stand-in for Airbyte: a company that syncs day and night, speaking Airbyte's own HTTP APIs.

It shares no code with the client of this project, so that the two cannot be wrong together: what it answers
follows Airbyte's specifications and what its servers are known to do.
"""

from ._auth import AUTH_MODES, Credentials
from ._generations import GENERATIONS, Generation
from ._jobs import Failure
from ._truth import (
    SimulatedActor,
    SimulatedAttempt,
    SimulatedConnection,
    SimulatedFailure,
    SimulatedJob,
    SimulatedStream,
)
from .server import Fault, ReceivedRequest, SimulatorServer
from .world import World

__all__ = [
    "AUTH_MODES",
    "GENERATIONS",
    "Credentials",
    "Failure",
    "Fault",
    "Generation",
    "ReceivedRequest",
    "SimulatedActor",
    "SimulatedAttempt",
    "SimulatedConnection",
    "SimulatedFailure",
    "SimulatedJob",
    "SimulatedStream",
    "SimulatorServer",
    "World",
]
