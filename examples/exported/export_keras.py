"""Trains a recurrent network with Keras and exports it through tf2onnx: python examples/exported/export_keras.py"""

import pathlib

import keras
from keras import layers
from safetensors.numpy import load_file

folder = pathlib.Path(__file__).parent
digits = load_file(folder.parent / "data" / "digits.safetensors")
images, labels = digits["images"][:300], digits["labels"][:300]

keras.utils.set_random_seed(1)
# It reads an image row by row.
model = keras.Sequential([keras.Input((64,)), layers.Reshape((8, 8)), layers.GRU(16), layers.Dense(10)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.01), loss)
model.fit(images, labels, epochs=40, verbose=0)
model.export(folder / "keras.onnx", format="onnx")
