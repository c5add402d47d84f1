"""An MLflow model around an ONNX file: what it is given and gives, to the type and the size."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from netspec.packaging.facts import Facts, TensorInfo
from netspec.packaging.yaml import as_yaml


def mlflow_files(told: Facts, model: str, digest: str) -> dict[str, str]:
    """The files that make an MLflow model of the folder that a model lies in, by name.

    `digest` is that of the package's weights and spec: the model is called by it, and by nothing that
    differs from one call to the next.
    """
    python = platform.python_version()
    packages = _packages()
    flavors = {
        "onnx": {
            "code": None,
            "data": model,
            "onnx_version": version("onnx"),
            "onnx_session_options": None,
            "providers": ["CPUExecutionProvider"],
        },
        "python_function": {
            "data": model,
            "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
            "loader_module": "mlflow.onnx",
            "python_version": python,
        },
    }
    about = {
        "flavors": flavors,
        "model_uuid": digest[:32],
        "signature": {
            "inputs": _schema(told.inputs),
            "outputs": _schema(told.outputs),
            "params": None,
        },
    }
    conda = {
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": packages}],
        "name": "mlflow-env",
    }
    virtual = {
        "python": python,
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    return {
        "MLmodel": as_yaml(about),
        "requirements.txt": "".join(f"{line}\n" for line in packages),
        "conda.yaml": as_yaml(conda),
        "python_env.yaml": as_yaml(virtual),
    }


def _packages() -> list[str]:
    """What loading and running the model takes, in the versions that are installed here."""
    return [
        "mlflow",
        *(
            f"{name}=={found}"
            for name in ("numpy", "onnx", "onnxruntime")
            if (found := _found(name))
        ),
    ]


def _found(name: str) -> str:
    for called in (name, f"{name}-gpu"):
        try:
            return version(called)
        except PackageNotFoundError:
            continue
    return ""


def _schema(tensors: tuple[TensorInfo, ...]) -> str:
    """MLflow's own JSON of tensors; it matches a size of -1 with any."""
    said: list[dict[str, Any]] = [
        {
            "name": item.name,
            "type": "tensor",
            "tensor-spec": {"dtype": item.dtype, "shape": list(item.shape)},
        }
        for item in tensors
    ]
    return json.dumps(said)
