"""Pictures and documents as they stand in requests."""

import base64
import binascii
import re

from tests.support.model_server.conversation import Media

_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=-]+)*;base64,(.*)", re.DOTALL)
_SIGNS = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
    "application/pdf": (b"%PDF-",),
}


class NotMedia(ValueError):
    """Data that is not what it is said to be."""


def decoded(data: str, media_type: str) -> Media:
    """Base64 data of a type; raises NotMedia when it is broken, or another type's."""
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise NotMedia("the data is not valid base64") from None
    signs = _SIGNS.get(media_type)
    if signs and not content.startswith(signs):
        raise NotMedia(f"the data does not look like {media_type}")
    return Media(media_type, len(content))


def at(url: str, kind: str) -> Media:
    """A data URI, read; or an address, which is not fetched. Raises NotMedia."""
    if not url.startswith("data:"):
        if not url.startswith(("https://", "http://")):
            raise NotMedia(f"not a valid URL: {url[:40]}")
        return Media(kind)
    found = _DATA.fullmatch(url)
    if found is None or not found[1]:
        raise NotMedia("not a valid data URI")
    return decoded(found[2], found[1])
