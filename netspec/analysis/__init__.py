"""Graph to figures: costs, memory, receptive fields, and the tables that show them."""
