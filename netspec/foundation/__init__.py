"""What every stage is made with: records, the version, the garbage collector.

Nothing here knows of nets.
"""
