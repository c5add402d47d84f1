"""Files to tensors by name: one module a format, told by its first bytes in `files`.

Whose tensor is whose is not asked here.
"""
