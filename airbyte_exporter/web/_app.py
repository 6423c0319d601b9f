"""The routes: what is answered at each path, to whom, and in which form."""

import ipaddress
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airbyte_exporter.alerts import Means
from airbyte_exporter.exposition import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE, Exposition
from airbyte_exporter.model import Incident, Latest, Silence, Snapshot
from airbyte_exporter.web import _page
from airbyte_exporter.web._access import AUTHENTICATED
from airbyte_exporter.web._headers import SECURITY_HEADERS
from airbyte_exporter.web._negotiation import accepts_gzip, prefers_openmetrics
from airbyte_exporter.web._polls import Polls, judge
from airbyte_exporter.web._silenced import Silenced
from airbyte_exporter.web._status import status

__all__ = ["create_app"]

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_UNAVAILABLE: Final = 503


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pages:
    """What the routes answer from."""

    exposition: Exposition
    snapshot: Latest[Snapshot | None]
    alive: Callable[[], str | None]
    ready: Callable[[], str | None]
    failures: Callable[[], Mapping[str, str]]
    incidents: Latest[Sequence[Incident] | None]
    silences: Latest[Sequence[Silence] | None]
    instance_name: str
    ui_url: str | None
    version: str
    trials: Collection[str]
    clock: Callable[[], float]

    def metrics(self, request: Request) -> Response:
        openmetrics = prefers_openmetrics(_header(request, "accept"))
        gzip = accepts_gzip(_header(request, "accept-encoding"))
        page = self.exposition.page(openmetrics=openmetrics, gzip=gzip)
        headers = {
            # Not `media_type`: the version in it must stand exactly as the formats' specifications write it.
            "content-type": OPENMETRICS_CONTENT_TYPE if openmetrics else TEXT_CONTENT_TYPE,
            "content-length": str(page.size),
            "vary": "accept, accept-encoding",
        }
        if gzip:
            headers["content-encoding"] = "gzip"
        return StreamingResponse(
            _one_by_one(() if request.method == "HEAD" else page.chunks), headers=headers
        )

    def status(self, request: Request) -> Response:
        about = {"version": self.version, "instance": self.instance_name}
        snapshot = self.snapshot.get()
        if snapshot is None:
            return _json({**about, "ready": False, "reason": self._why_empty()}, _UNAVAILABLE)
        reason = self.ready()
        facts = status(
            snapshot,
            self.incidents.get(),
            self._polls(request),
            Silenced.at(self.clock(), self.silences.get(), snapshot),
            ui_url=self.ui_url,
            means=Means.of(snapshot.instance, self.trials),
            messages=_may_see_messages(request),
        )
        return _json({**about, "ready": reason is None, "reason": reason, **facts})

    def page(self, request: Request) -> Response:
        snapshot, now = self.snapshot.get(), self.clock()
        html = _page.render(
            snapshot,
            self.incidents.get(),
            Silenced.at(now, self.silences.get(), snapshot),
            now=now,
            about=_page.About(self.instance_name, self.ui_url, self.version),
            unready=self.ready(),
            polls=self._polls(request),
            means=Means.of(None if snapshot is None else snapshot.instance, self.trials),
            messages=_may_see_messages(request),
        )
        return Response(html.encode("utf-8", "replace"), media_type="text/html")

    async def healthy(self, _: Request) -> Response:
        return _verdict(self.alive(), "healthy")

    async def is_ready(self, _: Request) -> Response:
        return _verdict(self.ready(), "ready")

    def _polls(self, request: Request) -> Polls:
        return judge(self.failures(), ready=self.ready() is None, is_told=_may_see_messages(request))

    def _why_empty(self) -> str:
        return self.ready() or "nothing has been published yet"


def create_app(
    *,
    exposition: Exposition,
    snapshot: Latest[Snapshot | None],
    alive: Callable[[], str | None],
    ready: Callable[[], str | None],
    failures: Callable[[], Mapping[str, str]],
    incidents: Latest[Sequence[Incident] | None],
    instance_name: str,
    ui_url: str | None,
    version: str,
    clock: Callable[[], float],
    silences: Latest[Sequence[Silence] | None] | None = None,
    trials: Collection[str] = (),
) -> Starlette:
    """Build the application.

    Args:
        exposition: The metrics, ready as bytes.
        snapshot: The newest facts, ``None`` before the first.
        alive: ``None`` while the process works, else what hangs.
        ready: ``None`` from the first complete poll on, else what it waits for.
        failures: Why each loop that is failing right now does, by loop.
        incidents: Those that go on now, ``None`` while they are not known.
        instance_name: What this Airbyte is called.
        ui_url: Where Airbyte's own pages are, for links.
        version: The exporter's version.
        clock: The time in epoch seconds, for the ages on the status page, and for what is silenced.
        silences: Those that hold now, ``None`` while they are not known.
        trials: Names of the receivers that ``alerts test`` can try.
    """
    pages = _Pages(
        exposition=exposition,
        snapshot=snapshot,
        alive=alive,
        ready=ready,
        failures=failures,
        incidents=incidents,
        silences=Latest(None) if silences is None else silences,
        instance_name=instance_name,
        ui_url=ui_url,
        version=version,
        trials=trials,
        clock=clock,
    )
    app = Starlette(
        routes=[
            Route("/", pages.page),
            Route("/metrics", pages.metrics),
            Route("/api/v1/status", pages.status),
            Route("/-/healthy", pages.healthy),
            Route("/-/ready", pages.is_ready),
        ],
        middleware=[Middleware(_SecurityHeaders)],
        exception_handlers={HTTPException: _refuse},
    )
    app.router.redirect_slashes = False
    return app


class _SecurityHeaders:
    """Say on every answer what a browser may do with it: nothing but show it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    return PlainTextResponse(f"{error.detail}\n", error.status_code, headers)


async def _one_by_one(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the next chunk when the peer has taken most of the last.

    A page given as a whole would be copied by asyncio's transport, for each scraper that is slow to read it.
    """
    for chunk in chunks:
        yield chunk


def _verdict(problem: str | None, fine: str) -> Response:
    if problem is None:
        return PlainTextResponse(f"{fine}\n")
    return Response(f"{problem}\n".encode("utf-8", "replace"), _UNAVAILABLE, media_type="text/plain")


def _json(content: object, status_code: int = 200) -> Response:
    # Pure ASCII: a name with half a surrogate pair in it has no UTF-8, but it has an escape.
    body = json.dumps(content, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
    return Response(body.encode("ascii"), status_code, media_type="application/json")


def _header(request: Request, name: str) -> str:
    return ",".join(request.headers.getlist(name))


def _may_see_messages(request: Request) -> bool:
    """Whether free text from failed jobs, and why polls fail, may be shown to who asks."""
    return bool(request.scope.get("state", {}).get(AUTHENTICATED)) or _is_from_this_machine(request)


def _is_from_this_machine(request: Request) -> bool:
    """Whether a person at this machine asks.

    A proxy here makes everybody look local, so its headers say no. So does a host name that is not ours: a
    page elsewhere could have pointed its own name at this machine, to read the answer in a local browser.
    """
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    host = request.url.hostname or ""
    return _is_loopback(request.client.host) and (host == "localhost" or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
