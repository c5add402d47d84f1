"""The command line: data on standard output, messages on standard error, honest statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from support.tools import tools

from netspec.cli.main import COMMANDS, main


def netspec(*args: str, cwd=None, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tools() / "netspec", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_help_names_every_command_and_every_command_has_an_example():
    shown = netspec("--help").stdout
    for name in COMMANDS:
        assert name in shown
        text = netspec(name, "--help").stdout
        assert "Example: " in text, name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_example_in_a_commands_help_works(name, tmp_path):
    line = next(line for line in netspec(name, "--help").stdout.splitlines() if "Example: " in line)
    words = line.split("Example: netspec ", 1)[-1].split()
    if (
        name in ("completion", "bench", "run", "fmt", "verify", "import")
        or "specs/googlenet.ns" in words
    ):
        return  # they need a shell, minutes or files; tested below or elsewhere
    assert netspec(*words, cwd=tmp_path).returncode == 0


def test_compile_writes_the_file_it_prints(tmp_path):
    done = netspec("compile", "lenet5", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == "lenet5.onnx\n"
    assert "61,706 parameters" in done.stderr
    assert (tmp_path / "lenet5.onnx").exists()


def test_run_takes_a_spec_an_onnx_file_an_array_and_an_image(tmp_path):
    from PIL import Image

    netspec("compile", "-q", "lenet5", cwd=tmp_path)
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 32, 32), np.float32))
    Image.new("RGB", (50, 40), "white").save(tmp_path / "x.png")
    for model in ("lenet5", "lenet5.onnx"):
        for file in ([], ["x.npy"], ["input=x.npy"], ["x.png"]):
            done = netspec("run", model, *file, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            assert "output[0]" in done.stdout
            assert "CPUExecutionProvider" in done.stderr
    plain = json.loads(netspec("run", "lenet5", "x.npy", "--json", cwd=tmp_path).stdout)
    assert plain["provider"] == "CPUExecutionProvider"
    assert len(plain["outputs"]["output"]["top5"]) == 2


@pytest.mark.parametrize("how", ["object", "big-endian", "truncated", "rank", "text"])
def test_arrays_that_lie_are_refused(how, tmp_path):
    path = tmp_path / "x.npy"
    if how == "object":
        np.save(path, np.array([{}], dtype=object))
    elif how == "big-endian":
        np.save(path, np.zeros((1, 1, 32, 32), ">f4"))
    elif how == "rank":
        np.save(path, np.zeros((1, 32), np.float32))
    elif how == "text":
        path.write_text("not an array")
    else:
        np.save(path, np.zeros((1, 1, 32, 32), np.float32))
        path.write_bytes(path.read_bytes()[:200])
    done = netspec("run", "lenet5", str(path))
    assert done.returncode in (1, 2)
    assert "NS604" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_gives_status_1_and_its_place(tmp_path):
    (tmp_path / "bad.ns").write_text("input 3x8x8\nconv3-64\nmaxpol\n")
    done = netspec("check", "bad.ns", cwd=tmp_path)
    assert done.returncode == 1
    assert "bad.ns:3:1" in done.stdout
    found = json.loads(netspec("check", "bad.ns", "--json", cwd=tmp_path).stdout)
    assert found["format_version"] == 1
    assert [(d["code"], d["line"]) for d in found["diagnostics"]] == [("NS201", 3)]
    assert netspec("check", "bad.ns", "--compact", cwd=tmp_path).stdout.count("\n") == 1


def test_usage_mistakes_give_status_2_and_a_hint():
    done = netspec("compil", "lenet5")
    assert done.returncode == 2
    assert "Did you mean `compile`" in done.stderr
    assert netspec("compile", "lenet5", "--opset", "5").returncode == 2
    assert netspec("summary", "lenet5", "--set", "nonsense").returncode == 2


def test_settings_and_sizes_are_taken_from_the_command_line():
    done = netspec("summary", "lenet5", "--set", "classes=7", "--json")
    assert json.loads(done.stdout)["outputs"][0]["shape"] == [7]
    done = netspec("check", "lenet5", "--set", "clases=7")
    assert "did you mean `classes`" in done.stdout


def test_a_spec_named_without_its_ending_is_recognised(tmp_path):
    (tmp_path / "mine.ns").write_text("input 3\nrelu\n")
    for name in ("mine", "./mine"):
        assert "did you mean `mine.ns`?" in netspec("check", name, cwd=tmp_path).stdout


def test_every_limit_has_a_flag(tmp_path):
    (tmp_path / "net.ns").write_text("input 3x8x8\nconv3-4 x3\ngap\n")
    flags = {
        "source": "NS401",
        "nesting": None,
        "statements": "NS403",
        "nodes": "NS404",
        "depth": None,
        "files": None,
        "imports": None,
        "tensor": "NS408",
        "params": "NS409",
        "bytes": "NS410",
    }
    for flag, code in flags.items():
        done = netspec("check", "net.ns", f"--max-{flag}", "2", cwd=tmp_path)
        assert done.returncode == (1 if code else 0), done.stderr
        if code:
            assert code in done.stdout


def test_standard_input_is_a_spec():
    done = netspec("check", "-", input="input 3x8x8\nconv3-4\n")
    assert done.returncode == 0


def test_show_prints_a_spec_and_a_library_block():
    assert "net lenet5" in netspec("show", "lenet5").stdout
    assert "block inception" in netspec("show", "inception").stdout
    assert netspec("show", "nothing_like_it").returncode == 1
    assert "net mlp" in netspec("show", "mlp").stdout
    assert "#   hidden: width" in netspec("show", "library/mlp").stdout
    assert netspec("show", "library/../grammar").returncode == 1


def test_show_writes_a_net_out_with_its_parameters_set():
    flat = netspec("show", "--flat", "vgg16_transfer", "--set", "classes=7").stdout
    assert "fc-7 as" in flat
    assert "frozen=yes" in flat
    assert "import" not in flat
    assert netspec("check", "-", input=flat).returncode == 0
    refused = netspec("show", "vgg16", "--set", "classes=7")
    assert refused.returncode == 2
    assert "--flat" in refused.stderr


def test_explain_knows_every_code():
    assert netspec("explain", "NS310").stdout.startswith("NS310: `<op>` joins tensors")
    assert netspec("explain", "310").stdout.startswith("NS310: ")
    assert netspec("explain", "ns999").returncode == 2


def test_completion_offers_shipped_specs():
    done = netspec(
        env={
            **os.environ,
            "_NETSPEC_COMPLETE": "bash_complete",
            "COMP_WORDS": "netspec draw lene",
            "COMP_CWORD": "2",
        }
    )
    assert "lenet5" in done.stdout
    assert "_NETSPEC_COMPLETE" in netspec("completion", "bash").stdout


def interrupted_while(finishing: str, cwd) -> subprocess.CompletedProcess[str]:
    """`netspec compile lenet5` that runs some code of ours when its file is about to be placed."""
    code = f"""if True:
        import signal, sys
        from netspec.__main__ import run
        from netspec.system.atomic import Draft
        finish = Draft.finish
        class Dying:
            def __del__(self):
                signal.raise_signal(signal.SIGINT)
        def interrupted(self):
            {finishing}
            finish(self)
        Draft.finish = interrupted
        sys.argv = ["netspec", "compile", "lenet5"]
        run()
    """
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        # A shell's background jobs ignore ctrl-C; this one must not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_ctrl_c_leaves_no_file_and_no_traceback(tmp_path):
    done = interrupted_while("signal.raise_signal(signal.SIGINT)", tmp_path)
    assert done.returncode == 130
    assert done.stderr.endswith("interrupted; no file was changed\n")
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


def test_ctrl_c_whose_exception_is_lost_is_told_of(tmp_path):
    """What a destructor raises Python drops: the command is done soon after, and says so."""
    done = interrupted_while("Dying()", tmp_path)
    assert done.returncode == 130
    assert done.stderr.endswith("interrupted; written before: lenet5.onnx\n")
    assert os.listdir(tmp_path) == ["lenet5.onnx"]


def test_ctrl_c_ends_the_process_even_where_the_exception_is_lost(tmp_path):
    """An exception that a callback swallows must not let the command hang or go on for long."""
    code = (
        "import signal, sys, time\n"
        "from pathlib import Path\n"
        "from netspec.system.atomic import replacing\n"
        "from netspec.cli.shared import interrupt\n"
        "interrupt.SECONDS = 0.2\n"
        "interrupt.install()\n"
        "with replacing(Path('net.onnx')) as file:\n"
        "    try:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    except KeyboardInterrupt:\n"
        "        time.sleep(60)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 130
    assert done.stderr == "interrupted; no file was changed\n"
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_message_and_not_a_traceback():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "netspec", "show", "lenet5"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_a_disk_that_fills_while_compiling_leaves_the_old_file_and_no_stray(tmp_path):
    import resource

    (tmp_path / "alexnet.onnx").write_text("old")
    done = subprocess.run(
        [sys.executable, "-m", "netspec", "compile", "alexnet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20)),
    )
    assert done.returncode == 1
    assert "NS504" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "alexnet.onnx").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["alexnet.onnx"]


@pytest.mark.parametrize("args", ["list --names", "summary nasnet_mobile --flat"])
def test_a_closed_pipe_is_no_error(args):
    done = subprocess.run(
        f"{sys.executable} -m netspec {args} | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0"


def test_dynamic_makes_the_last_axes_symbolic(tmp_path):
    (tmp_path / "net.ns").write_text("input 3x8x8\nconv3-4\n")
    done = netspec("compile", "-q", "net.ns", "--dynamic", "H,W", "-o", "net.onnx", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 20, 9), np.float32))
    shown = netspec("run", "net.onnx", "x.npy", cwd=tmp_path).stdout
    assert "output: 1x4x18x7" in shown


def test_compile_to_pytorch_writes_source(tmp_path):
    done = netspec("compile", "-q", "lenet5", "--to", "pytorch", cwd=tmp_path)
    assert done.stdout == "lenet5.py\n"
    assert "class Lenet5(nn.Module):" in (tmp_path / "lenet5.py").read_text()


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        (["--seed", "3"], "--seed"),
        (["--verify"], "--verify"),
        (["--training-heads"], "--training-heads"),
        (["-O0"], "-O"),
        (["--batch", "2"], "--batch"),
        (["--opset", "17"], "--opset"),
    ],
)
def test_options_that_source_has_no_meaning_for_are_refused_by_name(tmp_path, given, flag):
    done = netspec("compile", "lenet5", "--to", "pytorch", *given, cwd=tmp_path)
    assert done.returncode == 2
    assert flag in done.stderr
    assert not [*tmp_path.iterdir()]


def test_compile_to_torch_writes_a_state_dict(tmp_path):
    import torch

    netspec("compile", "-q", "lenet5", "--to", "torch", cwd=tmp_path)
    state = torch.load(tmp_path / "lenet5.pt", weights_only=True)
    assert sum(tensor.numel() for tensor in state.values()) == 61706


@pytest.mark.parametrize(
    ("args", "status", "code"),
    [
        ("compil lenet5 --json", 2, "NS520"),
        ("compile lenet5 --bogus --json", 2, "NS520"),
        ("compile nothing_like_it --json", 1, "NS501"),
        ("summary lenet5 --assert params<5X --json", 2, "NS710"),
        ("summary lenet5 --explain conv1 --format json", 2, "NS520"),
        ("run lenet5 --batch 1000000000 --json", 4, "NS522"),
    ],
)
def test_with_json_a_failure_is_one_json_document_too(args, status, code):
    done = netspec(*args.split())
    assert done.returncode == status
    assert [item["code"] for item in json.loads(done.stdout)["diagnostics"]] == [code]
    assert done.stderr == ""


def test_a_model_with_free_sizes_asks_for_them_in_its_own_shape(tmp_path):
    (tmp_path / "net.ns").write_text("input signal: 2xT\nconv3-4(pad=1); pixel_shuffle(2)\n")
    assert netspec("compile", "net.ns", cwd=tmp_path).returncode == 0
    asked = netspec("run", "net.onnx", cwd=tmp_path)
    assert asked.returncode == 2
    assert "--input signal:2x224" in asked.stderr
    assert netspec("run", "net.onnx", "--input", "signal:2x9", cwd=tmp_path).returncode == 0


def test_json_has_no_nan(tmp_path):
    np.save(tmp_path / "x.npy", np.full((1, 1, 32, 32), np.nan, np.float32))
    shown = netspec("run", "lenet5", "x.npy", "--json", cwd=tmp_path).stdout

    def refuse(word: str) -> None:
        raise AssertionError(word)

    plain = json.loads(shown, parse_constant=refuse)
    assert plain["outputs"]["output"]["top5"][0][0][1] is None


def test_noise_for_a_file_of_free_size_takes_its_size_from_the_command_line(tmp_path):
    (tmp_path / "net.ns").write_text("input 3x8x8\nconv3-4\n")
    netspec("compile", "-q", "net.ns", "--dynamic", "H, W", cwd=tmp_path)
    done = netspec("run", "net.onnx", cwd=tmp_path)
    assert done.returncode == 2
    assert "--input input:3x224x224" in done.stderr
    done = netspec("run", "net.onnx", "--input", "3x20x9", cwd=tmp_path)
    assert "output: 1x4x18x7" in done.stdout
    done = netspec("run", "net.onnx", "--input", "3x20xW", cwd=tmp_path)
    assert (done.returncode, "NS604" in done.stderr) == (2, True)


def test_options_of_a_spec_are_refused_beside_an_onnx_file():
    done = netspec("run", "net.onnx", "--set", "n=3", "--logits")
    assert done.returncode == 2
    assert "--set, --logits" in done.stderr


def test_a_file_of_the_wrong_kind_is_named_as_what_it_is(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"\x08\x97")
    assert "it is an ONNX model" in netspec("check", "net.onnx", cwd=tmp_path).stdout
    done = netspec("fmt", "lenet5", cwd=tmp_path)
    assert done.returncode == 2
    assert "netspec show lenet5 > lenet5.ns" in done.stderr
    for args in ("compile lenet5 -o -", "draw lenet5 -o x.svg --format png"):
        assert netspec(*args.split(), cwd=tmp_path).returncode == 2
    np.save(tmp_path / "none.npy", np.zeros((0, 1, 32, 32), np.float32))
    assert "holds no sample" in netspec("run", "lenet5", "none.npy", cwd=tmp_path).stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "none.npy"]


def test_eight_bits_on_the_command_line(tmp_path):
    for seed in range(2):
        np.save(tmp_path / f"{seed}.npy", np.random.default_rng(seed).normal(size=(1, 1, 28, 28)))
    spec = tmp_path / "t.ns"
    spec.write_text("input 1x28x28\nconv5-4; relu; maxpool2; fc-5; softmax\n")
    done = netspec("compile", "t.ns", "--quantize", "int8", "--samples", ".", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "t.onnx\n"
    assert "noise:" not in done.stderr
    assert "conv1  t.ns:2:1" in done.stderr
    ran = netspec("run", "t.onnx", "0.npy", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = netspec("compile", "t.ns", "--quantize", "int8", "--json", cwd=tmp_path)
    assert "warning: ranges are taken from noise" in told.stderr
    assert json.loads(told.stdout)["quantized"]["samples"] == 8
    for wrong in (
        ["--samples", "."],
        ["--reduce-range"],
        ["--quantize", "int8", "--verify"],
        ["--quantize", "int8", "--to", "torch"],
    ):
        assert netspec("compile", "t.ns", *wrong, cwd=tmp_path).returncode == 2


def test_fmt_calls_changed_only_what_it_changed(tmp_path):
    path = tmp_path / "mine.ns"
    path.write_text("input   3x8x8;gap;fc-2")
    path.chmod(0o444)
    done = netspec("fmt", "mine.ns", cwd=tmp_path)
    assert (done.returncode, "changed mine.ns" in done.stderr) == (1, False)
    assert "NS504" in done.stderr
    path.chmod(0o644)
    assert "changed mine.ns" in netspec("fmt", "mine.ns", cwd=tmp_path).stderr


def test_what_may_be_written_and_not_read_is_an_output(tmp_path, monkeypatch):
    from netspec.cli import compile_

    (tmp_path / "mine.ns").write_text("input 3x8x8; gap; fc-2\n")
    (tmp_path / "net.onnx").write_bytes(b"")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK and access(path, mode))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(compile_.command, ["mine.ns", "-o", "net.onnx"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "net.onnx").stat().st_size > 0


def test_compile_in_half_precision_says_what_stays_in_single(tmp_path):
    done = netspec("compile", "lenet5", "--dtype", "fp16", "--fp32", "conv1, fc*", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "half precision: 5 of 12 steps stay in float32" in done.stderr
    assert "conv1 at lenet5.ns:14:1: asked for by `conv1`" in done.stderr
    assert "softmax1 at lenet5.ns:16:38: a sum of exponentials" in done.stderr
    for command in ("run", "bench"):
        runs = ("--runs", "1") if command == "bench" else ()
        done = netspec(command, "lenet5.onnx", *runs, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    plain = json.loads(
        netspec("compile", "lenet5", "--dtype", "fp16", "--json", cwd=tmp_path).stdout
    )
    assert plain["precision"]["measured"]
    assert [island["path"] for island in plain["precision"]["fp32"]] == ["softmax1"]


def test_what_only_half_precision_has_is_refused_without_it(tmp_path):
    for options in (("--fp32", "fc1"), ("--io", "fp16")):
        done = netspec("compile", "lenet5", *options, cwd=tmp_path)
        assert done.returncode == 2
        assert "needs --dtype fp16" in done.stderr
    done = netspec("compile", "lenet5", "--dtype", "fp16", "--to", "torch", cwd=tmp_path)
    assert "--dtype fp16 is for ONNX files" in done.stderr
    done = netspec("compile", "lenet5", "--dtype", "fp16", "--fp32", "con1", cwd=tmp_path)
    assert done.returncode == 2
    assert "NS643" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("check", ""),
        ("compile", "lenet5", "-o", ""),
        ("compile", "lenet5", "--weights", ""),
        ("diff", "lenet5", "alexnet", "-o", ""),
        ("draw", "lenet5", "-o", ""),
        ("import", ""),
        ("import", "net.onnx", "-o", ""),
        ("package", "lenet5", "-o", ""),
        ("sweep", "lenet5", "-o", ""),
        ("sweep", "lenet5", "--plot", ""),
    ],
)
def test_an_empty_name_is_no_file_and_not_the_current_folder(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(main, words)
    assert (found.exit_code, "an empty text names no file" in found.stderr) == (2, True)
    assert not list(tmp_path.iterdir())
