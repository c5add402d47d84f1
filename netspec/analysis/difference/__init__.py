"""Two checked graphs in; out comes what is different, at the lines of their specs. No text is made here
that a command prints, and nothing is read.
"""
