"""Scales, shifts and kernels put together, as recipes."""

from __future__ import annotations

from dataclasses import replace

from netspec.ops.declare.linear import (
    Constant,
    Contracted,
    Kernel,
    Linear,
    Part,
    Product,
    Scaling,
    Sum,
    Vector,
)


def product(left: Vector, right: Vector) -> Vector:
    """left * right."""
    if isinstance(left, Constant) and isinstance(right, Constant):
        return Constant(left.value * right.value)
    return Product((left, right))


def total(left: Vector | None, right: Vector | None) -> Vector | None:
    """left + right, where there are both."""
    if left is None or right is None:
        return right if left is None else left
    if isinstance(left, Constant) and isinstance(right, Constant):
        return Constant(left.value + right.value)
    return Sum((left, right))


def after(first: Scaling, second: Scaling) -> Scaling:
    """What the second makes of the first: scale2 * (scale1 * x + shift1) + shift2."""
    shift = None if first.shift is None else product(first.shift, second.scale)
    return Scaling(product(first.scale, second.scale), total(shift, second.shift))


def section(scaling: Scaling, start: int, stop: int) -> Scaling:
    """The scale and shift of some of the channels."""

    def cut(vector: Vector) -> Vector:
        return vector if isinstance(vector, Constant) else Part(vector, start, stop)

    return Scaling(cut(scaling.scale), None if scaling.shift is None else cut(scaling.shift))


def scaled(linear: Linear, scaling: Scaling) -> Linear:
    """A layer whose outputs are scaled and shifted."""
    terms = tuple(replace(term, rows=(*term.rows, scaling.scale)) for term in linear.kernel.terms)
    bias = None if linear.bias is None else product(linear.bias, scaling.scale)
    kernel = Kernel(linear.kernel.layout, terms)
    return replace(linear, kernel=kernel, bias=total(bias, scaling.shift))


def fed(linear: Linear, scaling: Scaling) -> Linear:
    """A layer whose inputs are scaled and shifted. The shift needs every tap in every place."""
    terms = tuple(
        replace(term, columns=(*term.columns, scaling.scale)) for term in linear.kernel.terms
    )
    shift = None if scaling.shift is None else Contracted(linear.kernel, scaling.shift)
    kernel = Kernel(linear.kernel.layout, terms)
    return replace(linear, kernel=kernel, bias=total(linear.bias, shift))
