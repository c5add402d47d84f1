"""Recurrences in files: one step of each as the stages read it, and the loop that a file has."""
