"""Types of tensors: rows of a batch and of the parts of maps, and shapes that look like images."""

from __future__ import annotations

import pytest

from netspec.sizes.batch import SAMPLES, SHARED, Batch, Cut, common
from netspec.sizes.dims import Dim, symbol
from netspec.sizes.shapes import TensorType, batch_first, channels_last, numel, strides

H, W = symbol("H"), symbol("W")
REGIONS = Batch("R")
CUT = Cut((7, 5), (2, 3), (14, 15))
OPEN = Cut((7, W), (H // 7, 2), (H, 2 * W), spaced=True, shift=(3, 0))


def test_rows_meet_where_they_are_of_one_kind_or_for_all() -> None:
    assert common([]) == SHARED
    assert common([SHARED, SHARED]) == SHARED
    assert common([SHARED, SAMPLES, SAMPLES]) == SAMPLES
    assert common([REGIONS, SHARED]) == REGIONS
    assert common([SAMPLES, REGIONS]) is None
    assert common([SAMPLES, SAMPLES.cut(CUT)]) is None


@pytest.mark.parametrize(
    ("batch", "rows", "size", "text"),
    [
        (SAMPLES, 5, 5, "N"),
        (SHARED, 1, 1, "1"),
        (REGIONS, 4, "R", "R"),
        (SAMPLES.cut(CUT), 30, 30, "N*6"),
        (SHARED.cut(CUT), 6, 6, "6"),
        (REGIONS.cut(CUT), 24, "R*6", "R*6"),
        (SAMPLES.cut(CUT).cut(CUT), 180, 180, "N*36"),
    ],
)
def test_a_batch_has_a_row_for_each_part_of_each(
    batch: Batch, rows: int, size: Dim | str, text: str
) -> None:
    assert batch.rows({"R": 4}, 5) == rows
    assert batch.size(5) == size
    assert str(batch) == text
    assert batch.size(None) == (size if batch.symbol == "" else text)
    assert batch.rows({}) == rows // (5 if batch.symbol == "N" else 4 if batch.symbol else 1)


def test_parts_of_an_open_map_are_counted_by_a_formula() -> None:
    batch = SAMPLES.cut(OPEN)
    assert batch.parts == 2 * (H // 7)
    assert str(batch) == "N*(2*floor(H/7))"
    assert batch.size(3) == "6*floor(H/7)"
    given = batch.with_symbols({"H": 21, "W": 4})
    assert given.cuts == (Cut((7, 4), (3, 2), (21, 8), spaced=True, shift=(3, 0)),)
    assert given.rows({}, 2) == 12
    assert given.exact != batch.exact
    assert TensorType((3, H), batch).with_symbols({"H": 21, "W": 4}) == TensorType((3, 21), given)


@pytest.mark.parametrize(
    "other",
    [
        Cut((5, 7), (2, 3), (14, 15)),
        Cut((7, 5), (3, 2), (14, 15)),
        Cut((7, 5), (2, 3), (15, 14)),
        Cut((7, 5), (2, 3), (14, 15), spaced=True),
        Cut((7, 5), (2, 3), (14, 15), shift=(1, 0)),
    ],
)
def test_cuts_that_differ_in_anything_are_told_apart(other: Cut) -> None:
    assert other.exact != CUT.exact
    assert SAMPLES.cut(other).exact != SAMPLES.cut(CUT).exact


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ((224, 200, 3), (3, 224, 200)),
        ((5, 5, 3), (3, 5, 5)),
        ((28, 28, 1), (1, 28, 28)),
        ((64, 64, 4), (4, 64, 64)),
        ((64, 32, 4), None),
        ((64, 32, 1), None),
        ((64, 64, 2), None),
        ((4, 224, 3), None),
        ((224, 4, 3), None),
        ((3, 224, 224), None),
        ((224, 224), None),
        ((H, 224, 3), None),
    ],
)
def test_an_image_with_its_channels_last_is_known_by_their_number(
    sizes: tuple[Dim, ...], found: tuple[int, ...] | None
) -> None:
    assert channels_last(sizes) == found


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ((1, 3, 224, 224), (3, 224, 224)),
        ((8, 1, 5, 5), (1, 5, 5)),
        ((8, 1, 4, 4), None),
        ((8, 4, 9, 9), None),
        ((8, 3, 9, 8), None),
        ((3, 9, 9), None),
        ((2, 3, H, H), None),
    ],
)
def test_a_batch_before_an_image_is_known_by_the_image(
    sizes: tuple[Dim, ...], found: tuple[int, ...] | None
) -> None:
    assert batch_first(sizes) == found


def test_a_type_says_its_sizes() -> None:
    tensor = TensorType((3, H, W + 1))
    assert str(tensor) == "3xHx[W + 1]"
    assert str(TensorType(())) == "scalar"
    assert str(TensorType((7,), ids=9)) == "7 ids(9)"
    assert (tensor.channels, tensor.spatial, TensorType(()).channels) == (3, (H, W + 1), 1)
    assert tensor.elements == numel((3, H, W + 1))
    assert tensor.with_shape(2, 4) == TensorType((2, 4))
    assert TensorType((7,), REGIONS).with_shape(2).batch == REGIONS


@pytest.mark.parametrize(
    ("large", "small", "stride"),
    [((8, 8), (4, 4), 2), ((8, 9), (4, 3), (2, 3)), ((8,), (8,), 1), ((), (), 1)],
)
def test_the_stride_between_maps_is_one_number_where_axes_agree(
    large: tuple[int, ...], small: tuple[int, ...], stride: object
) -> None:
    assert strides(TensorType((3, *large)), TensorType((5, *small))) == stride


def test_ids_are_whole_numbers_and_all_else_is_not() -> None:
    assert TensorType((3, 8)).dtype == "float32"
    assert TensorType((7,), ids=9).dtype == "int64"
