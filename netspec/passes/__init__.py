"""Graph to graph: what the deployed net leaves out."""
