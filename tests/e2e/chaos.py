"""Receivers that misbehave at random, and what must be so of what arrived at them, whatever happened."""

import json
import random
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from airbyte_exporter.model import Incident, IncidentStatus
from tests.e2e.harness import WEBHOOK_SECRET

HANG_SECONDS = 30.0
"""Longer than a delivery waits for an answer, and than any process lives that is to be killed."""

MISDEEDS = ("hang", "500", "429", "late", "close", "garbage")
WELL_BEHAVED = 0.4
"""How often a receiver does what it should all the same."""


@dataclass(frozen=True)
class Arrival:
    """One attempt as the receiver saw it: whole, signed, and answered with 2xx where it was `taken`."""

    id: str
    body: bytes
    taken: bool

    @property
    def number(self) -> int:
        """The place of the message among those of its incident."""
        return int(self.id.rpartition("_")[2])

    @property
    def data(self) -> dict[str, Any]:
        """What it says."""
        data: dict[str, Any] = json.loads(self.body)["data"]
        return data

    @property
    def kind(self) -> str:
        """Its type."""
        kind: str = json.loads(self.body)["type"]
        return kind

    @property
    def fingerprint(self) -> str:
        """The incident that it is of, by its id."""
        return self.id.removeprefix("msg_").rpartition("_")[0]


class ChaoticReceiver:
    """A webhook receiver that does anything but what it should until it is `healed`."""

    def __init__(self, name: str, seed: int) -> None:
        receiver = self
        self.name = name
        self.arrivals: list[Arrival] = []
        self.refused: list[str] = []
        self.done: defaultdict[str, int] = defaultdict(int)
        self._chance = random.Random(f"{seed} {name}")
        self._to_do: list[str] = []
        self._healed = threading.Event()
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                with suppress(OSError):  # who was sending it has been killed
                    body = self.rfile.read(length)
                    if len(body) == length:
                        self._answer(receiver.take(dict(self.headers.items()), body))

            def _answer(self, how: str) -> None:
                self.close_connection = True
                if how == "hang":
                    receiver.wait_until_healed(HANG_SECONDS)
                elif how == "late":
                    receiver.wait_until_healed(0.8)
                elif how == "garbage":
                    self.wfile.write(b"\x16\x03\x01 HTTP?\r\n\r\n\r\n200 OK")
                if how in {"hang", "close", "garbage"}:
                    return
                self.send_response({"500": 500, "429": 429}.get(how, 204))
                if how == "429":
                    self.send_header("retry-after", "1")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, headers: Mapping[str, str], body: bytes) -> str:
        """Note what arrived; return how it is answered."""
        lower = {name.lower(): value for name, value in headers.items()}
        with self._lock:
            how = "ok"
            if not self._healed.is_set() and self._chance.random() >= WELL_BEHAVED:
                how = self._next_misdeed()
            self.done[how] += 1
            try:
                Webhook(WEBHOOK_SECRET).verify(body.decode(), lower)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it is a finding
                self.refused.append(repr(error))
            self.arrivals.append(Arrival(lower["webhook-id"], body, how in {"ok", "late"}))
        return how

    def _next_misdeed(self) -> str:
        """Return one of them, each as often as the others."""
        if not self._to_do:
            self._to_do = self._chance.sample(MISDEEDS, len(MISDEEDS))
        return self._to_do.pop()

    def wait_until_healed(self, seconds: float) -> None:
        """Keep who is sending waiting."""
        self._healed.wait(seconds)

    def heal(self) -> None:
        """Take everything from now on."""
        self._healed.set()

    def taken(self) -> dict[str, list[Arrival]]:
        """Return what was taken, first arrivals only, by incident and in order."""
        with self._lock:
            arrivals = list(self.arrivals)
        found: defaultdict[str, dict[str, Arrival]] = defaultdict(dict)
        for arrival in arrivals:
            if arrival.taken:
                found[arrival.fingerprint].setdefault(arrival.id, arrival)
        return {fingerprint: list(of.values()) for fingerprint, of in found.items()}

    def close(self) -> None:
        """Stop listening."""
        self.heal()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def chaotic_receivers(seed: int) -> Iterator[list[ChaoticReceiver]]:
    """Run three of them."""
    made = [ChaoticReceiver(name, seed) for name in ("oncall", "team", "archive")]
    try:
        yield made
    finally:
        for receiver in made:
            receiver.close()


def assert_each_is_in_order_and_the_same(receivers: Iterable[ChaoticReceiver]) -> None:
    """Every attempt is signed, every repetition is the same bytes, and none comes after a later one."""
    bodies: dict[str, bytes] = {}
    for receiver in receivers:
        assert receiver.refused == [], receiver.name
        newest: dict[str, int] = {}
        for arrival in list(receiver.arrivals):
            assert bodies.setdefault(arrival.id, arrival.body) == arrival.body, arrival.id
            assert arrival.data["fingerprint"] == arrival.fingerprint
            assert arrival.number >= newest.get(arrival.fingerprint, 0), f"{receiver.name}: {arrival.id}"
            newest[arrival.fingerprint] = arrival.number
        for fingerprint, arrivals in receiver.taken().items():
            assert_tells_a_story(f"{receiver.name}: {fingerprint}", arrivals)


def assert_tells_a_story(what: str, arrivals: Iterable[Arrival]) -> None:
    """Nothing is told to go on, or to be over, before it was told to be wrong.

    Only what was over before that arrived comes as an end alone, which tells both times.
    """
    is_firing = False
    for arrival in arrivals:
        data, kind = arrival.data, arrival.kind
        assert (data["status"] == "resolved") is (kind == "alert.resolved") is (data["ends_at"] is not None)
        if kind == "alert.firing":
            assert not is_firing, f"{what}: {arrival.id} begins what goes on"
        elif kind == "alert.resolved":
            assert data["starts_at"] <= data["ends_at"]
        else:
            assert is_firing, f"{what}: {arrival.id} is {kind} of what was never told"
        is_firing = kind != "alert.resolved"


def assert_everything_arrived(receivers: Iterable[ChaoticReceiver], incidents: Iterable[Incident]) -> None:
    """Each message of each incident that was told arrived, or one that says that it is over instead."""
    known = {incident.fingerprint: incident for incident in incidents}
    told = {name: incident for name, incident in known.items() if incident.notified_at is not None}
    for receiver in receivers:
        taken = receiver.taken()
        assert not told.keys() - taken.keys(), f"{receiver.name} was never told"
        assert not taken.keys() - told.keys(), f"{receiver.name} was told of what is not known"
        for name, incident in told.items():
            by_number = {arrival.number: arrival for arrival in taken[name]}
            for number in range(1, incident.sequence + 1):
                ends = [it for it in by_number.values() if it.number > number and it.kind == "alert.resolved"]
                assert number in by_number or ends, f"{receiver.name}: msg_{name}_{number} is lost"
            last = by_number[max(by_number)]
            assert last.number == incident.sequence, f"{receiver.name}: {last.id} is the last one"
            assert (last.data["rule"], last.data["reason"]) == (incident.rule, incident.reason), last.id
            is_over = incident.status is IncidentStatus.RESOLVED
            assert (last.kind == "alert.resolved") is is_over, f"{receiver.name}: {last.id} is {last.kind}"
