"""How each provider is spoken to: facts about vendors as data, wire shapes as pure adapters, and the built-in mock."""
