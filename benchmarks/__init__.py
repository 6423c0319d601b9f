"""What the exporter costs, measured on the real process against a simulated Airbyte: ``make bench``.

No test: it never fails because something is slow, only because something does not work.
"""
