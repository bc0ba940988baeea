"""What runs a project's env.py."""
