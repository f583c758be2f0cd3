"""Exports small nets with Keras, through tf2onnx: python tests/exporters/export_keras.py"""

import pathlib

import keras
import numpy as np
import onnx
from keras import layers

FOLDER = pathlib.Path(__file__).parent


def image() -> keras.Model:
    """Like MobileNetV3 and EfficientNet; a Dense layer with a batch normalization at the end."""
    x = inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, 2, "same", use_bias=False)(x)
    x = kept = layers.Activation("hard_swish")(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.Activation("swish")(layers.BatchNormalization()(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(16, 1, activation="hard_sigmoid")(layers.Conv2D(8, 1, activation="relu")(gate))
    x = layers.Conv2D(16, 1, use_bias=False)(layers.Multiply()([x, gate]))
    x = layers.Add()([kept, layers.BatchNormalization()(x)])
    x = layers.ReLU(6)(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(x)))
    x = layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(x))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(8)(x)))
    return keras.Model(inputs, layers.Dense(4)(x))


def transformer() -> keras.Model:
    """A layer with attention and Gelu, and normalizations of both kinds."""
    x = inputs = keras.Input((6, 16))
    normal = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 8)(normal, normal)])
    # Through tanh: of the exact one tf2onnx makes an operator that ONNX lacks (Erfc).
    inner = layers.Dense(32, activation=lambda y: keras.activations.gelu(y, approximate=True))(layers.RMSNormalization()(x))
    return keras.Model(inputs, layers.Add()([x, layers.Dense(16)(inner)]))


keras.utils.set_random_seed(1)
for name, net in (("image", image()), ("transformer", transformer())):
    # Nothing is 0 or 1 any more, so that nothing is left out.
    random = np.random.default_rng(1)
    for weight in net.weights:
        if "seed" not in weight.name and weight.shape.rank < 2:
            weight.assign_add(random.uniform(0, 0.5, weight.shape))
    net(np.zeros((2, *net.input_shape[1:]), "f4"))
    path = FOLDER / f"{name}_keras.onnx"
    net.export(path, format="onnx", verbose=False)
    onnx.checker.check_model(path, full_check=True)
