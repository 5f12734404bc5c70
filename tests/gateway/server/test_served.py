"""From a provider and its models back to the routes that lead there."""

from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.server.served import Served, Serving
from tests.support.admin import table_of
from tests.support.gateway import provider, route

MODELS = [{"name": "small"}, {"name": "large"}]


def served(*documents: str) -> Served:
    return Served(table_of(*documents))


def test_targets_that_name_a_model() -> None:
    found = served(
        provider("a"),
        provider("b"),
        route("one", "a/small", "b/small", models=("one",)),
        route("two", "a/small", "a/large", models=("two",)),
    )
    assert found.routes_to("default/a", "small") == ["default/one", "default/two"]
    assert found.routes_to("default/a", "large") == ["default/two"]
    assert found.routes_to("default/b", "large") == found.routes_to("default/c", "small") == []
    assert found.routes_of("default/a") == ["default/one", "default/two"]
    assert found.routes_of("default/b") == ["default/one"]
    assert found.routes_of("default/c") == []
    assert found.models_of("default/a") == {"small", "large"}
    assert not found.takes_any_model("default/a")


def test_targets_that_pass_the_requested_name_on() -> None:
    found = served(
        provider("a", models=[*MODELS, {"name": "gpt-4"}]),
        provider("b"),
        route("rest", "a", models=("*", "exact")),
        route("some", "a", "b", models=("gpt-*",)),
    )
    assert found.routes_to("default/a", "gpt-5") == ["default/some"]
    assert found.routes_to("default/a", "other") == found.routes_to("default/a", "exact") == ["default/rest"]
    assert found.routes_to("default/b", "gpt-5") == ["default/some"]
    assert found.routes_to("default/b", "other") == []
    assert found.models_of("default/a") == {"exact", "small", "large", "gpt-4"}
    assert found.named_models("default/a") == {"exact"}
    assert found.models_of("default/b") == set()
    assert found.takes_any_model("default/a")
    assert found.takes_any_model("default/b")


def test_a_name_that_another_route_serves_does_not_come_through() -> None:
    found = served(provider("a"), route("rest", "a", models=("*",)), route("mine", "a/small", models=("chat",)))
    assert found.routes_to("default/a", "chat") == []
    assert found.routes_to("default/a", "small") == ["default/mine", "default/rest"]


def test_exact_names_are_not_chosen_by_callers() -> None:
    found = served(provider("a"), route("one", "a", models=("one", "two")))
    assert found.models_of("default/a") == {"one", "two"}
    assert not found.takes_any_model("default/a")


def test_routes_without_targets_ask_who_offers_a_name_of_theirs() -> None:
    found = served(
        provider("a", models=MODELS),
        provider("b", models=[{"name": "tiny"}]),
        route("auto", models=("large", "huge")),
        route("prefix", models=("sm*",)),
    )
    assert found.routes_of("default/a") == ["default/auto", "default/prefix"]
    assert found.routes_to("default/a", "large") == ["default/auto"]
    assert found.routes_to("default/a", "small") == ["default/prefix"]
    assert found.models_of("default/a") == {"small", "large"}
    assert found.routes_of("default/b") == []
    assert found.models_of("default/b") == set()
    assert not found.takes_any_model("default/a")


def test_providers_by_their_names() -> None:
    found = served(provider("a"), provider("b"), route("one", "a/small", "b/small"))
    assert {name: one.label for name, one in found.providers.items()} == {"default/a": "a", "default/b": "b"}


def test_what_is_served_is_looked_up_once_a_table() -> None:
    table: RoutingTable | None = None
    serving = Serving(lambda: table)
    assert serving.now() is None
    table = table_of(provider("a"), route("one", "a/small"))
    first = serving.now()
    assert first is not None
    assert first is serving.now()
    table = table_of(provider("b"), route("one", "b/small"))
    second = serving.now()
    assert second is not None
    assert (set(first.providers), set(second.providers)) == ({"default/a"}, {"default/b"})
