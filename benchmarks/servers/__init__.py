"""Servers that run in separate processes during a measurement: stubs of both services, and a minimal Python proxy."""
