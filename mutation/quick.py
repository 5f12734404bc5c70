"""A plugin of pytest for runs on mutants: the tests' own examples, but fewer, and no failing one is made smaller."""

from hypothesis import Phase, settings

settings.register_profile(
    "mutants", derandomize=True, deadline=None, database=None, max_examples=15, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("mutants")
