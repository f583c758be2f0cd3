"""Fits a pipeline of scikit-learn and exports it with skl2onnx: python examples/exported/export_sklearn.py"""

import pathlib

from safetensors.numpy import load_file
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import VarianceThreshold
from sklearn.pipeline import make_pipeline

folder = pathlib.Path(__file__).parent
digits = load_file(folder.parent / "data" / "digits.safetensors")
images, labels = digits["images"][:300], digits["labels"][:300]

# Pixels that are always blank say nothing.
forest = RandomForestClassifier(8, max_leaf_nodes=32, random_state=1)
pipeline = make_pipeline(VarianceThreshold(), forest).fit(images, labels)
# Without ZipMap the probabilities are a tensor, not a dictionary for each row.
model = to_onnx(pipeline, images[:1], options={id(forest): {"zipmap": False}})
(folder / "sklearn.onnx").write_bytes(model.SerializeToString())
