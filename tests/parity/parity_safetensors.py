"""Files of the `safetensors` package through the library and back: parity_safetensors.py COPY

COPY reads a file and writes it again (safetensors_copy.c). What comes back is byte for byte what
the package wrote, and the package reads from it what it put in; from shards too.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy
    import torch
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
    from safetensors.torch import load_file as load_torch
    from safetensors.torch import save_file as save_torch
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

COPY = sys.argv[1]


def copy(source, target):
    subprocess.run([COPY, str(source), str(target)], check=True)


def numpy_tensors():
    random = numpy.random.default_rng(1)
    kinds = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
    shapes = [(), (0,), (1,), (3,), (2, 0, 5), (7, 11), (2, 3, 4, 5)]
    names = ["a", "B", "layer.0.weight", 'quo"te', "back\\slash", "tab\t", "ä€😀", "", "/", "\x7f"]
    tensors = {}
    for kind in kinds:
        for shape in shapes:
            values = numpy.asarray(random.normal(size=shape) * 100)
            tensors[f"{names[len(tensors) % len(names)]}{len(tensors)}"] = values.astype(kind)
    tensors[""] = numpy.arange(3, dtype="float32")
    return tensors


def check_numpy(folder):
    tensors = numpy_tensors()
    for number, metadata in enumerate([None, {"format": "np"}, {"note": 'ä "\n\x01\x1f\x7f'}]):
        source, target = folder / f"np{number}.safetensors", folder / f"np{number}.copy"
        save_file(tensors, source, metadata=metadata)
        copy(source, target)
        assert source.read_bytes() == target.read_bytes(), f"numpy {number}: bytes differ"
        back = load_file(target)
        assert back.keys() == tensors.keys()
        for name, values in tensors.items():
            assert back[name].dtype == values.dtype and back[name].shape == values.shape, name
            assert back[name].tobytes() == values.tobytes(), name
        with safe_open(target, "np") as file:
            assert file.metadata() == metadata


def check_torch(folder):
    torch.manual_seed(1)
    tensors = {f"{kind}.{i}": (torch.randn(5, i) * 50).to(kind)
               for i in range(4)
               for kind in [torch.bfloat16, torch.float16, torch.float32, torch.int64]}
    source, target = folder / "torch.safetensors", folder / "torch.copy"
    save_torch(tensors, source, metadata={"format": "pt"})
    copy(source, target)
    assert source.read_bytes() == target.read_bytes(), "torch: bytes differ"
    back = load_torch(target)
    for name, values in tensors.items():
        assert torch.equal(back[name], values) and back[name].dtype == values.dtype, name


def check_empty(folder):
    source, target = folder / "empty.safetensors", folder / "empty.copy"
    save_file({}, source)
    copy(source, target)
    assert source.read_bytes() == target.read_bytes(), "empty: bytes differ"


def check_shards(folder):
    tensors = numpy_tensors()
    shards = folder / "shards"
    shards.mkdir()
    files = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    index = {"metadata": {"total_size": 1}, "weight_map": {}}
    for i, file in enumerate(files):
        part = dict(list(tensors.items())[i::3])
        save_file(part, shards / file)
        index["weight_map"].update({name: file for name in part})
    (shards / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    target, whole = folder / "shards.copy", folder / "whole.safetensors"
    copy(shards, target)
    save_file(tensors, whole)
    assert target.read_bytes() == whole.read_bytes(), "shards: bytes differ"


def main():
    with tempfile.TemporaryDirectory() as name:
        for check in (check_numpy, check_torch, check_empty, check_shards):
            check(pathlib.Path(name))
            print(f"{check.__name__}: ok")


main()
