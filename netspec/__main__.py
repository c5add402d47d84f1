"""`python -m netspec`."""

from netspec.cli import run

run()
