"""`python -m netspec`."""

from netspec.cli.main import run

run()
