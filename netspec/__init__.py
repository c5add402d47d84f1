"""netspec: say what a neural network is in a few lines; check it, compile it, run it, draw it."""

__version__ = "0.1.0"
