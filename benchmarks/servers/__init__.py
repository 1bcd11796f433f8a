"""What runs in processes of its own while something is measured: stubs of both services, and the Python floor."""
