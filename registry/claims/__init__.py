"""Claims: somebody asserts that works are theirs; somebody here decides."""
