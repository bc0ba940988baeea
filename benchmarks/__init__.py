"""Benchmarks: `uv run python -m benchmarks.<name>` in the root of the project."""
