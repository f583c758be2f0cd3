"""Numbers in files and texts are the same in a locale that writes them with a comma."""

import os
import pathlib
import subprocess
import sys

# Run in a folder; writes every kind of file there, reads it again, and prints what people see.
PROGRAM = """
import ctypes, locale, sys
import numpy as np

if len(sys.argv) > 1:
    locale.setlocale(locale.LC_ALL, sys.argv[1])
    text = ctypes.create_string_buffer(8)
    ctypes.CDLL(None).snprintf(text, 8, b"%.1f", ctypes.c_double(1.5))
    assert text.value == b"1,5", text.value

import weft

graph = weft.Graph()
x = graph.input("x", "f32", ["batch", 2])
w = graph.variable("w", np.array([[1.5], [-0.25]], "f4"))
y = weft.leaky_relu(x @ w + 1234567.5, alpha=0.125, name="y")
loss = weft.reduce_mean(y * y, keepdims=False, name="loss")
step = weft.Adam(learning_rate=0.5).minimize(loss)
session = weft.Session(graph)
session.run({x: [[1.5, 2.5]]}, loss, step)
session.save("checkpoint.safetensors")
session.load("checkpoint.safetensors")
graph.save("model.onnx", y, session=session, weights="weights.safetensors")
graph.save("training.onnx", session=session, training=True)
model = weft.Graph.load("model.onnx")
again = weft.Graph.load("training.onnx")
print(weft.Session(model).run({model.inputs[0]: [[1.5, 2.5]]}, model.outputs[0]).tolist())
print(graph, model, again, graph.dot(), x.shape, y.shape, sep="\\n")
with open("rows.csv", "w") as file:
    file.write("a,b\\n1.5,-2.25e-3\\n1234567.5,0.1\\n")
print(weft.Dataset.load("rows.csv")[0].tolist())
weft.save_tensors("tensors.safetensors", {"t": np.array([1.5, 2.5])})
print(weft.load_tensors("tensors.safetensors")["t"].numpy().tolist())
for wrong in (lambda: graph.add("LeakyRelu", [x], {"alpha": "a"}), lambda: weft.Adam(-1.5).minimize(loss)):
    try:
        wrong()
    except weft.WeftError as error:
        print(error)
"""


def run(folder: pathlib.Path, *locale: str, **environment: str) -> str:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *locale],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_locale_with_commas_changes_nothing(tmp_path: pathlib.Path) -> None:
    locales = tmp_path / "locales"
    locales.mkdir()
    # Few machines have one. Its sources are in Debian's package locales.
    subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", locales / "de_DE.UTF-8"], check=True, capture_output=True)
    printed = run(tmp_path / "comma", "de_DE.UTF-8", LOCPATH=str(locales))
    assert printed == run(tmp_path / "point")
    assert "[[1.5, -0.0022499999031424522], [1234567.5, 0.10000000149011612]]" in printed
    files = {path.name: path.read_bytes() for path in (tmp_path / "comma").iterdir()}
    assert {"checkpoint.safetensors", "model.onnx", "training.onnx", "tensors.safetensors"} < files.keys()
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "point").iterdir()}
