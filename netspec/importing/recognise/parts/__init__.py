"""Values taken apart, for whoever writes steps: maps cut into parts, layers at every place by their rows."""
