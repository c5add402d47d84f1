"""Deploying: an ONNX file of a net becomes a model that an inference server takes.

In comes a checked graph, out go folders of files for programs that serve. No server is written here,
and none is needed to write them.
"""
