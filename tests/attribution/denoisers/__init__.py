"""Tests of the kinds of denoiser."""
