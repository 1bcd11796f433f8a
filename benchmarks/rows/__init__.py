"""The rows of RESULTS.md, a module each: `measure` gives Findings."""
