"""What a signature carries of the sealed log: the newest checkpoint there was, so that it was made not before it.

The checkpoint's root could not be known before the events under it were recorded. A cosignature or a timestamp could
not be known before a witness or an authority gave it, at a moment of their own clock; so a signature that carries its
digest was made not before that moment, whatever the clocks of the agency say.
"""

from __future__ import annotations

from typing import Annotated

import msgspec


class SealedCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The newest sealed checkpoint when somebody signed, and the newest that others stood behind."""

    size: Annotated[int, msgspec.Meta(description="how many events the checkpoint covers")]
    root: Annotated[str, msgspec.Meta(description="the root over them: SHA-256 in hex")]
    vouched_size: Annotated[
        int | None, msgspec.Meta(description="the size of the newest checkpoint that others had signed; null for none")
    ] = None
    vouchers: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="SHA-256 in hex of each cosignature line and timestamp token on that one"),
    ] = ()


#: Absent where nothing was sealed yet when it was signed.
SealedBefore = SealedCheckpoint | msgspec.UnsetType
