"""From all resources of a gateway to its Snapshot and findings: pure, and independent of the input's order."""

from sluice_config.compile.by_gateway import ByGateway
from sluice_config.compile.inputs import Gateway, Resources, RoutesFrom
from sluice_config.compile.result import Compiled, compile_resources

__all__ = ["ByGateway", "Compiled", "Gateway", "Resources", "RoutesFrom", "compile_resources"]
