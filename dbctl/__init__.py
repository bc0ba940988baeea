"""Database operations beside a Python application: migrate, seed, health and inspect."""

__version__ = "0.1.0"
