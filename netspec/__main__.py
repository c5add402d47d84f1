"""`python -m netspec`."""

from netspec.cli.start import run

run()
