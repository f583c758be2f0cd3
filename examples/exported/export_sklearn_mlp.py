"""Trains a neural network with scikit-learn and exports it with skl2onnx: python examples/exported/export_sklearn_mlp.py"""

import pathlib

from safetensors.numpy import load_file
from skl2onnx import to_onnx
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder = pathlib.Path(__file__).parent
digits = load_file(folder.parent / "data" / "digits.safetensors")
images, labels = digits["images"][:300], digits["labels"][:300]

net = MLPClassifier((24,), alpha=3, learning_rate_init=0.01, tol=0.01, random_state=1)
pipeline = make_pipeline(StandardScaler(), net).fit(images, labels)
# Means and deviations are attributes in the file, which stay; the net's matrices and vectors are weights, which can be
# trained further.
model = to_onnx(pipeline, images[:1], options={id(net): {"zipmap": False}})
(folder / "sklearn_mlp.onnx").write_bytes(model.SerializeToString())
