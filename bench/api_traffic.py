"""What a Kubernetes API server has counted itself: writes, the bytes of their bodies, and bytes that it gave to read.

The Leases' are left out: each replica of an operator renews one all the time. So is what is about no object, such as
the metrics themselves.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

_WRITING = {"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}
_LEFT_OUT = {"", "leases"}
_SAMPLE = re.compile(
    r"^apiserver_(request_total|request_body_size_bytes_sum|response_sizes_sum)\{(.*)\} (\S+)$", re.MULTILINE
)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Traffic:
    """Since the server has started, or the difference of two such. ``writes`` by "resource" or "resource/subresource".

    The bytes are by resource: those of written bodies, and those of answers to GET and LIST, uncompressed.
    """

    writes: Counter[str] = field(default_factory=Counter)
    written_bytes: Counter[str] = field(default_factory=Counter)
    read_bytes: Counter[str] = field(default_factory=Counter)

    @classmethod
    def parse(cls, metrics: str) -> Self:
        """From what the server has at /metrics."""
        traffic = cls()
        for name, labels, value in _samples(metrics):
            resource = labels["resource"]
            if name == "request_total" and labels["verb"] in _WRITING:
                traffic.writes["/".join(filter(None, (resource, labels["subresource"])))] += value
            elif name == "request_body_size_bytes_sum":
                traffic.written_bytes[resource] += value
            elif name == "response_sizes_sum":
                traffic.read_bytes[resource] += value
        return traffic

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        return Traffic(
            self.writes - earlier.writes,
            self.written_bytes - earlier.written_bytes,
            self.read_bytes - earlier.read_bytes,
        )


def _samples(metrics: str) -> Iterator[tuple[str, dict[str, str], int]]:
    for name, labels, value in _SAMPLE.findall(metrics):
        found = dict(_LABEL.findall(labels))
        if found["resource"] not in _LEFT_OUT:
            yield name, found, int(float(value))
