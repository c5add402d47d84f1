"""Images and their classes for `train.py`: scikit-learn's digits, folders of image files, arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset, Subset, TensorDataset, random_split

import netspec
from netspec.analysis.preprocessing import preprocessings
from netspec.backends.images import read_image
from netspec.backends.runtime import InputInfo


class Photos(Dataset):
    """The images in folders, one for each class."""

    def __init__(self, folder: Path, net: netspec.Net) -> None:
        kinds = sorted(place for place in folder.iterdir() if place.is_dir())
        self.files = [(p, i) for i, kind in enumerate(kinds) for p in sorted(kind.iterdir())]
        node = net.graph.inputs[0]
        how = preprocessings(net.graph).get(node.path)
        self.info = InputInfo(node.path, ("N", *node.types[0].shape), "<f4", how)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, kind = self.files[index]
        return torch.from_numpy(read_image(self.info, str(path), lambda note: None)[0]), kind


class Moved(Dataset):
    """Images moved by up to a sixteenth of their size, as the seed says; mirrored half the time."""

    def __init__(self, data: Subset, seed: int, mirror: bool = False) -> None:
        self.data, self.mirror = data, mirror
        self.moves = torch.rand(len(data), 3, generator=torch.Generator().manual_seed(seed))

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        image, kind = self.data[index]
        down, right, turned = self.moves[index].tolist()
        height, width = image.shape[-2:]
        far = min(height, width) // 16
        image = F.pad(image[None], (far,) * 4, mode="replicate")[0]
        image = image.narrow(-2, round(2 * far * down), height)
        image = image.narrow(-1, round(2 * far * right), width)
        return (image.flip(-1) if self.mirror and turned < 0.5 else image), kind


def digits(height: int, width: int) -> TensorDataset:
    """scikit-learn's 1,797 handwritten digits, enlarged from 8x8, from -1 to 1."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = torch.from_numpy(found.images.astype(np.float32) / 8 - 1)[:, None]
    images = F.interpolate(images, size=(height, width), mode="bilinear", align_corners=False)
    return TensorDataset(images, torch.from_numpy(found.target))


def read(data: str, net: netspec.Net, seed: int) -> list[Subset]:
    """Pairs of an image and its class: what is trained on, and the fifth that is held out."""
    sizes = net.graph.inputs[0].types[0].shape
    if data == "digits":
        found: Any = digits(*sizes[-2:])
        count = 10
    elif Path(data).is_dir():
        found = Photos(Path(data), net)
        count = found.files[-1][1] + 1 if found.files else 0
    elif Path(data).is_file():
        with np.load(data) as file:
            images, labels = file["images"].astype(np.float32), file["labels"].astype(np.int64)
        found = TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
        count = int(labels.max()) + 1
    else:
        raise click.UsageError(f"there is no {data}")
    if not count:
        raise click.UsageError(f"{data} holds no folders of images")
    _check(tuple(found[0][0].shape), tuple(sizes), count, net)
    return random_split(found, [0.8, 0.2], torch.Generator().manual_seed(seed))


def _check(image: tuple[int, ...], sizes: tuple[Any, ...], count: int, net: netspec.Net) -> None:
    (output,) = net.graph.outputs[:1]
    given = output.value.type.shape
    if len(net.graph.inputs) > 1 or len(net.graph.outputs) > 1 or len(given) > 1:
        raise click.UsageError(f"{net.name} does not give the classes of one image")
    if image != sizes:
        told = ["x".join(map(str, shape)) for shape in (sizes, image)]
        raise click.UsageError(f"{net.name} takes {told[0]}, the images are {told[1]}: see --input")
    if given[0] < count:
        raise click.UsageError(f"{net.name} gives {given[0]} classes, there are {count}: see --set")
