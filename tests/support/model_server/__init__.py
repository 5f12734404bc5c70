"""A model server for tests: real HTTP, each provider's wire shape by that provider's reference, and a model made of
rules behind all of them.

It shares no code with the gateway, so that an error in how the gateway understands a provider is not made twice. It
knows nothing of the tests: it answers whatever it is asked, the same each time.

    python -m tests.support.model_server
"""
