"""Operators over the places of a map: windows that slide, borders, resizing, regions."""
