"""Operators of ONNX that are not run here, and why."""

RANDOM = "random: numbers of another generator"
BODY = "its bodies are graphs; tests/core, the languages' tests and ONNX's backend suite have them"

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
}
