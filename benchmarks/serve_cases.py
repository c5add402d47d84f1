"""What serve.py deploys, and how configurations are spoilt."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

BGR = """\
net two_images
preprocess image=photo, resize=36, crop=32, channels=bgr, range=(0, 255), mean=(104, 117, 123)
preprocess image=mask, mean=0.5
input photo: 3x32x32
input mask: 1xHxW
input numbers: 4
{ | @photo; conv3-8(act=relu); gap | @mask; maxpool2; gap | @numbers }
concat
fc-5
softmax
"""
SCALAR = "net scalar\ninput x: 8\nfc-16(act=relu)\nfc-1\nreshape([])\n"
ONE_FOR_ALL = """\
net one_for_all
input x: 4
add { | fc-3 | parameter(3) as bias }
output bias
"""
TWO = "net two_outputs\ninput x: 6\ninput y: 6\nadd { | @x | @y }\nfc-4 as a\nfc-2 as b\noutput a, b\n"


@dataclass
class Case:
    """A net and how it is deployed; `rows` are the batch sizes that are asked for."""

    name: str
    spec: str
    flags: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    input: tuple[str, ...] = ()
    rows: tuple[int, ...] = (1, 3)
    # What `Net.to_onnx` takes so that it writes the same file.
    file: dict[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """The arguments of `netspec deploy` behind the net and the folder."""
        said = [part for k, v in self.settings.items() for part in ("--set", f"{k}={v}")]
        sizes = [part for size in self.input for part in ("--input", size)]
        return [*said, *sizes, *self.flags]


SMALL = ("3x64x64",)
BERT = {"n": 32, "heads": 4, "layers": 2, "words": 100}

CASES = (
    Case("lenet5", "lenet5"),
    Case("resnet20_cifar", "resnet20_cifar", ("--preferred", "2,4", "--delay", "2000")),
    Case("resnet18", "resnet18", ("--preprocess", "--instances", "2"), input=SMALL),
    Case("open_resnet18", "resnet18", ("--preprocess",), input=("3xHxW",), rows=(1, 2)),
    Case(
        "mobilenet_v2_fp16",
        "mobilenet_v2",
        ("--dtype", "fp16"),
        input=SMALL,
        file={"dtype": "fp16"},
    ),
    Case(
        "resnet18_fp16_io",
        "resnet18",
        ("--dtype", "fp16", "--io", "fp16", "--preprocess"),
        input=SMALL,
        file={"dtype": "fp16", "io": "fp16"},
    ),
    Case("squeezenet_int8", "squeezenet1_1", ("--quantize", "int8"), input=SMALL),
    Case("resnet18_int8", "resnet18", ("--quantize", "int8", "--preprocess"), input=SMALL),
    Case("unet", "unet", input=("1x188x188",), rows=(1, 2)),
    Case("lraspp", "lraspp_mobilenet_v3_large", input=("3xHxW",), rows=(1, 2)),
    Case("yolov8n", "yolov8n", input=("3x96x96",), rows=(1, 2)),
    Case("detr", "detr_resnet50", input=("3x96x128",), rows=(1, 2)),
    Case("fast_rcnn", "fast_rcnn", input=("image:3x96x96",), rows=(1,)),
    Case("captioning", "captioning", input=("image:3x64x64",), rows=(1, 2)),
    Case("bert", "bert_base", ("--delay", "5000"), settings=BERT),
    Case("gpt2", "gpt2", settings={**BERT, "places": 64}),
    Case("luong", "luong_attention", rows=(1, 2)),
    Case("window_tagger", "window_tagger"),
    Case("vae", "vae", ("--max-batch", "16")),
    Case("whisper", "whisper_tiny_encoder", rows=(1,)),
    Case("swin", "swin_t", input=("3x224x224",), rows=(1,)),
    Case("googlenet_heads", "googlenet", ("--training-heads",), rows=(1, 2), file={"heads": True}),
    Case("lenet5_of_four", "lenet5", ("--batch", "4"), rows=(4,)),
    Case(
        "shufflenet_taps",
        "shufflenet_v2",
        (
            "--tap",
            "stage*",
        ),
        input=SMALL,
    ),
    Case("densenet_blocks", "densenet40_12", ("--blocks", "--logits", "-O0")),
    Case("mlp_cpu", "mlp", ("--device", "cpu", "--parameter", "intra_op_thread_count=1")),
    Case("pointnet", "pointnet", rows=(1, 2)),
    Case("two_images", BGR, ("--preprocess",)),
    Case("scalar", SCALAR),
    Case("one_for_all", ONE_FOR_ALL),
    Case("two_outputs", TWO, ("--no-warm-up", "--max-batch", "1"), rows=(1,)),
)


def _sub(pattern: str, by: str) -> Callable[[str], str]:
    def spoilt(text: str) -> str:
        found, count = re.subn(pattern, by, text, count=1, flags=re.S | re.M)
        assert count == 1, pattern
        return found

    return spoilt


# What is wrong with the configuration of a net of one image. (One without outputs is no fault: the server
# asks its backend for them.) Those of the second kind contradict the ONNX file, which only the backend
# for ONNX Runtime reads.
SPOILT: dict[str, Callable[[str], str]] = {
    "a misspelt field": _sub("max_batch_size", "max_batchsize"),
    "a misspelt word": _sub("TYPE_FP32", "TYPE_FLOAT32"),
    "no closing brace": _sub(r"\}\s*\Z", ""),
    "a text for a number": _sub("max_batch_size: 8", 'max_batch_size: "8"'),
    "a negative batch": _sub("max_batch_size: 8", "max_batch_size: -8"),
    "a preferred batch beyond the largest": _sub(
        "dynamic_batching {", "dynamic_batching {\n  preferred_batch_size: [ 16 ]"
    ),
    "another name": _sub('^name: "', 'name: "other_'),
    "no data type": _sub("  data_type: TYPE_FP32\n", ""),
    "no dimensions": _sub(r"  dims: \[.*?\]\n", ""),
    "a size of zero": _sub(r"dims: \[ 1,", "dims: [ 0,"),
    "a version that is not there": _sub(
        r"latest \{\s*num_versions: 1\s*\}", "specific { versions: [ 7 ] }"
    ),
    "no instances": _sub("KIND_AUTO", "KIND_GPU"),
    "an unknown backend": _sub(r'backend: "\w+"', 'backend: "onnx_runtime"'),
    "warmed up without its input": _sub(r'key: "input"', 'key: "image"'),
    "two schedulers": _sub("dynamic_batching {", "sequence_batching { }\ndynamic_batching {"),
}
AGAINST_FILE: dict[str, Callable[[str], str]] = {
    "an input that the file has not": _sub('name: "input"', 'name: "image"'),
    "another type": _sub("TYPE_FP32", "TYPE_FP16"),
    "another size": _sub(r"dims: \[ 1, 32, 32 \]", "dims: [ 1, 28, 28 ]"),
    "the batch among the sizes": _sub(r"dims: \[ 1, 32, 32 \]", "dims: [ -1, 1, 32, 32 ]"),
}
ENSEMBLE: dict[str, Callable[[str], str]] = {
    "a model that is not there": _sub('model_name: "[^"]*_preprocess"', 'model_name: "nobody"'),
    "a tensor that nobody makes": _sub(
        'value: "input_prepared"\n(.*?)value: "input_prepared"',
        r'value: "input_prepared"\n\1value: "nothing"',
    ),
    "an output of another type": _sub(r"(output \{.*?data_type: )TYPE_FP32", r"\1TYPE_FP16"),
    "an input that the model has not": _sub('key: "input"', 'key: "pixels"'),
}
