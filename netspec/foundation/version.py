"""The version, where everything can read it and the package's build does."""

__version__ = "0.1.0"
