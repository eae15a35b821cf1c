"""RFC 3161 timestamps on checkpoints: an authority's word that a checkpoint was there at a moment.

The token covers the signed note as the sealer made it, so it needs neither the store's clock nor a witness's.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from ledger.errors import BadInput, IntegrityFault
from ledger.proof.web import Unreachable, ask


class BadTimestamp(IntegrityFault):
    """A timestamp is not of an authority that is trusted, or not of this checkpoint."""


def read_roots(path: Path) -> list[Certificate]:
    """The root certificates that tokens have to lead to."""
    try:
        return load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as fault:
        raise BadInput(f"LEDGER_TSA_ROOTS: {path} is not a PEM file of certificates") from fault


def request_timestamp(url: str, note: bytes, roots: list[Certificate]) -> bytes:
    """A checked timestamp on a signed note, as the authority answered (DER).

    Raises ``Unreachable`` when it does not answer, ``BadTimestamp`` when its answer does not hold.
    """
    request = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256).build()
    answer = ask(url, request.as_bytes(), "application/timestamp-query")
    if answer.status != 200 or answer.content_type != "application/timestamp-reply":
        raise Unreachable(f"{url} answers with status {answer.status} and {answer.content_type}")
    response = _decoded(answer.body)
    _check(response, note, VerifierBuilder.from_request(request), roots)
    return answer.body


def stamped_at(token: bytes, note: bytes, roots: list[Certificate]) -> datetime:
    """When an authority saw a signed note; raises ``BadTimestamp`` when the token does not say so."""
    response = _decoded(token)
    _check(response, note, VerifierBuilder(), roots)
    return response.tst_info.gen_time


def claimed_at(token: bytes) -> datetime:
    """The moment that stands in a token, which nobody has checked; raises ``BadTimestamp`` when it is malformed."""
    return _decoded(token).tst_info.gen_time


def _decoded(token: bytes) -> TimeStampResponse:
    try:
        return decode_timestamp_response(token)
    except ValueError as fault:
        raise BadTimestamp("the timestamp is malformed") from fault


def _check(response: TimeStampResponse, note: bytes, builder: VerifierBuilder, roots: list[Certificate]) -> None:
    for root in roots:
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify_message(response, note)
    except (VerificationError, ValueError) as fault:
        raise BadTimestamp(f"the timestamp does not hold: {fault}") from fault
