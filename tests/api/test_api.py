"""The library: few names, cheap to import, one front door."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import netspec
from netspec.diagnostics.raised import NetspecError

HEAVY = ("torch", "onnx", "onnxruntime", "numpy", "matplotlib", "PIL")


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_public_names_are_these():
    assert netspec.__all__ == [
        "Diagnostic",
        "Graph",
        "Limits",
        "Net",
        "NetspecError",
        "Picture",
        "Variants",
        "__version__",
        "diff",
        "format_text",
        "from_onnx",
        "from_torch",
        "load",
        "param_groups",
        "recompute_blocks",
        "sharding_units",
        "shipped_names",
        "space",
        "sweep",
        "variants",
    ]
    assert all(getattr(netspec, name) is not None for name in netspec.__all__)
    assert dir(netspec) == sorted(netspec.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = netspec.nothing


def test_variants_are_the_nets_of_one_spec(tmp_path):
    path = tmp_path / "net.ns"
    path.write_text("net t(n=4)\ninput 3x8x8\nconv3-n; gap; fc-2\n")
    family = netspec.variants(path)
    path.write_text("net t(n=4)\ninput 3x8x8\nfc-2\n")
    assert [family.totals(n=n)["params"] for n in (4, 8, 4)] == [122, 242, 122]
    assert family.load(n=8, input=(3, 9, 9)).summary().totals == family.totals(n=8, input="3x9x9")
    with pytest.raises(netspec.NetspecError, match="NS") as refused:
        family.totals(m=8)
    assert "parameters: n" in str(refused.value)


def test_importing_loads_no_backend():
    assert modules_after("import netspec") == set()


@pytest.mark.parametrize(
    "command",
    [
        ["check", "resnet152"],
        ["summary", "resnet152"],
        ["draw", "resnet152", "-o", "-"],
        ["list", "--names"],
        ["diff", "resnet101", "resnet152"],
    ],
)
def test_commands_that_only_read_load_no_backend(command):
    code = (
        "import contextlib, io\nfrom netspec.cli.main import main\n"
        "with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):\n"
        f"    main({command!r}, standalone_mode=False)"
    )
    assert modules_after(code) == set()


def test_a_net_loads_from_a_name_a_path_and_a_text(tmp_path):
    path = tmp_path / "mine.ns"
    path.write_text("input 3x8x8\nconv3-4\ngap\n")
    assert netspec.load("lenet5").name == "lenet5"
    assert netspec.load(path).name == "mine"
    assert netspec.load(str(path)).params == netspec.load(path.read_text()).params == 112


def test_the_front_page_example_compiles_as_written():
    net = netspec.load("conv3-64 x2; maxpool; inception(64,96,128,16,32,32)", input="3x224x224")
    assert str(net.graph.outputs[0].value.type) == "256x110x110"


def test_settings_and_sizes_change_the_net():
    assert netspec.load("lenet5", classes=7).graph.outputs[0].value.shape == (7,)
    net = netspec.load("gap; fc-4", input="3xHxW")
    assert net.graph.symbols == ("H", "W")


def test_what_is_wrong_is_one_exception_with_diagnostics():
    with pytest.raises(NetspecError) as caught:
        netspec.load("conv3-64; maxpol", input="3x8x8")
    assert [d.code for d in caught.value.diagnostics] == ["NS201"]
    assert "did you mean `maxpool`" in str(caught.value)
    with pytest.raises(NetspecError, match="no file or shipped spec"):
        netspec.load("resnet5000")


def test_a_net_shows_itself_in_a_notebook():
    net = netspec.load("lenet5")
    assert "61,706" in repr(net)
    assert net._repr_svg_() == net.draw()._repr_svg_() == str(net.draw())
    assert "61,706" in net.summary()._repr_html_()
    assert net.draw(format="png")._repr_png_().startswith(b"\x89PNG")
    assert net.draw(format="png")._repr_svg_() is None
    assert net.draw(format="html")._repr_html_().startswith("<iframe sandbox=")
    assert net.draw()._repr_html_() is None


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda net: net.draw(fromat="png"), TypeError, "did you mean `format`"),
        (lambda net: net.draw(style="fodl"), NetspecError, "did you mean `fold`"),
        (lambda net: net.summary(cont="mac"), TypeError, "did you mean `count`"),
        (lambda net: net.summary(count="flops"), ValueError, "mac, torchinfo, fvcore"),
        (lambda net: net.summary(depth=-1), ValueError, "0, 1, 2 and so on"),
        (lambda net: net.draw(depth=-1), ValueError, "0, 1, 2 and so on"),
        (lambda net: net.summary("mac"), TypeError, "it takes count, flat, depth, training"),
        (lambda net: net.to_onnx(quantise="int8"), TypeError, "did you mean `quantize`"),
        (lambda net: net.to_torch(sed=1), TypeError, "did you mean `seed`"),
        (
            lambda net: netspec.from_onnx("x.onnx", partail=True),
            TypeError,
            "did you mean `partial`",
        ),
        (lambda net: netspec.diff("input 4; relu"), TypeError, "it takes before, after"),
    ],
)
def test_wrong_arguments_get_the_messages_of_the_command_line(call, kind, message):
    with pytest.raises(NetspecError, match=message) as caught:
        call(netspec.load("lenet5"))
    assert isinstance(caught.value, kind)
    assert caught.value.status == 2
    # A notebook shows the text alone.
    assert caught.value._render_traceback_() == str(caught.value).splitlines()


def test_a_type_error_from_inside_is_not_taken_for_a_wrong_argument(monkeypatch):
    def broken(*values, **named):
        raise TypeError("a defect")

    monkeypatch.setattr("netspec.analysis.summary.summarize", broken)
    with pytest.raises(TypeError, match="a defect") as caught:
        netspec.load("lenet5").summary()
    assert not isinstance(caught.value, NetspecError)


def test_what_to_show_is_a_text_or_several():
    net = netspec.load("resnet18")
    assert str(net.draw(show="shape, macs")) == str(net.draw(show=("shape", "macs")))
    assert str(net.draw(expand="stage")) == str(net.draw(expand=["stage"]))


def test_a_picture_is_saved_under_the_ending_of_its_format_only(tmp_path):
    net = netspec.load("lenet5")
    picture = net.draw(format="dot")
    assert picture.save(tmp_path / "lenet5.dot").read_text().startswith("digraph")
    assert picture.save(tmp_path / "lenet5").exists()
    with pytest.raises(ValueError, match="format='png'"):
        net.draw().save(tmp_path / "lenet5.png")
    assert not (tmp_path / "lenet5.png").exists()
    with pytest.raises(TypeError, match="save takes a path"):
        net.draw("lenet5.svg")


def test_running_needs_no_file():
    import numpy as np

    result = netspec.load("lenet5").run(np.zeros((2, 1, 32, 32), np.float32))
    assert result.outputs["output"].shape == (2, 10)


def test_a_size_is_a_text_or_a_tuple_of_ints():
    sizes = [
        netspec.load("lenet5", input=size).graph.inputs[0].types[0].shape
        for size in ("1x28x28", (1, 28, 28))
    ]
    assert sizes == [(1, 28, 28)] * 2
    with pytest.raises(NetspecError, match="NS852"):
        netspec.load("lenet5", input=224)


def test_a_module_is_as_good_as_its_state_dict(tmp_path):
    net = netspec.load("lenet5")
    model = net.to_torch(seed=5)
    files = [
        net.to_onnx(tmp_path / f"{i}.onnx", weights=weights).read_bytes()
        for i, weights in enumerate((model, model.state_dict()))
    ]
    assert files[0] == files[1]


def test_arrays_that_do_not_fit_are_refused_by_name():
    net = netspec.load("lenet5")
    x = np.zeros((1, 1, 32, 32), np.float32)
    for inputs in ((x, x), ({"input": x},), ([[1], [1, 2]],)):
        with pytest.raises(NetspecError, match="NS604"):
            net.run(*inputs)


def test_the_names_of_wrapped_modules_are_unwrapped(tmp_path):
    import torch

    net = netspec.load("lenet5")
    model = net.to_torch(seed=5)
    plain = net.to_onnx(tmp_path / "a.onnx", weights=model).read_bytes()
    wrapped = torch.nn.DataParallel(model)
    assert net.to_onnx(tmp_path / "b.onnx", weights=wrapped).read_bytes() == plain
    with pytest.raises(TypeError, match=r"conv1\.weight is a str"):
        net.to_onnx(tmp_path / "c.onnx", weights={"conv1.weight": "x"})
    with pytest.raises(ValueError, match="at least 1"):
        net.to_onnx(tmp_path / "c.onnx", batch=0)


def test_marks_that_editors_leave_around_a_text_say_nothing():
    assert netspec.load("\ufeffinput 3x8x8\r\nconv3-8\r\n").params == 224
    assert netspec.load("input 3x8x8\r\nconv3-8\r").params == 224


def test_a_negative_amount_of_memory_is_none():
    with pytest.raises(ValueError, match="such as 24GiB"):
        netspec.load("lenet5").largest_batch(-1)


def test_what_was_loaded_goes_wherever_weights_go(tmp_path):
    from netspec.checkpoints import load

    text = "input 3x8x8\nconv3-4 as a; relu; conv1-4 as b; gap; fc-5\n"
    net = netspec.load(text)
    state = net.to_torch(seed=3).state_dict()
    path = tmp_path / "w.npz"
    np.savez(
        path,
        **{name.replace("a.", "x.").replace("b.", "y."): t.numpy() for name, t in state.items()},
    )
    loaded = load(path, net.graph)
    again = net.to_torch(weights=loaded).state_dict()
    assert all((state[name] == again[name]).all() for name in state)
    x = np.ones((1, 3, 8, 8), np.float32)
    assert np.array_equal(
        net.run(x, weights=loaded).outputs["output"], net.run(x, weights=path).outputs["output"]
    )
    with pytest.raises(NetspecError, match="which was read"):
        net.to_onnx(path, weights=loaded)
    other = netspec.load(text.replace("fc-5", "fc-6"))
    with pytest.raises(NetspecError, match=r"fc1\.weight is 5x4, not 6x4"):
        other.to_torch(weights=loaded)
