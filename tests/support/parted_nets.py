"""Nets that keep parts of maps in the batch, as other people's libraries write them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


def parted(x: Any, h: int, w: int) -> Any:
    """(N, H, W, C) as windows (N * parts, h, w, C)."""
    n, height, width, c = x.shape
    x = x.view(n, height // h, h, width // w, w, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, h, w, c)


class Heads(nn.Module):
    """Attention of (N, T, C) to itself behind a norm, with a shortcut."""

    def __init__(self, c: int = 8) -> None:
        super().__init__()
        self.norm, self.qkv, self.proj = nn.LayerNorm(c), nn.Linear(c, 3 * c), nn.Linear(c, c)

    def forward(self, x: Any) -> Any:
        """The same shape."""
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, t, 3, 2, -1).permute(2, 0, 3, 1, 4)
        seen = (q @ k.transpose(-2, -1) * (c // 2) ** -0.5).softmax(-1)
        return x + self.proj((seen @ v).transpose(1, 2).reshape(n, t, c))


class Shifted(nn.Module):
    """Swin's attention: windows of a map that is padded and rolled, masked, with a table of offsets."""

    mask: Any

    def __init__(
        self,
        window: tuple[int, int] = (4, 4),
        shift: tuple[int, int] = (2, 2),
        size: tuple[int, int] = (8, 8),
        *,
        masked: bool = True,
    ) -> None:
        super().__init__()
        (h, w), heads, c = window, 2, 8
        self.window, self.shift = window, shift
        self.whole = tuple(-(-s // p) * p for s, p in zip(size, window, strict=True))
        self.stem, self.norm = nn.Conv2d(3, c, 1), nn.LayerNorm(c)
        self.qkv, self.proj = nn.Linear(c, 3 * c), nn.Linear(c, c)
        self.table = nn.Parameter(torch.randn((2 * h - 1) * (2 * w - 1), heads))
        at = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))
        off = at.flatten(1)[:, :, None] - at.flatten(1)[:, None]
        self.register_buffer("index", (off[0] + h - 1) * (2 * w - 1) + off[1] + w - 1)
        places = torch.zeros(1, *self.whole, 1)
        for axis, (part, step) in enumerate(zip(window, shift, strict=True), 1):
            ends = torch.arange(self.whole[axis - 1])
            region = (ends >= self.whole[axis - 1] - part).int()
            region = region + (ends >= self.whole[axis - 1] - step).int()
            wide = [1] * 4
            wide[axis] = -1
            places = 3 * places + region.view(wide)
        flat = parted(places, h, w).view(-1, h * w)
        apart = (flat[:, None] != flat[:, :, None]) * -100.0
        self.register_buffer("mask", apart if masked else None)

    def forward(self, x: Any) -> Any:
        """(N, 3, H, W) to (N, 8, H, W)."""
        x = self.stem(x).permute(0, 2, 3, 1)
        (h, w), (height, width), size = self.window, self.whole, x.shape[1:3]
        y = F.pad(self.norm(x), (0, 0, 0, width - size[1], 0, height - size[0]))
        if any(self.shift):
            y = torch.roll(y, (-self.shift[0], -self.shift[1]), (1, 2))
        y = parted(y, h, w).view(-1, h * w, y.shape[-1])
        b, t, c = y.shape
        q, k, v = self.qkv(y).reshape(b, t, 3, 2, -1).permute(2, 0, 3, 1, 4)
        scores = (q * (c // 2) ** -0.5) @ k.transpose(-2, -1)
        scores = scores + self.table[self.index.view(-1)].view(t, t, -1).permute(2, 0, 1)
        if self.mask is not None:
            m = len(self.mask)
            scores = scores.view(b // m, m, 2, t, t) + self.mask[None, :, None]
            scores = scores.view(-1, 2, t, t)
        y = self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c))
        y = y.view(-1, height // h, width // w, h, w, c)
        y = y.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, c)
        if any(self.shift):
            y = torch.roll(y, self.shift, (1, 2))
        return (x + y[:, : size[0], : size[1]]).permute(0, 3, 1, 2)


class Spaced(nn.Module):
    """MaxViT's grid: places apart, by einsum, the parts in an axis of their own."""

    def __init__(self, size: int = 4) -> None:
        super().__init__()
        self.stem, self.qkv, self.merge = nn.Conv2d(3, 8, 1), nn.Linear(8, 24), nn.Linear(8, 8)
        self.size = size

    def forward(self, x: Any) -> Any:
        """(N, 3, H, W) to (N, 8, H, W)."""
        x = self.stem(x)
        (n, c, height, width), p = x.shape, self.size
        y = x.reshape(n, c, p, height // p, p, width // p).permute(0, 3, 5, 2, 4, 1)
        y = y.reshape(n, -1, p * p, c)
        parts = [t.reshape(n, -1, p * p, 2, c // 2) for t in self.qkv(y).chunk(3, -1)]
        q, k, v = (t.permute(0, 1, 3, 2, 4) for t in parts)
        seen = torch.einsum("B G H I D, B G H J D -> B G H I J", q, k * 0.5).softmax(-1)
        z = torch.einsum("B G H I J, B G H J D -> B G H I D", seen, v)
        y = y + self.merge(z.permute(0, 1, 3, 2, 4).reshape(n, -1, p * p, c))
        y = y.reshape(n, height // p, width // p, p, p, c).permute(0, 5, 3, 1, 4, 2)
        return y.reshape(n, c, height, width)


class Patches(nn.Module):
    """MobileViT's: the pixels at one place of all patches, folded by way of the channels."""

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.stem, self.heads, self.size = nn.Conv2d(3, 8, 1), Heads(), size
        self.last = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: Any) -> Any:
        """(N, 3, H, W) to (N, 4, H, W)."""
        x = self.stem(x)
        (n, c, height, width), p = x.shape, self.size
        h, w = height // p, width // p
        y = x.reshape(n * c * h, p, w, p).transpose(1, 2).reshape(n, c, h * w, p * p)
        y = self.heads(y.transpose(1, 3).reshape(n * p * p, h * w, c))
        y = y.view(n, p * p, h * w, -1).transpose(1, 3).reshape(n * c * h, w, p, p)
        return self.last(y.transpose(1, 2).reshape(n, c, height, width))


class Axial(nn.Module):
    """Columns, then rows; the samples before or behind them."""

    def __init__(self, behind: bool = False) -> None:
        super().__init__()
        self.stem, self.one, self.two, self.behind = nn.Conv2d(3, 8, 1), Heads(), Heads(), behind

    def forward(self, x: Any) -> Any:
        """(N, 3, H, W) to (N, 8, H, W)."""
        x = self.stem(x)
        n, c, height, width = x.shape
        if self.behind:
            y = self.one(x.permute(3, 0, 2, 1).reshape(width * n, height, c))
            y = y.reshape(width, n, height, c).permute(1, 2, 0, 3)
        else:
            y = self.one(x.permute(0, 3, 2, 1).reshape(n * width, height, c))
            y = y.reshape(n, width, height, c).transpose(1, 2)
        y = self.two(y.reshape(n * height, width, c))
        return y.reshape(n, height, width, c).permute(0, 3, 1, 2)


class Frames(nn.Module):
    """A net of images on every frame, then a recurrence over them."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.over, self.head = nn.GRU(8, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        """(N, T, 3, H, W) to (N, 3)."""
        y = self.net(x.flatten(0, 1)).view(*x.shape[:2], -1)
        return self.head(self.over(y)[0][:, -1])


class Divided(nn.Module):
    """TimeSformer's: attention over time, then over space."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.time, self.space = nn.Conv2d(3, 8, 4, 4), Heads(), Heads()

    def forward(self, x: Any) -> Any:
        """(N, T, 3, H, W) to (N, 8)."""
        n, t = x.shape[:2]
        y = self.patch(x.flatten(0, 1)).flatten(2).transpose(1, 2)
        p, c = y.shape[1:]
        y = y.reshape(n, t, p, c).transpose(1, 2).reshape(n * p, t, c)
        y = self.time(y).reshape(n, p, t, c).transpose(1, 2).reshape(n * t, p, c)
        return self.space(y).reshape(n, t * p, c).mean(1)


class Convolved(nn.Module):
    """A convolution in windows, which get smaller by it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 5, 3, 2, 1)

    def forward(self, x: Any) -> Any:
        """(N, 3, H, W) to (N, 5, H / 2, W / 2)."""
        x = self.stem(x)
        n, c, height, width = x.shape
        y = x.view(n, c, height // 4, 4, width // 4, 4).permute(0, 2, 4, 1, 3, 5)
        y = self.conv(y.reshape(-1, c, 4, 4)).relu()
        y = y.view(n, height // 4, width // 4, 5, 2, 2).permute(0, 3, 1, 4, 2, 5)
        return y.reshape(n, 5, height // 2, width // 2)


class Apart(nn.Module):
    """Windows along one axis, places apart along the other, counted column by column."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.heads = nn.Conv2d(3, 8, 1), Heads()

    def forward(self, x: Any) -> Any:
        """(N, 3, H, W) to (N, 8, H, W)."""
        x = self.stem(x)
        n, c, height, width = x.shape
        y = x.view(n, c, height // 4, 4, 2, width // 2).permute(0, 5, 2, 3, 4, 1)
        y = self.heads(y.reshape(-1, 8, c)).view(n, width // 2, height // 4, 4, 2, c)
        return y.permute(0, 5, 2, 3, 4, 1).reshape(n, c, height, width)


class Groups(nn.Module):
    """Groups of channels as samples of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Any) -> Any:
        """(N, 3, H, W) to (N, 8, H, W)."""
        x = self.stem(x)
        y = x.reshape(x.shape[0] * 2, -1, *x.shape[2:])
        return (y * self.conv(y).sigmoid()).reshape(x.shape)


class Cosine(nn.Module):
    """Swin V2's scores: of queries and keys of length one, with a trained scale for each head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.qkv, self.proj = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 24), nn.Linear(8, 8)
        self.scale = nn.Parameter(torch.tensor([2.0, 3.0]).view(2, 1, 1))

    def forward(self, x: Any) -> Any:
        """(N, 3, H, W) to (N, 8)."""
        x = self.stem(x).flatten(2).transpose(1, 2)
        n, t, c = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, 2, -1).permute(2, 0, 3, 1, 4)
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        seen = (scores * self.scale.clamp(max=4.6052).exp()).softmax(-1)
        return self.proj((seen @ v).transpose(1, 2).reshape(n, t, c)).mean(1)


class ByHeads(nn.Module):
    """CoAtNet's: queries, keys and values of each head side by side, of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.qkv = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 24, 1)
        self.proj = nn.Conv2d(8, 6, 1)

    def forward(self, x: Any) -> Any:
        """(N, 3, H, W) to (N, 6, H / 2, W / 2)."""
        x = self.stem(x)
        n, c, height, width = x.shape
        q, k, v = self.qkv(x).view(n, 2, 12, -1).chunk(3, 2)
        seen = (q.transpose(-2, -1) @ k * 0.5).softmax(-1)
        return self.proj((v @ seen.transpose(-2, -1)).view(n, c, height, width)).relu()


class Merging(nn.Module):
    """Swin's merging: every second row and column, joined along the channels."""

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) to (N, 4 C, H / 2, W / 2)."""
        x = x.permute(0, 2, 3, 1)
        pieces = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return F.relu(torch.cat(pieces, -1)).permute(0, 3, 1, 2)
