"""The service, fuzzed by its own document before a real engine; ``scripts/fuzz`` prepares what it needs."""
