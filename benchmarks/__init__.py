"""What this server costs, beside its peers: `benchmarks/run`."""
