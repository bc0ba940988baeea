"""Rows from files: JSON, NDJSON and CSV into a table."""
