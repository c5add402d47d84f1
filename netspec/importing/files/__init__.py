"""An ONNX file to a flat program of plain nodes, with every size known and constants computed.

Files come from anywhere: what they claim is checked before anything is computed, and nothing of them is
run but the arithmetic of small constants.
"""
