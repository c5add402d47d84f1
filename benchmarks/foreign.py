"""Files of other kinds and exporters, made and read: halves, eight bits, optimised files, TensorFlow's.

    python benchmarks/foreign.py base FOLDER          # torch: nets in single precision
    python benchmarks/foreign.py rewrite FOLDER       # onnxruntime, onnxconverter-common, sympy
    python benchmarks/foreign.py tensorflow FOLDER    # tensorflow, tf2onnx
    python benchmarks/foreign.py read FOLDER          # netspec

Each step needs what its line names, and may run in an environment of its own. The last writes
benchmarks/results/foreign.json: of each file the steps of its text and what was proven, or why not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

NETS = ("cnn", "attention", "words")
PACKAGES = (
    "torch",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxconverter-common",
    "tf2onnx",
    "tensorflow-cpu",
)


def base(folder: Path) -> None:
    """Nets of torch, by its older exporter, at two opsets."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(0)

    class Cnn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.na = nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16)
            self.b, self.nb = nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.BatchNorm2d(16)
            self.c, self.d, self.fc = nn.Conv2d(16, 24, 1), nn.Conv2d(16, 8, 1), nn.Linear(32, 10)

        def forward(self, x: Any) -> Any:
            x = F.relu6(self.na(self.a(x)))
            y = F.relu(self.nb(self.b(x))) + x
            y = torch.cat([F.silu(self.c(y)), self.d(y)], 1)
            y = F.avg_pool2d(F.max_pool2d(y, 3, 2, 1), 2)
            return self.fc(F.adaptive_avg_pool2d(y, 1).flatten(1))

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.heads = (
                nn.Conv2d(3, 32, 4, 4),
                nn.MultiheadAttention(32, 4, batch_first=True),
            )
            self.n1, self.n2, self.n3 = (nn.LayerNorm(32) for _ in range(3))
            self.up, self.down, self.fc = nn.Linear(32, 64), nn.Linear(64, 32), nn.Linear(32, 10)

        def forward(self, x: Any) -> Any:
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = x + self.heads(*[self.n1(x)] * 3, need_weights=False)[0]
            x = x + self.down(F.gelu(self.up(self.n2(x))))
            return self.fc(self.n3(x).mean(1))

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.fc = nn.Embedding(50, 16), nn.Linear(24, 5)
            self.lstm = nn.LSTM(16, 12, 2, batch_first=True, bidirectional=True)

        def forward(self, x: Any) -> Any:
            return self.fc(self.lstm(self.table(x))[0][:, -1])

    examples = (torch.randn(1, 3, 32, 32), torch.randn(1, 3, 16, 16), torch.randint(0, 50, (1, 7)))
    for name, module, example in zip(NETS, (Cnn(), Attention(), Words()), examples, strict=True):
        for opset in (14, 17):
            path = folder / f"{name}_opset{opset}.onnx"
            torch.onnx.export(module.eval(), (example,), str(path), dynamo=False, input_names=["x"],
                              dynamic_axes={"x": {0: "N"}}, opset_version=opset)  # fmt: skip


def rewrite(folder: Path) -> None:
    """Those in eight bits, in half precision, and as ONNX Runtime's optimisers have them."""
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnxconverter_common import float16
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Samples(q.CalibrationDataReader):
        def __init__(self, path: Path) -> None:
            item = ort.InferenceSession(str(path)).get_inputs()[0]
            random, shape = np.random.default_rng(0), [4, *item.shape[1:]]
            floats = "float" in item.type
            drawn = (random.standard_normal(shape, np.float32) if floats else random.integers(0, 50, shape)
                     for _ in range(4))  # fmt: skip
            self.batches: Iterator[Any] = iter([{"x": batch} for batch in drawn])

        def get_next(self) -> Any:
            return next(self.batches, None)

    def optimised(path: Path, level: str) -> None:
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(
            ort.GraphOptimizationLevel, f"ORT_ENABLE_{level}"
        )
        options.optimized_model_filepath = str(
            path.with_name(f"{path.stem}_ort_{level.lower()}.onnx")
        )
        ort.InferenceSession(str(path), options)

    for path in sorted(folder.glob("*_opset*.onnx")):
        ready, stem = folder / f"{path.stem}.prepared", str(path.with_suffix(""))
        quant_pre_process(str(path), str(ready), skip_symbolic_shape="attention" in path.stem)
        for kind in ("QDQ", "QOperator"):
            for signs, signed in (("u8s8", q.QuantType.QUInt8), ("s8s8", q.QuantType.QInt8)):
                more = {"activation_type": signed, "weight_type": q.QuantType.QInt8}
                more |= {
                    "quant_format": getattr(q.QuantFormat, kind),
                    "per_channel": signs == "s8s8",
                }
                made = f"{stem}_{kind}_{signs}.onnx"
                q.quantize_static(str(ready), made, Samples(ready), **more)
        q.quantize_dynamic(str(ready), f"{stem}_dynamic.onnx")
        onnx.save(float16.convert_float_to_float16(onnx.load(path)), f"{stem}_fp16.onnx")
        ready.unlink()
        for source in (path, Path(f"{stem}_QDQ_u8s8.onnx"), Path(f"{stem}_dynamic.onnx")):
            for level in ("BASIC", "EXTENDED", "ALL"):
                optimised(source, level)


