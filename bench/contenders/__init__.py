"""What is measured: Sluice, and relays that do nothing but relay, to tell its features' cost from the platform's."""
