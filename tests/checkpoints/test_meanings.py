"""Files whose tensors fit a net that computes otherwise: what names and numbers say of it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.checkpoint_files import saved, state

import netspec
from netspec.checkpoints import load
from netspec.diagnostics.messages.weights import MeansOtherwise
from netspec.graph.checked import Graph

Built = Callable[..., Graph]
Tensors = dict[str, torch.Tensor]


def said(tensors: Tensors, path: Path, graph: Graph, **options: str) -> list[str]:
    """The warnings NS805 of a file of these tensors."""
    loaded = load(saved(tensors, path / "w.pt"), graph, **options)  # type: ignore[arg-type]
    return [
        f"{d.problem.evidence}; {d.problem.ours}"
        for d in loaded.warnings
        if isinstance(d.problem, MeansOtherwise)
    ]


def drawn(graph: Graph, scale: float = 1.0) -> Tensors:
    """Weights no two of which are equal; scales of norms are near `scale`."""
    random = torch.Generator().manual_seed(0)
    return {
        n: 0.1 * torch.randn(t.shape, generator=random) + (scale if t.dim() == 1 else 0)
        for n, t in state(graph).items()
    }


LLAMA = """input T ids(20)
default fc(over=channels, bias=no)
default rmsnorm({0})
block layer {{
  residual {{ rmsnorm; attention(2, bias=no, causal=yes, rotary=10000, rotary_pairs={1}) }}
  residual {{ rmsnorm; gated(12) }}
}}
embedding-8; layer x2; rmsnorm; fc-20
"""
TRANSFORMERS = {
    "attention1.in_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention1.out_proj": "self_attn.o_proj",
    "gated1.fc1": "mlp.gate_proj",
    "gated1.fc2": "mlp.up_proj",
    "gated1.fc3": "mlp.down_proj",
    "rmsnorm1": "input_layernorm",
    "rmsnorm2": "post_attention_layernorm",
    "around": ("model.embed_tokens", "model.layers", "model.norm", "lm_head"),
}
META = {
    "attention1.in_proj": ("attention.wq", "attention.wk", "attention.wv"),
    "attention1.out_proj": "attention.wo",
    "gated1.fc1": "feed_forward.w1",
    "gated1.fc2": "feed_forward.w3",
    "gated1.fc3": "feed_forward.w2",
    "rmsnorm1": "attention_norm",
    "rmsnorm2": "ffn_norm",
    "around": ("tok_embeddings", "layers", "norm", "output"),
}


def called(own: Tensors, names: dict[str, object]) -> Tensors:
    """The net's tensors under a library's names, projections one by one."""
    first, layers, norm, last = names["around"]  # type: ignore[misc]
    outer = {"embedding1": first, "rmsnorm1": norm, "fc1": last}
    found: Tensors = {}
    for name, tensor in own.items():
        layer, _, leaf = name.replace("in_proj_weight", "in_proj.weight").rpartition(".")
        unit, _, inner = layer.partition(".")
        if not inner:
            found[f"{outer[unit]}.{leaf}"] = tensor
            continue
        theirs = names[inner]
        parts = tensor.chunk(3) if isinstance(theirs, tuple) else (tensor,)
        for part, one in zip(
            parts, theirs if isinstance(theirs, tuple) else (theirs,), strict=True
        ):
            found[f"{layers}.{int(unit[-1]) - 1}.{one}.{leaf}"] = part.clone()
    return found


@pytest.mark.parametrize(
    ("names", "pairs", "other"),
    [(META, "neighbours", "halves"), (TRANSFORMERS, "halves", "neighbours")],
)
def test_rotary_pairs(
    names: dict[str, object], pairs: str, other: str, net: Built, tmp_path: Path
) -> None:
    """Llama's file has neighbours as published, and halves in transformers: the matrices differ."""
    graph = net(LLAMA.format("", other))
    mapping = {
        f"layer*.{ours}": f"{names['around'][1]}.*.{names[ours]}"  # type: ignore[index]
        for ours in ("gated1.fc1", "rmsnorm1")
    }
    file = called(drawn(graph), names)
    (found,) = said(file, tmp_path, graph, mapping=mapping)  # type: ignore[arg-type]
    assert f"rotary pairs are {pairs}" in found
    assert f"turns {other}" in found
    assert not said(file, tmp_path, net(LLAMA.format("", pairs)), mapping=mapping)  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (0.0, 0.0), (0.3, 1.0), (1.0, 1.0)])
def test_scales_that_are_kept_from_one_on(
    norm: str, mean: float, spread: float, net: Built, tmp_path: Path
) -> None:
    """Below zero as often as above, or all zero as they start, they are no scales; and the reverse."""
    text = f"input 8x4\n{norm}({{}}); fc-8(over=channels); {norm}({{}}); fc-3(over=channels)"
    plain, shifted = net(text.format("", "")), net(text.format("offset=1", "offset=1"))
    own = drawn(plain)
    file = {
        f"net.{n}": mean + spread * (t - 1) if t.dim() == 1 and norm in n and "weight" in n else t
        for n, t in own.items()
    }
    assert len(said(file, tmp_path, plain)) == (mean == 0)
    assert len(said(file, tmp_path, shifted)) == (mean > 0)


