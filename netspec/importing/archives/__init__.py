"""Archives of `torch.export` to modules, without torch's own reader, which evaluates what they hold.

An archive is a zip of JSON and of numbers. Its graph is read as a list of calls: each must be of an operator
of the list in `operators`, its arguments numbers, words, sizes and tensors made before. No expression is
evaluated, nothing is unpickled but tensors, by the reader of checkpoints, and nothing runs before the size
of every tensor is known.
"""
