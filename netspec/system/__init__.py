"""What touches the machine: files written whole or not at all, and which packages are installed.

No stage of the compiler.
"""
