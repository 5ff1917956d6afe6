"""Coverage-guided fuzz harnesses; `make test-all` runs each for a bounded time."""
