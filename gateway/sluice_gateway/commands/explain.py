"""``sluice explain``: what a request would meet, and why, without sending it."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from sluice_gateway.calls import parse
from sluice_gateway.errors import CallerError
from sluice_gateway.routing.explain import Explanation, explain
from sluice_gateway.routing.table import build_table
from sluice_gateway.upstream import LeanUpstream
