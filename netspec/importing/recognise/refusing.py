"""What rules raise for what no operator says."""


class Unsaid(Exception):
    """What no operator says: why."""
