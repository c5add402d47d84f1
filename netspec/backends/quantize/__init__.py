"""Eight bits: a lowered model in, one with QuantizeLinear and DequantizeLinear nodes out.

Ranges come from samples; what only moves numbers has one scale; what costs accuracy stays in fp32.
"""
