# SPDX-License-Identifier: Apache-2.0
"""Blobs: the bytes of a message.

A blob begins with four bytes: ``b"qf"``, the format version and the kind of message. The rest is msgpack.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeVar

import msgspec
from msgspec.msgpack import Decoder

from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_BLOB_BYTES

_MAGIC: Final = b"qf"
_HEAD_BYTES: Final = 4
_Message = TypeVar("_Message")


class Kind(Enum):
    """Kinds of messages, by their byte in a head."""

    PROGRAM = b"P"
    WORK = b"W"
    RESULT = b"R"


#: The format of each kind that is written. It is raised whenever a reader of the older one could misread the newer one.
VERSIONS: Final[Mapping[Kind, int]] = {Kind.PROGRAM: 3, Kind.WORK: 4, Kind.RESULT: 3}


def head(kind: Kind, version: int = 0) -> bytes:
    """Return the first four bytes of a blob.

    Args:
        kind: the kind of message.
        version: the format; 0 for the format that is written.
    """
    return _MAGIC + bytes([version or VERSIONS[kind]]) + kind.value


def content_hash(blob: bytes) -> str:
    """Return the name of a blob: its hash.

    It has 32 hexadecimal digits of BLAKE2b.
    """
    return hashlib.blake2b(blob, digest_size=16).hexdigest()


def decode_blob(blob: bytes, kind: Kind, decoders: Mapping[int, Decoder[_Message]]) -> _Message:
    """Decode the message in a blob.

    Args:
        blob: the blob.
        kind: the kind of message that it has to hold.
        decoders: the decoder of each format that is read.

    Raises:
        WireError: the blob is too large, damaged, of another kind or of another format.
    """
    if len(blob) > MAX_BLOB_BYTES:
        raise WireError(f"a message of {len(blob)} bytes; the largest allowed is {MAX_BLOB_BYTES}")
    if blob[:2] != _MAGIC or len(blob) < _HEAD_BYTES:
        raise WireError(f"not a qfleet message: it begins with {bytes(blob[:4])!r}")
    if blob[3:4] != kind.value:
        raise WireError(f"a message of kind {bytes(blob[3:4])!r} where {kind.value!r} was expected")
    decoder = decoders.get(blob[2])
    if decoder is None:
        raise WireError(
            f"a message of format {blob[2]}, and this process reads {' and '.join(map(str, sorted(decoders)))}: "
            "client and workers need the same qfleet version"
        )
    try:
        return decoder.decode(memoryview(blob)[_HEAD_BYTES:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise WireError(f"damaged message: {exc}") from exc
