"""Writes docs/gallery.md and the pictures in docs/images: `python docs/make_gallery.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netspec.cli.shared.shipped import charted
from netspec.draw import CHARTS, draw
from netspec.elaborate.build import build
from netspec.syntax.files import read_spec

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """One picture of the gallery: its file, what it shows, and how it is asked for."""

    name: str
    text: str
    specs: tuple[str, ...]
    style: str = "fold"
    choices: dict[str, Any] = field(default_factory=dict)

    def content(self) -> str:
        named = [build(read_spec(name)) for name in self.specs]
        graphs, challenge = (named, "") if named else charted(self.style)
        theme = "light" if self.style in CHARTS else "auto"
        choices = {**self.choices, "challenge": challenge}
        return str(draw(graphs, style=self.style, theme=theme, **choices))

    @property
    def command(self) -> str:
        given = [f"--{key} {value}" for key, value in self.choices.items()]
        style = [] if self.style == "fold" else [f"--style {self.style}"]
        return " ".join(["netspec draw", *self.specs, *style, *given, f"-o {self.name}.svg"])


PICTURES = (
    Picture(
        "lenet5_volumes",
        "Stacks of planes, a plane for each map, with the windows of the layers between. Compare "
        "Figure 2 of LeCun et al. 1998.",
        ("lenet5_1998",),
        "volumes",
    ),
    Picture(
        "alexnet_volumes",
        "Two towers as two rows; where both read both, their lines cross. Compare Figure 2 of "
        "Krizhevsky et al. 2012.",
        ("alexnet_two_gpu",),
        "volumes",
    ),
    Picture(
        "vgg16_volumes",
        "Slabs as thick as their channels; layers that follow themselves stand close together.",
        ("vgg16",),
        "volumes",
    ),
    Picture(
        "unet_volumes",
        "What is copied and cropped is white, beside what comes up from below. Compare Figure 1 of "
        "Ronneberger et al. 2015.",
        ("unet",),
        "volumes",
    ),
    Picture(
        "googlenet",
        "Nine inception modules, each with its four branches; the two training-only heads are "
        "dashed. Compare Figure 3 of Szegedy et al. 2015.",
        ("googlenet",),
    ),
    Picture(
        "resnet50",
        "Repeats are folded, and the note says how the first of a stage differs. Compare Table 1 "
        "of He et al. 2016.",
        ("resnet50",),
    ),
    Picture(
        "resnets",
        "VGG-19, a plain net and a ResNet aligned on resolution, as in Figure 3 of He et al. 2016. "
        "What takes more than a screen is folded, and goes on beside it.",
        ("vgg19", "plain34", "resnet34"),
        "columns",
    ),
    Picture(
        "vggs",
        "Columns A, A-LRN, B, C, D and E of Table 1 of Simonyan and Zisserman 2015.",
        ("vgg11", "vgg11_lrn", "vgg13", "vgg16_c", "vgg16", "vgg19"),
        "columns",
    ),
    Picture(
        "inceptions",
        "Two nets next to each other: an inception module without and with reductions. Compare "
        "Figure 2 of Szegedy et al. 2015.",
        ("inception_naive", "inception_reduced"),
    ),
    Picture(
        "residual_units",
        "A basic unit and a bottleneck. Compare Figure 5 of He et al. 2016.",
        ("blocks/basic", "blocks/bottleneck"),
    ),
    Picture(
        "inception_columns",
        "Skips, heads, names of blocks and widths of concatenations in columns.",
        ("googlenet",),
        "columns",
    ),
    Picture(
        "unet",
        "An encoder-decoder net is drawn as a U, its skips across. Compare Figure 1 of "
        "Ronneberger et al. 2015.",
        ("unet",),
    ),
    Picture("fcn8s", "The skips of FCN-8s score what they carry on the way.", ("fcn8s",)),
    Picture(
        "densenet121",
        "Dense blocks: each layer adds 32 channels and leads to all later ones. Compare Figure 1 of "
        "Huang et al. 2017.",
        ("densenet121",),
    ),
    Picture(
        "hrnet_w18",
        "A row for each resolution, a stage as high as all that it works at, and what a module does "
        "beside. Compare Figure 2 of Wang et al. 2020.",
        ("hrnet_w18",),
    ),
    Picture(
        "unetpp",
        "Each node reads all before it in its row and the one below. Compare Figure 1 of Zhou et al. "
        "2018.",
        ("unetpp",),
    ),
    Picture(
        "yolov8n", "A pyramid down, up and down again, its three heads at the side.", ("yolov8n",)
    ),
    Picture(
        "fasterrcnn_resnet50_fpn",
        "The levels of the pyramid are rows, heads that share weights have one colour. Compare "
        "Figure 3 of Lin et al. 2017.",
        ("fasterrcnn_resnet50_fpn",),
    ),
    Picture(
        "tinyllama",
        "A layer, and what its attention does, which the layer itself says. Compare Figure 2 of Vaswani "
        "et al. 2017.",
        ("tinyllama",),
    ),
    Picture(
        "nasnet_mobile",
        "Each cell reads the two before it, h(i) and h(i-1), and gives h(i+1). Compare "
        "Figure 4 of Zoph et al. 2018.",
        ("nasnet_mobile",),
    ),
    Picture(
        "fractalnet20",
        "A block that calls itself is one figure, and the joins merge all open columns.",
        ("fractalnet20",),
    ),
    Picture(
        "googlenet_heat",
        "Where the multiply-adds are: colour by cost.",
        ("googlenet",),
        choices={"heat": "macs"},
    ),
    Picture(
        "captioning_flow",
        "Every layer and every connection, blocks in frames; laid out with Graphviz where it is "
        "installed. The image and the words come in at two inputs.",
        ("captioning",),
        "flow",
    ),
    Picture(
        "alexnet_vgg16",
        "Activations, parameters and multiply-adds of AlexNet and VGG-16, layer by layer.",
        ("alexnet", "vgg16"),
        "bars",
    ),
    Picture(
        "accuracy",
        "Multiply-adds against published top-1 accuracy, all measured in the same way: on the data "
        "set, with the crops and the number of models that most of the nets share. The others are "
        "named below the figure.",
        (),
        "bubble",
    ),
    Picture(
        "revolution",
        "The nets that are named, in that order: the entries that they were to the challenge. A net "
        "that was none has a pale bar, its own error.",
        ("alexnet", "zfnet", "vgg19", "googlenet", "resnet152"),
        "depth",
    ),
    Picture(
        "depth",
        "The revolution of depth: the entries that won ILSVRC, with VGG's, from the shallow ones "
        "to SENet's. Compare slide 5 of He's ICML 2016 tutorial.",
        (),
        "depth",
    ),
)


def page() -> str:
    """The gallery as markdown."""
    parts = [
        "# Gallery",
        "",
        "Written by `python docs/make_gallery.py`; every picture is a command. [The zoo](zoo.md) "
        "shows every shipped net as it is folded by default; [figures](pictures.md) go into papers as "
        "TikZ or PDF.",
        "",
        "With `-o googlenet.html` the picture is [a page](page.md) that needs nothing else: blocks and "
        "repeats open, it zooms and is searched, and boxes and lines say what they are and where the "
        "spec says so.",
        "",
        "`--style volumes` draws feature maps as slabs in perspective: height and width as size, "
        "channels as thickness, or a plane for each map where no map has more than 24 channels; fully "
        "connected layers as bars, and kernels as small frustums. What keeps the size, as activations "
        "do, is not drawn and is named below the figure. A block that is one layer after the other is "
        "open, another is one slab, split as its branches are, with a skip over it where it has one; "
        "`--depth` and `--expand` open more. `--show macs` and `--heat macs` apply. [More](volumes.md).",
        "Several nets stand next to each other under one title, `netspec draw plain34 resnet34`, or with "
        "`--style columns` are aligned on resolution, skips at the right and blocks named at the left. "
        "Every layer and every connection is in a picture; what a style leaves out, its last line says.",
        "",
        "`--style flow` shows every layer and connection, with a frame around each block; in a net "
        "larger than a screen, what repeats is shown once. "
        "[Measured](../benchmarks/results/draw.json) by `python benchmarks/draw.py`: seconds and "
        "bytes of every net and building block of the lectures in every style that applies to it.",
        "",
    ]
    for picture in PICTURES:
        title = " ".join(picture.specs) or "shipped nets that state a figure"
        parts += [f"## {title}", "", picture.text, "", "```bash", picture.command, "```", ""]
        parts += [f"![{title}](images/{picture.name}.svg)", ""]
    return "\n".join(parts)


def main() -> None:
    (FOLDER / "images").mkdir(exist_ok=True)
    for picture in PICTURES:
        file = FOLDER / "images" / f"{picture.name}.svg"
        file.write_text(picture.content(), encoding="utf-8")
    (FOLDER / "gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
