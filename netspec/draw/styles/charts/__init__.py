"""Nets to charts, by matplotlib: one module a chart, `chart` draws and saves them."""

from netspec.system.extras import need

need("matplotlib", "a chart")
