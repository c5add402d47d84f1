"""NS53x: packages, which hubs and registries of models take."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class NotAPackage(Problem):
    code = "NS530"
    title = "`{path}` is no package: {reason}"
    help = "`netspec package NET -o DIR` writes one"
    explain = (
        "A package is a folder that lists the digest of each of its files in SHA256SUMS and says in "
        "config.json which spec it was made of. A folder is verified, and gives way to a new package, only "
        "if it is one."
    )
    path: str
    reason: str


class PackageChanged(Problem):
    code = "NS531"
    title = "`{path}` is not as it was packaged: {what}"
    help = "get the package again from where it came, or package the net anew"
    explain = (
        "Every file of a package is listed with its digest in SHA256SUMS, and nothing else may be there: "
        "no further file or folder, no link. Whatever was changed, lost or added since is named. What "
        "downloads a package may add files of its own, as git does; they do not belong to it."
    )
    path: str
    what: str


class BadSignature(Problem):
    code = "NS532"
    title = "`{path}` is not signed by this key: {reason}"
    help = "the package is another's, or was changed together with its digests: do not use it"
    explain = (
        "The signature in model.sig is over every file of the package but SHA256SUMS and itself. Without a "
        "key only digests are compared, which whoever changes a file can change as well; with the public "
        "key of who signed it, nobody else can."
    )
    path: str
    reason: str


class BadKey(Problem):
    code = "NS533"
    title = "`{path}` is no key to {purpose} with: {reason}"
    help = (
        "keys are PEM files of the curves P-256, P-384 and P-521, private ones without a password"
    )
    explain = (
        "Packages are signed with a private key of an elliptic curve and verified with its public one: "
        "`openssl ecparam -name prime256v1 -genkey -noout -out private.pem` makes the first, "
        "`openssl ec -in private.pem -pubout -out public.pem` the second of it."
    )
    path: str
    purpose: str
    reason: str


class CannotPackage(Problem):
    code = "NS534"
    title = "{net} cannot be packaged: {reason}"
    explain = (
        "A package holds the spec with what it imports, and is not written unless it builds the same net "
        "from there. What is said of a net besides, such as names of its classes, has to fit it."
    )
    net: str
    reason: str
