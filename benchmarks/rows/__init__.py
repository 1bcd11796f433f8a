"""The rows of RESULTS.md, one module each; `measure` returns Findings."""
