"""Where a net's numbers come from: drawn from a seed, or given by name. No files of others."""
