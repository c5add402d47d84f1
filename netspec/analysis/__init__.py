"""Graph to figures: costs, memory, receptive fields, and the tables that show them.

No numbers flow through a net here, and no picture is drawn.
"""
