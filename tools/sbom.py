"""What the built file is made of, for those who keep an inventory: an SPDX 2.3 document.

Source: SPDX specification 2.3; sections 6 (document), 7 (package), 8 (file), 11 (relationship).
"""

from __future__ import annotations

import hashlib
import json

# A member that may not be left out; the archive's moment, so that the same sources make the same document.
_CREATED = "1980-01-01T00:00:00Z"
_LICENSE = "Apache-2.0"


def spdx(version: str, built: bytes, sources: dict[str, bytes]) -> bytes:
    """The document on `built`, which was made of `sources` (by archive path) alone: there is no dependency to list."""
    digest = hashlib.sha256(built).hexdigest()
    files = [_file(number, path, content) for number, (path, content) in enumerate(sorted(sources.items()))]
    sha1s = sorted([hashlib.sha1(content).hexdigest() for content in sources.values()])  # noqa: S324  SPDX wants SHA1
    package = {
        "SPDXID": "SPDXRef-Package",
        "name": "cni-ptp",
        "versionInfo": version,
        "packageFileName": "ptp",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": True,
        "packageVerificationCode": {"packageVerificationCodeValue": hashlib.sha1("".join(sha1s).encode()).hexdigest()},  # noqa: S324
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
        "licenseConcluded": _LICENSE,
        "licenseDeclared": _LICENSE,
        "licenseInfoFromFiles": [_LICENSE],
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "APPLICATION",
    }
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"cni-ptp-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/cni-ptp-{version}-{digest}",
        "creationInfo": {"created": _CREATED, "creators": [f"Tool: cni-ptp-build-{version}"]},
        "packages": [package],
        "files": files,
        "relationships": _relationships(files),
    }
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def _file(number: int, path: str, content: bytes) -> dict[str, object]:
    return {
        "SPDXID": f"SPDXRef-File-{number}",
        "fileName": f"./{path}",
        "fileTypes": ["SOURCE" if path.endswith(".py") else "TEXT"],
        "checksums": [
            {"algorithm": "SHA1", "checksumValue": hashlib.sha1(content).hexdigest()},  # noqa: S324
            {"algorithm": "SHA256", "checksumValue": hashlib.sha256(content).hexdigest()},
        ],
        "licenseConcluded": _LICENSE,
        "licenseInfoInFiles": ["NOASSERTION"],
        "copyrightText": "NOASSERTION",
    }


def _relationships(files: list[dict[str, object]]) -> list[dict[str, object]]:
    describes = ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Package")
    contains = [("SPDXRef-Package", "CONTAINS", file["SPDXID"]) for file in files]
    return [
        {"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in [describes, *contains]
    ]
