"""Tests of adapters on a text-to-image base."""