def tensorflow(folder: Path) -> None:
    """Nets of Keras, by tf2onnx, at three opsets."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    import tf2onnx

    layers = tf.keras.layers

    def cnn() -> Any:
        x = first = tf.keras.Input((32, 32, 3))
        x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        y = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x))
        x = layers.Add()([x, layers.Conv2D(8, 1)(layers.Activation("relu")(y))])
        x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
        x = layers.SeparableConv2D(12, 3, padding="same", activation="swish")(x)
        x = layers.GlobalAveragePooling2D()(x)
        return tf.keras.Model(first, layers.Dense(10, activation="softmax")(x))

    def dense() -> Any:
        first = tf.keras.Input((16, 16, 3))
        a = layers.Conv2D(8, 3, padding="same", activation="relu")(first)
        b = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
        x = layers.Concatenate()([a, layers.Conv2DTranspose(8, 2, 2)(b)])
        x = layers.Conv2D(1, 1, activation="sigmoid")(layers.UpSampling2D(2)(x))
        return tf.keras.Model(first, x)

    def words() -> Any:
        first = tf.keras.Input((7,), dtype="int32")
        x = layers.Embedding(50, 12)(first)
        x = layers.LSTM(6)(layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x))
        return tf.keras.Model(first, layers.Dense(3)(x))

    def sequence() -> Any:
        first = tf.keras.Input((20, 4))
        x = layers.Conv1D(8, 3, padding="causal", activation="relu")(first)
        x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
        return tf.keras.Model(first, layers.Dense(3)(x))

    for make in (cnn, dense, words, sequence):
        model = make()
        spec = [tf.TensorSpec((None, *model.input_shape[1:]), model.input.dtype, name="x")]
        function = tf.function(
            lambda x, model=model: model(x, training=False), input_signature=spec
        )
        for opset in (9, 13, 18):
            path = folder / f"keras_{make.__name__}_{opset}.onnx"
            tf2onnx.convert.from_function(
                function, input_signature=spec, opset=opset, output_path=str(path)
            )


def read(folder: Path) -> None:
    """Reads every file and writes what was proven."""
    from netspec.diagnostics.raised import NetspecError
    from netspec.importing.imported import import_file

    results: dict[str, Any] = {}
    for path in sorted(folder.glob("*.onnx")):
        try:
            found = import_file(path)
            proof = None if found.proof is None else found.proof.as_json()
            results[path.stem] = {"steps": len(found.graph.nodes) - 1, "proof": proof}
        except NetspecError as refusal:
            reason = str(refusal).splitlines()[0].replace(f"{folder}/", "")
            results[path.stem] = {"refused": reason[:300]}
    told = {"read": sum("proof" in item for item in results.values()), "files": len(results)}
    versions = {"read": _versions()}
    for made_with in sorted(folder.glob("*.versions")):
        versions[made_with.stem] = json.loads(made_with.read_text())
    whole = {"versions": versions, **told, "results": results}
    Path("benchmarks/results/foreign.json").write_text(json.dumps(whole, indent=1) + "\n")
    print(told)


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def main() -> None:
    """Runs one step."""
    steps: dict[str, Callable[[Path], None]] = {
        step.__name__: step for step in (base, rewrite, tensorflow, read)
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=steps)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.step != "read":
        (given.folder / f"{given.step}.versions").write_text(json.dumps(_versions()))
    steps[given.step](given.folder)


if __name__ == "__main__":
    main()
