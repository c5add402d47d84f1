"""What is computed of ids: tables of what follows from each alone, places that are counted, the largest."""
