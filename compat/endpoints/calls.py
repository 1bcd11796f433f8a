"""Live sessions by WebRTC: POST /v1/realtime/calls and /v1/realtime/translations/calls, hanging up, and other
connections to a call by `call_id`.

A call is a live session with another transport: events go over a data channel, audio over a track. The voice of a
translation is sent on the same track.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

import msgspec
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from compat.config import networks
from compat.config.principal import Party, Principal
from compat.config.settings import Settings
from compat.endpoints import not_found
from compat.endpoints.access_log import client_of, request_id_of
from compat.endpoints.auth import Gate
from compat.endpoints.bodies import read_whole
from compat.endpoints.call_transport import CallTransport, Sideband
from compat.endpoints.multipart import MALFORMED
from compat.endpoints.realtime import Admitted, Realtime
from compat.errors import BadRequest, CompatError, NotFound
from compat.openai_api.fields import single_values
from compat.openai_api.realtime.opening import Opening, opening, translating
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.session import AudioFormat
from compat.openai_api.secrets import ClientSecretRequest, TranslationSecretRequest
from compat.openai_api.shapes import decoded
from compat.openai_api.translations.session import TranslationPatch
from compat.upstream.shares import Shares, overloaded
from compat.webrtc import sdp
from compat.webrtc.peer import HANGUP, Certificate, Lost, Peer, fingerprint
from compat.webrtc.port import Port
from compat.webrtc.track import RATE

log = logging.getLogger("compat.live")
LARGEST = sdp.LARGEST + (256 << 10) + (16 << 10)  # bytes of a body: the offer, the session, and the form around them
MOST_PARTS = 16
PENDING = 100  # calls that are answered and not yet connected
TRACK = AudioFormat("pcm", RATE)


class PlacedCall:
    """A call, from its answer to its end. `place` counts it as not connected; it is closed when the call connects."""

    def __init__(self, owner: str, peer: Peer, place: contextlib.ExitStack) -> None:
        self.id = f"rtc_u1_{uuid.uuid4().hex}"
        self.peer = peer
        self.transport = CallTransport(peer)
        self.pending = True
        self.task: asyncio.Task[None] | None = None
        self.owner = owner
        self._place = place

    def connected(self) -> None:
        self.pending = False
        self._place.close()


class Calls:
    """The calls of this server."""

    def __init__(self, settings: Settings, gate: Gate, realtime: Realtime, port: Port) -> None:
        self._settings = settings
        self._gate = gate
        self._realtime = realtime
        self._port = port
        self._certificate = Certificate()
        self._calls: dict[str, PlacedCall] = {}
        self._pending = Shares(PENDING)

    async def create(self, request: Request) -> Response:
        """Answer an offer: 201 with the SDP answer and the call's Location. Raises CompatError."""
        admitted = self._admitted(request)
        text, session = await _offered(request)
        if session:
            admitted = self._realtime.with_configuration(admitted, _session(session))
        return await self._answer(request, admitted, sdp.parse(text))

    async def create_translation(self, request: Request) -> Response:
        """Answer an offer for a session that translates; its voice is sent to the caller. Raises CompatError."""
        self._realtime.check(request)
        opened = translating(single_values(request.query_params.multi_items()), request.headers, ())
        principal, carried = self._realtime.identify_translator(opened, request)
        request.state.entry.caller = principal.name
        text, session = await _offered(request)
        translation = self._realtime.translation(opened.model, carried, _translation(session) if session else None)
        offer = sdp.parse(text)
        if not offer.hears:
            translation = msgspec.structs.replace(translation, may_speak=False)
        return await self._answer(
            request, Admitted(opening=opened, principal=principal, translation=translation), offer
        )

    async def _answer(self, request: Request, admitted: Admitted, offer: sdp.Offer) -> Response:
        with contextlib.ExitStack() as stay:
            await self._gate.admit_call(admitted.principal, stay)
            place = stay.enter_context(self._place(admitted.principal.party))
            admitted = await self._realtime.with_allowance(admitted)
            certificate = self._certificate.current()
            peer = Peer(offer, certificate, speaks=admitted.translation is not None)
            call = PlacedCall(self._owner(admitted.principal), peer, place)
            self._begin(request, admitted, call, stay.pop_all())
        answer = sdp.answer(offer, self._local(request, call.peer, fingerprint(certificate)))
        headers = {"location": f"/v1/realtime/calls/{call.id}"}
        return Response(answer, 201, headers, media_type="application/sdp")

    async def create_or_explain(self, request: Request) -> Response:
        """Answer an offer on the path of the beta API. Raises CompatError."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/sdp":
            await not_found.no_socket(request)
        return await self.create(request)

    async def live(self, socket: WebSocket) -> None:
        """Serve a handshake on /v1/realtime: join the call named by `call_id`, or open a session of its own."""
        serve = self.sideband if socket.query_params.get("call_id") else self._realtime.live
        await serve(socket)

    async def hangup(self, request: Request) -> Response:
        """End a call. Raises CompatError."""
        call = self._call(request.path_params["id"], request)
        if call.pending and call.task is not None:
            call.task.cancel()
        else:
            await call.peer.close(HANGUP)
        return Response(status_code=200)

    async def sideband(self, socket: WebSocket) -> None:
        """Serve a WebSocket with `call_id`. It gets the call's events and may send events, until the call ends."""
        request_id = request_id_of(socket.headers)
        try:
            call = self._call(socket.query_params["call_id"], socket)
            side = Sideband(socket)
            call.transport.join(side)
        except CompatError as error:
            socket.state.entry.error = error.code
            headers = error.headers() | {"x-request-id": request_id}
            await socket.send_denial_response(JSONResponse(error.body(), error.status, headers))
            return
        try:
            await socket.accept(opening_of(socket).subprotocol, [(b"x-request-id", request_id.encode())])
            await side.run(call.peer.deliver)
        finally:
            call.transport.leave(side)

    async def open(self) -> None:
        await self._port.open()

    def leave(self) -> None:
        """End the calls that are not connected yet. `Realtime.leave` ends the others and refuses new ones."""
        for call in self._calls.values():
            if call.pending and call.task is not None:
                call.task.cancel()

    async def close(self) -> None:
        tasks = [call.task for call in self._calls.values() if call.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._port.close()

    # --- at the offer -----------------------------------------------------------------------------------------------

    def _admitted(self, request: Request) -> Admitted:
        """Return the caller. Raises CompatError."""
        self._realtime.check(request)
        admitted = self._realtime.identify(opening_of(request), request)
        request.state.entry.caller = admitted.principal.name
        return admitted

    def _owner(self, principal: Principal) -> str:
        """Return the owner of a principal's calls: one for a key and the client secrets that it has issued.

        Without keys, all callers are one owner.
        """
        return principal.tenant if self._gate.passes_keys else principal.name

    def _place(self, party: Party) -> contextlib.ExitStack:
        """Count a call as not connected until the result is closed. Raises Overloaded."""
        if not self._pending.take(party):
            raise overloaded("calls that are not connected", self._pending, party)
        pending = contextlib.ExitStack()
        pending.callback(self._pending.give, party)
        return pending

    def _call(self, call_id: str, connection: Request | WebSocket) -> PlacedCall:
        """Return the caller's call with this id. Raises CompatError."""
        self._realtime.check(connection)
        principal = self._realtime.caller(opening_of(connection), connection)
        call = self._calls.get(call_id)
        if call is None or call.owner != self._owner(principal):
            raise NotFound(f"There is no call '{call_id[:64]}'.", param="call_id", code="call_not_found")
        return call

    def _begin(self, request: Request, admitted: Admitted, call: PlacedCall, stay: contextlib.ExitStack) -> None:
        self._calls[call.id] = call
        self._port.add(call.peer.agent)
        serving = self._serve(call, admitted, request.state.entry.request_id, client_of(request.scope), stay)
        call.task = asyncio.create_task(serving)

    def _local(self, request: Request, peer: Peer, certificate: str) -> sdp.Local:
        agent = peer.agent
        hosts = self._settings.webrtc_address or self._reached(request)
        return sdp.Local(
            session=uuid.uuid4().int >> 80,
            fragment=agent.fragment,
            password=agent.password,
            fingerprint=certificate,
            candidates=[(protocol, (host, self._port.number)) for protocol in self._port.protocols for host in hosts],
            voice=peer.source,
        )

    def _reached(self, request: Request) -> Sequence[str]:
        """Return the address that the caller has used. For a caller on this machine, return every address of the port,
        because Firefox does not use loopback."""
        server = request.scope.get("server") or ("", 0)
        for name in (request.url.hostname or "", server[0]):
            address = networks.address(name)
            if address is not None and not address.is_unspecified and not address.is_loopback:
                return [str(address)]
        return self._port.hosts

    # --- the call ---------------------------------------------------------------------------------------------------

    async def _serve(
        self, call: PlacedCall, admitted: Admitted, request_id: str, client: str, stay: contextlib.ExitStack
    ) -> None:
        """Run a call until it ends."""
        with stay:
            try:
                await call.peer.open()
                call.connected()
                transport = call.transport
                await self._realtime.run(transport, admitted, request_id, client, transport.begin, TRACK)
            except Lost:
                fields = {"request_id": request_id, "client": client, "caller": admitted.principal.name}
                log.info("a call was not connected", extra={"fields": fields})
            finally:
                del self._calls[call.id]
                await call.peer.close()
                if admitted.allowance:
                    await admitted.allowance.close()
                self._port.remove(call.peer.agent)
                call.transport.end()


def opening_of(connection: Request | WebSocket) -> Opening:
    query = single_values(connection.query_params.multi_items())
    return opening(query, connection.headers, connection.scope.get("subprotocols", ()))


async def _offered(request: Request) -> tuple[str, bytes]:
    """Return the offer, and the JSON of the session's configuration if it comes with the offer. Raises BadRequest."""
    body = await read_whole(request, LARGEST, "sdp")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        parts = await _parts(request.headers, body)
        if not parts.get("sdp"):
            raise BadRequest("The form has no sdp: send the offer as sdp.", param="sdp")
        return _text(parts["sdp"]), parts.get("session", b"")
    if kind in ("application/sdp", "text/plain", ""):
        return _text(body), b""
    raise BadRequest("Send the offer as application/sdp, or as sdp in multipart/form-data.", param="sdp")


def _session(json: bytes) -> Patch:
    """Return the configuration. Raises BadRequest, whose `param` begins with session."""
    body = b'{"session":%s}' % json
    with _naming():
        return decoded(body, ClientSecretRequest).patch(decoded(body, dict[str, Any]))


def _translation(json: bytes) -> TranslationPatch:
    """Return the configuration of a session that translates. Raises BadRequest as `_session` does."""
    body = b'{"session":%s}' % json
    with _naming():
        parsed = decoded(body, TranslationSecretRequest)
        return parsed.session.with_unread(decoded(body, dict[str, Any])["session"])


@contextlib.contextmanager
def _naming() -> Iterator[None]:
    try:
        yield
    except BadRequest as exc:
        raise BadRequest(exc.message, param=exc.param or "session", code=exc.code) from exc


def _text(offer: bytes) -> str:
    try:
        return offer.decode()
    except UnicodeDecodeError as exc:
        raise sdp.invalid("it is not UTF-8 text.") from exc


async def _parts(headers: Headers, body: bytes) -> dict[str, bytes]:
    """Return the parts of a form, which are files for some clients and fields for others. Raises BadRequest."""

    async def stream() -> AsyncGenerator[bytes]:
        yield body

    try:
        parser = MultiPartParser(headers, stream(), max_files=MOST_PARTS, max_fields=MOST_PARTS, max_part_size=LARGEST)
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as exc:
        raise BadRequest(MALFORMED) from exc
    try:
        return {
            name: await value.read() if isinstance(value, UploadFile) else value.encode()
            for name, value in form.multi_items()
        }
    finally:
        await form.close()
