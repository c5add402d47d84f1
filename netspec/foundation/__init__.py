"""What every stage is made with and knows nothing of nets: records, the version, the garbage collector."""
