"""STUN binding requests, and the responses of an ICE-lite agent (RFC 8489; RFC 8445, 7.3)."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import struct
import zlib
from collections.abc import Iterator
from typing import Final

import msgspec

_COOKIE: Final = 0x2112A442
_HEADER: Final = struct.Struct("!HHI12s")
_REQUEST, _SUCCESS = 0x0001, 0x0101
_USERNAME, _INTEGRITY, _XOR_ADDRESS, _FINGERPRINT = 0x0006, 0x0008, 0x0020, 0x8028
_PRIORITY, _NOMINATED = 0x0024, 0x0025
_KNOWN: Final = {_USERNAME, _INTEGRITY, _PRIORITY, _NOMINATED}
_OPTIONAL: Final = 0x8000
"""An agent may ignore unknown attributes from here on (RFC 8489, 14)."""
_CRC: Final = 0x5354554E
_MAC: Final = 20  # bytes of HMAC-SHA1
LONGEST: Final = 1024  # bytes of a request


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """A binding request. `local` and `remote` are the two halves of its user name: the receiver's and the sender's
    fragment. `covered` is what the `mac` covers. `nominated`: the sender has chosen this path."""

    transaction: bytes
    local: str
    remote: str
    covered: bytes
    mac: bytes
    nominated: bool

    def authentic(self, password: str) -> bool:
        """Return whether the sender knows the receiver's password."""
        return hmac.compare_digest(_mac(password, self.covered), self.mac)


def read(data: bytes) -> Binding | None:
    """Return a well-formed binding request with short-term credentials; None for anything else."""
    if not _HEADER.size < len(data) <= LONGEST or len(data) % 4:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind != _REQUEST or cookie != _COOKIE or length != len(data) - _HEADER.size:
        return None
    found: dict[int, tuple[int, bytes]] = {}
    for at, attribute, value in _attributes(data):
        found.setdefault(attribute, (at, value))
    end, mac = found.get(_INTEGRITY, (0, b""))
    crc_at, crc = found.get(_FINGERPRINT, (0, b""))
    if len(mac) != _MAC or crc != _crc(data[:crc_at]):
        return None
    covered = {attribute: value for attribute, (at, value) in found.items() if at < end}
    local, _, remote = covered.get(_USERNAME, b"").decode(errors="replace").partition(":")
    if any(attribute not in _KNOWN and attribute < _OPTIONAL for attribute in covered):
        return None
    return Binding(
        transaction=transaction,
        local=local,
        remote=remote,
        covered=_head(kind, end + 4 + _MAC, transaction) + data[_HEADER.size : end],
        mac=mac,
        nominated=_NOMINATED in covered,
    )


def _attributes(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield offset, type and value of each attribute; a cut one ends them with a type that no agent knows."""
    at = _HEADER.size
    while at < len(data):
        kind, length = struct.unpack_from("!HH", data, at)
        value = data[at + 4 : at + 4 + length]
        yield at, kind if len(value) == length else 0, value
        at += 4 + length + -length % 4


def response(binding: Binding, address: tuple[str, int], password: str) -> bytes:
    """Return the success response, which tells the sender its address as seen from here."""
    body = _attribute(_XOR_ADDRESS, _xored(address, binding.transaction))
    head = _head(_SUCCESS, _HEADER.size + len(body) + 4 + _MAC, binding.transaction)
    body += _attribute(_INTEGRITY, _mac(password, head + body))
    whole = _head(_SUCCESS, _HEADER.size + len(body) + 8, binding.transaction) + body
    return whole + _attribute(_FINGERPRINT, _crc(whole))


def _head(kind: int, end: int, transaction: bytes) -> bytes:
    """Return the header of a message that ends at offset `end`."""
    return _HEADER.pack(kind, end - _HEADER.size, _COOKIE, transaction)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _xored(address: tuple[str, int], transaction: bytes) -> bytes:
    host = ipaddress.ip_address(address[0])
    mask = struct.pack("!I", _COOKIE) + transaction
    packed = bytes(one ^ other for one, other in zip(host.packed, mask, strict=False))
    return struct.pack("!HH", 1 if host.version == 4 else 2, address[1] ^ (_COOKIE >> 16)) + packed


def _mac(password: str, covered: bytes) -> bytes:
    return hmac.digest(password.encode(), covered, hashlib.sha1)


def _crc(data: bytes) -> bytes:
    return struct.pack("!I", zlib.crc32(data) ^ _CRC)
