"""The signature of a package, by OpenSSF's model_signing with a key of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from netspec.diagnostics.messages.packages import BadKey, BadSignature
from netspec.diagnostics.raised import NetspecError
from netspec.packaging.layout import SIGNATURE, SUMS
from netspec.system.extras import need
from netspec.system.reading import open_regular, reading


def signer(key: Path) -> Callable[[Path], None]:
    """What signs a package with a private key; raises NetspecError of what is no such key.

    Signed is every file of the folder it is given but SHA256SUMS, which lists the signature too.
    """
    need("model_signing", "signing a package")
    from model_signing import hashing, signing

    with _refusing(key, "sign"):
        config = signing.Config().use_elliptic_key_signer(private_key=key)

    def sign(folder: Path) -> None:
        place = folder / SIGNATURE
        unsigned = hashing.Config().set_ignored_paths(
            paths=[place, folder / SUMS], ignore_git_paths=False
        )
        config.set_hashing_config(unsigned).sign(folder, place)

    return sign


def check_signature(folder: Path, key: Path) -> None:
    """Raises NetspecError unless a package's files are those that the owner of a public key signed."""
    need("model_signing", "verifying a signature")
    from model_signing import verifying

    with _refusing(key, "verify"):
        config = verifying.Config().use_elliptic_key_verifier(public_key=key)
    place = folder / SIGNATURE
    if not place.exists():
        raise NetspecError(BadSignature(str(folder), f"it has no {SIGNATURE}"))

    def wrong(reason: str) -> NetspecError:
        # What verifies a signature raises an exception without words where it is another's.
        said = "the signature is another's" if reason == "InvalidSignature" else reason
        return NetspecError(BadSignature(str(folder), said))

    with reading(wrong):
        config.verify(folder, place)


def _refusing(key: Path, purpose: str) -> Any:
    """Makes whatever is wrong with a key a NetspecError that names it."""

    def wrong(reason: str) -> NetspecError:
        return NetspecError(BadKey(str(key), purpose, reason), status=2)

    with reading(wrong), open_regular(key):
        pass
    return reading(wrong)
