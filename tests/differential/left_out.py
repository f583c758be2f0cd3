"""Operators of ONNX that are not run here, and why."""

RANDOM = "random: numbers of another generator"
BODY = "its bodies are graphs; tests/core, the languages' tests and ONNX's backend suite have them"
MAPS = "it takes a map; python/tests/test_maps.py has some beside onnxruntime, tests/core the others"

LEFT_OUT = {
    "Bernoulli": RANDOM,
    "Multinomial": RANDOM,
    "RandomNormal": RANDOM,
    "RandomNormalLike": RANDOM,
    "RandomUniform": RANDOM,
    "RandomUniformLike": RANDOM,
    "If": BODY,
    "Loop": BODY,
    "Scan": BODY,
    "SequenceMap": BODY,
    "ai.onnx.preview.FlexAttention": BODY,
    "ai.onnx.ml.CastMap": MAPS,
    "ai.onnx.ml.DictVectorizer": MAPS,
    "ImageDecoder": "its input is a file; tests/core/kernels/cpu and the backend suite have some of each format",
}