def test_what_is_kept_from_one_on_makes_the_same_net(net: Built) -> None:
    """By hand: a norm without a scale, times one more than a vector."""
    whole = net("input 8x4\nrmsnorm(offset=1)")
    apart = net(
        "input 8x4\nrmsnorm(affine=no); mul { | identity | parameter(C, init=zeros); scaled(1, 1) }"
    )
    image = torch.randn(2, 8, 4)
    vector = torch.randn(8)
    answers = []
    for graph in (whole, apart):
        module = netspec.load(graph.source.text).to_torch()
        (name,) = module.state_dict()
        module.load_state_dict({name: vector})
        answers.append(module(image))
    assert torch.allclose(*answers, atol=1e-6)


def test_gemmas_names(net: Built, tmp_path: Path) -> None:
    """Scales near one say nothing; the names of its four norms do."""
    norms = ("input", "post_attention", "pre_feedforward", "post_feedforward")
    text = "input 8x4\nblock layer {{ {} }}\nlayer x2; fc-3(over=channels)"
    body = "; ".join(f"rmsnorm{{0}} as {name}_layernorm; fc-8(over=channels)" for name in norms)
    plain, shifted = (net(text.format(body.format(x))) for x in ("", "(offset=1)"))
    file = {
        n.replace("layer1.", "layers.0.").replace("layer2.", "layers.1."): t
        for n, t in drawn(plain).items()
    }
    assert "Gemma" in said(file, tmp_path, plain)[0]
    assert not said({n: t - float(t.dim() == 1) for n, t in file.items()}, tmp_path, shifted)
    assert not said(file | {"altup.weight": torch.zeros(8)}, tmp_path, plain, partial=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "name", "told"),
    [
        ("mul {{ | identity | {} }}", "A_log", True),
        ("mul {{ | identity | {}; exp }}", "A_log", False),
        ("mul {{ | identity | {}; scaled(-1); clip(high=3); exp }}", "logit_scale", False),
        ("mul {{ | identity | {} }}", "scale", False),
        ("mul {{ | identity | {} }}", "catalog", False),
    ],
)
def test_logarithms(body: str, name: str, told: bool, net: Built, tmp_path: Path) -> None:
    graph = net(f"input 8x4\n{body.format('parameter(8)')}; fc-3(over=channels)")
    own = drawn(graph)
    file = {f"mixer.{name}" if t.dim() == 1 and len(t) == 8 else f"head.{n.rpartition('.')[2]}": t
            for n, t in own.items()}  # fmt: skip
    assert bool(said(file, tmp_path, graph)) is told


@pytest.mark.parametrize(
    ("least", "eps", "told"), [(1e-3, 1e-5, True), (1.0, 1e-5, False), (1e-3, 1e-3, False)]
)
def test_what_keras_adds_to_variances(
    least: float, eps: float, told: bool, net: Built, tmp_path: Path
) -> None:
    graph = net(f"input 3x5x5\nconv3-4(bias=no); bn(eps={eps}); relu; conv3-6")
    own = drawn(graph)
    own["bn1.running_var"] = torch.linspace(least, 2, 4)
    leaves = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    arrays = {}
    for n, t in own.items():
        layer, leaf = n.split(".")
        if leaf == "num_batches_tracked":
            continue
        if layer == "bn1":
            arrays[f"bn/{leaves[leaf]}"] = t.numpy()
        elif leaf == "weight":
            arrays[f"{layer}/kernel"] = t.permute(2, 3, 1, 0).numpy()
        else:
            arrays[f"{layer}/bias"] = t.numpy()
    np.savez(tmp_path / "w.npz", **arrays)  # type: ignore[arg-type]
    found = [d.code for d in load(tmp_path / "w.npz", graph).warnings]
    assert ("NS805" in found) is told


@pytest.mark.parametrize(("layout", "told"), [("channels", True), ("rows", False)])
def test_pixels_of_files_with_outputs_last(
    layout: str, told: bool, net: Built, tmp_path: Path
) -> None:
    graph = net(f"input 3x5x5\nconv3-8(pad=same); pixel_shuffle(2, layout={layout}); conv1-5")
    arrays = {}
    for n, t in drawn(graph).items():
        layer, leaf = n.split(".")
        kernel = leaf == "weight"
        arrays[f"{layer}/{'kernel' if kernel else leaf}"] = (
            t.permute(2, 3, 1, 0) if kernel else t
        ).numpy()
    np.savez(tmp_path / "w.npz", **arrays)  # type: ignore[arg-type]
    found = [d.code for d in load(tmp_path / "w.npz", graph).warnings]
    assert ("NS805" in found) is told


@pytest.mark.parametrize(
    ("names", "told"),
    [(("res2a_branch2a", "bn2a_branch2a"), True), (("layer1.conv", "layer1.bn"), False)],
)
def test_images_of_blue_green_and_red(
    names: tuple[str, str], told: bool, net: Built, tmp_path: Path
) -> None:
    graph = net("input 3x5x5\nconv3-4(bias=no); bn; relu; gap; fc-6")
    theirs = {"conv1": names[0], "bn1": names[1], "fc1": "fc1000"}
    file = {f"{theirs[n.split('.')[0]]}.{n.split('.')[1]}": t for n, t in drawn(graph).items()}
    assert bool(said(file, tmp_path, graph)) is told


def test_of_the_nets_own_names_nothing_is_said(net: Built, tmp_path: Path) -> None:
    graph = net("input 8x4\nrmsnorm; fc-3(over=channels)")
    assert not said(drawn(graph, 0.0), tmp_path, graph)
