"""Where a judge is wrong, or the standard leaves open what the two give. Sentences in quotes are the standard's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import values
from case import Case
from judges import ONNXRUNTIME as ORT
from judges import REFERENCE as REF
from listed import ANY, NOBODY, Entry, always

ML = "ai.onnx.ml."
WINDOWS = "AveragePool Conv ConvInteger LpPool MaxPool QLinearConv"


def empty(case: Case) -> bool:
    """Whether an input has no elements."""
    return any(item is not None and np.size(item.value) == 0 for item in case.inputs)


def not_finite(case: Case) -> bool:
    floats = [item.value for item in case.inputs if item is not None and values.is_float(item.type)]
    return not all(np.isfinite(np.asarray(value).astype(np.float64)).all() for value in floats)


def auto_pads(case: Case) -> bool:
    return bool(case.attr("auto_pad", "NOTSET") != "NOTSET")


def of_type(*names: str) -> Callable[[Case], bool]:
    return lambda case: not case.types().isdisjoint(names)


def of_integers(case: Case) -> bool:
    """Whether the first input has them."""
    return values.is_integer(case.inputs[0].type)  # type: ignore[union-attr]


def has(name: str, *among: object) -> Callable[[Case], bool]:
    """Whether an attribute is one of these."""
    return lambda case: case.attr(name) in among


def some_more_than(name: str, limit: int) -> Callable[[Case], bool]:
    """Whether an input has a number beyond it, with or without a sign."""
    return lambda case: case.value(name) is not None and any(abs(int(number)) > limit for number in case.value(name))


def each(name: str) -> Callable[[Case], bool]:
    """Whether an input is a list, of which each is for a row or a channel."""
    return lambda case: len(case.shape(name)) > 0


def to_text(case: Case) -> bool:
    return case.attr("to") == 8 or case.type("target_type") == "string"


def to_few_bits(case: Case) -> bool:
    return case.attr("to") in (21, 22, 25, 26) or case.type("target_type") in ("int2", "int4", "uint2", "uint4")


def plain_recurrence(case: Case) -> bool:
    """What the reference's RNN, GRU and LSTM know."""
    known = case.attr("direction", "forward") == "forward" and case.attr("layout", 0) == 0
    defaults = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}[case.op]
    usual = case.attr("activations", defaults) == defaults and not case.attr("input_forget", 0)
    return bool(known and usual and case.attr("clip") is None and case.value("sequence_lens") is None)


def one_pixel_at_corners(case: Case) -> bool:
    return bool(case.attr("align_corners", 0) and 1 in case.value("size")[2:].tolist())


def far_slice(case: Case) -> bool:
    """Whether it names places that are not there."""
    return any(some_more_than(name, 5)(case) for name in ("starts", "ends", "steps"))


def index_outside(case: Case) -> bool:
    depth = int(np.ravel(case.value("depth"))[0])
    found = case.value("indices").astype(np.float64)
    return bool(((found < -depth) | (found >= depth)).any())


def words_of_more(case: Case) -> bool:
    """Whether a string is empty, has a space, or a letter with an accent."""
    return any(not text or " " in text or not text.isascii() for text in case.value("X").ravel())


def of_one_target(case: Case) -> bool:
    return bool(case.attr("targets", case.attr("n_targets", 1)) == 1)


ELEMENTS = [
    Entry(
        "Gelu Mish",
        ANY,
        not_finite,
        "they multiply infinity by 0; Weft gives the limit at negative infinity, -0",
        "nan",
    ),
    Entry("Gelu", REF, of_type("double"), "the function of onnx has constants of f32"),
    Entry("Gelu", NOBODY, always, "the reference cannot expand the function of onnx", "No implementation was found"),
    Entry(
        "Clip",
        ORT,
        not_finite,
        "without limits an infinite f16 becomes the greatest number; nothing is to be clipped",
        "inf and",
    ),
    Entry("Sign", ORT, not_finite, "the standard does not say what the sign of NaN is", "is nan and"),
    Entry(
        "Shrink",
        ANY,
        of_integers,
        "they subtract in a float, which has more than the greatest integer",
        "-92233720368547758",
    ),
    Entry(
        "Cast CastLike",
        ORT,
        to_few_bits,
        "a 'fixed point' number has no fraction, which is cut off; onnxruntime rounds",
    ),
    Entry(
        "Cast CastLike",
        ORT,
        to_text,
        "of a 'plain floating-point representation' onnxruntime writes 8 digits; Weft all that read back",
    ),
    Entry("Cast CastLike", REF, to_text, "a 'plain floating-point representation' of one may be 1 or 1.0"),
    Entry(
        "Cast CastLike",
        NOBODY,
        lambda c: to_text(c) or to_few_bits(c),
        "no judge has integers of 2 and 4 bits everywhere",
    ),
    Entry("CastLike", ANY, has("round_mode", "down", "nearest"), "they round up, whatever 'round_mode' is"),
]

LINES = [
    Entry("LpNormalization", REF, has("p", 1), "the norm sums the elements, not their absolute values"),
    Entry("ReduceLogSum ReduceSumSquare", REF, of_integers, "the result is to be of 'T', as the input is", "64["),
    Entry("ReduceLogSum ReduceLogSumExp ReduceL2", ANY, of_integers, "how a logarithm becomes an integer is not said"),
    Entry("ReduceLogSum ReduceLogSumExp", NOBODY, of_integers, "no judge has logarithms of all integers"),
    Entry("ReduceMean", ANY, empty, "'Reduction over an empty set of values yields undefined'"),
    Entry(
        "GroupNormalization",
        ANY,
        of_type("double"),
        "'stash_type' names f32 for the first stage; Weft computes all of f64 in f64",
    ),
    Entry(
        "LayerNormalization",
        REF,
        of_type("double"),
        "Mean and InvStdDev are of 'U', which has no f64",
        " is float32",
    ),
    Entry("BatchNormalization", REF, always, "the running values are of 'T2', not of the type of X", "running_"),
    Entry(
        "MeanVarianceNormalization",
        NOBODY,
        always,
        "the function of onnx adds a constant of f32",
        "Input type mismatch",
    ),
    Entry(
        "BlackmanWindow HammingWindow HannWindow",
        ORT,
        lambda c: c.attr("output_datatype") == 11 or c.value("size") == 2,
        "onnxruntime computes windows in f32, where nothing is exactly 0",
    ),
    Entry("LRN", REF, always, "the last channel of 'min(C - 1, c + ceil((size - 1) / 2))' is left out"),
    Entry("LRN", NOBODY, always, "the reference reads channels that are not there; onnxruntime takes odd sizes alone"),
    Entry("LogSoftmax Softmax", NOBODY, empty, "the reference writes to a constant", "read-only"),
    Entry("Unique", REF, has("sorted", 0), "unsorted values are 'in the order of the first occurrence'"),
    Entry(
        "Unique",
        NOBODY,
        has("sorted", 0),
        "the reference takes places along the axis for places among all elements",
        "IndexError",
    ),
    Entry(
        "NonZero",
        ORT,
        lambda c: c.shape("X") == (),
        "of a scalar there is no row of indices; onnxruntime takes it for a vector",
    ),
    Entry("NonZero", NOBODY, lambda c: c.shape("X") == (), "of a scalar there is no row of indices; numpy refuses it"),
    Entry(
        "Mean",
        NOBODY,
        always,
        "the reference adds in place, where the first operand cannot grow",
        "non-broadcastable",
    ),
]

MOVEMENT = [
    Entry("Gather GatherElements", REF, empty, "the result has the dimensions of indices, also where there are none"),
    Entry("Gather", ORT, of_type("string"), "strings are lost with 'indices' that count from the end of an inner axis"),
    Entry("GatherElements", NOBODY, always, "the reference wants dimensions that are alike", "all dimensions of index"),
    Entry("Slice", ORT, far_slice, "a start and a step near the limits of the type overflow"),
    Entry("Slice", REF, far_slice, "starts and ends are 'clamped'; numpy counts again from the end what is not there"),
    Entry(
        "Split",
        REF,
        has("num_outputs", 2, 3, 4),
        "'the last chunk will be smaller', but less than nothing is left for it",
        "refuses",
    ),
    Entry("SplitToSequence", ORT, always, "with 'split' given, keepdims is 'ignored'"),
    Entry(
        "Squeeze",
        ORT,
        lambda c: c.shape("axes") == (0,),
        "no axis is named, so none goes; onnxruntime takes all that are 1",
    ),
    Entry("Shape", REF, always, "an end before the start leaves nothing of the shape", "int64[0]"),
    Entry("Flatten Reshape", NOBODY, empty, "numpy cannot reshape nothing with -1", "cannot reshape"),
    Entry(
        "CenterCropPad Pad Trilu",
        REF,
        of_type("string"),
        "what is 0 of numbers is the empty one of strings, not '0'",
    ),
    Entry(
        "TensorScatter",
        REF,
        has("mode", "circular"),
        "coordinates of all axes are taken modulo, not that of the sequence alone",
    ),
    Entry(
        "OneHot",
        REF,
        index_outside,
        "'values outside the range [-depth, depth-1] will result in one-hot representation with all off_value values'",
    ),
    Entry("Pad", NOBODY, lambda c: min(c.value("pads")) < 0, "'negative' pads take elements away, which numpy cannot"),
    Entry(
        "ScatterND",
        NOBODY,
        has("reduction", "max", "min"),
        "the reference compares whole slices",
        "setting an array element",
    ),
]

PRODUCTS = [
    Entry("MatMulInteger QLinearMatMul", ORT, empty, "sums of nothing are 0; onnxruntime does not write them"),
    Entry("MatMulInteger", REF, each("a_zero_point"), "[zp_1, ...] 'refers to per row quantization', not per column"),
    Entry(
        "MatMulInteger",
        NOBODY,
        each("a_zero_point"),
        "[zp_1, ...] 'refers to per row quantization'; onnxruntime takes one for all",
    ),
    Entry("ConvInteger", REF, each("w_zero_point"), "zero points are of the 'output channels', not of the taps"),
    Entry(
        "ConvInteger",
        NOBODY,
        each("w_zero_point"),
        "zero points are of the 'output channels'; onnxruntime takes one",
    ),
    Entry(
        "QLinearConv",
        REF,
        each("w_scale"),
        "scales are of the 'output channels' of any image; the reference knows planes",
    ),
    Entry(
        "QLinearConv",
        NOBODY,
        each("w_scale"),
        "scales are of the 'output channels' of any image; the reference knows planes",
    ),
    Entry(
        "QuantizeLinear DequantizeLinear",
        NOBODY,
        lambda c: len(c.shape("x")) == 1,
        "'When the rank of the input is 1, per-tensor quantization is applied, rendering the axis unnecessary'",
        "axis",
    ),
    Entry(
        "DynamicQuantizeLinear",
        REF,
        lambda c: not np.any(c.value("x")),
        "of zeros the scale is 0, by which the standard divides",
    ),
    Entry(
        "Attention",
        REF,
        always,
        "of masked scores it multiplies 0 by infinity; where all are masked, Weft gives 0",
        "and nan",
    ),
    Entry(
        "Attention",
        REF,
        always,
        "mode 0 is 'the output of qk matmul', to which softcap comes later",
        "qk_matmul_output",
    ),
    Entry(
        "Attention",
        NOBODY,
        always,
        "the reference does not broadcast masks with nonpad_kv_seqlen",
        "non-broadcastable",
    ),
    Entry(
        "RNN GRU LSTM",
        REF,
        lambda c: not plain_recurrence(c),
        "'direction', 'clip', 'sequence_lens', 'activations', input_forget and 'layout' of states are passed over",
    ),
    Entry(
        "RNN GRU LSTM",
        NOBODY,
        lambda c: not plain_recurrence(c),
        "onnxruntime has no 'layout' 1; the reference as above",
    ),
]

IMAGES = [
    Entry(WINDOWS, REF, auto_pads, "'VALID' pads, or 'SAME' is worked out without strides or with dilations"),
    Entry(WINDOWS, NOBODY, auto_pads, "the reference pads by less than 0", "negative values"),
    Entry("AveragePool LpPool MaxPool", REF, has("ceil_mode", 1), "windows over the end are moved or cut elsewhere"),
    Entry(
        "LpPool",
        ORT,
        auto_pads,
        "where a stride is longer than the window 'SAME' needs no padding, not less than none",
    ),
    Entry("MaxPool", REF, lambda c: c.attr("pads") is not None, "uneven pads are taken for even ones"),
    Entry("MaxPool", REF, always, "indices are those of the 'flatten 1-D tensor', not of one channel", "Indices["),
    Entry(
        "GlobalMaxPool",
        REF,
        lambda c: len(c.shape("X")) != 4,
        "the last two axes are reduced, however many there are",
    ),
    Entry(
        "GlobalMaxPool GlobalAveragePool GlobalLpPool",
        NOBODY,
        empty,
        "of no images there are no results; both judges refuse them",
    ),
    Entry("ConvTranspose", REF, auto_pads, "with 'SAME' padding may be less than 0"),
    Entry(
        "ConvTranspose",
        ORT,
        auto_pads,
        "'output_shape[i] = input_shape[i] * strides[i]', also of a stride longer than the window",
    ),
    Entry("ConvTranspose", NOBODY, always, "a result may have no elements; both refuse it", "output dimension is <= 0"),
    Entry("ConvTranspose", REF, lambda c: c.attr("group", 1) > 1, "groups and images are taken for one another"),
    Entry(
        "ConvTranspose",
        NOBODY,
        lambda c: c.attr("group", 1) > 1 or auto_pads(c),
        "the reference cannot reshape",
        "cannot reshape",
    ),
    Entry("Col2Im", ORT, lambda c: len(c.value("image_shape")) > 2, "strides and dilations of three axes are mixed up"),
    Entry("DeformConv", REF, of_type("double"), "places are computed in f32"),
    Entry("DeformConv", NOBODY, always, "the reference divides by 0 where an image has one element", "NaN"),
    Entry("AffineGrid", REF, of_type("double"), "grid is of 'T1', the type of theta", " is float64"),
    Entry("AffineGrid", ANY, one_pixel_at_corners, "one pixel stands in the middle; they take it for a corner"),
    Entry("GridSample", REF, of_integers, "products of weights and integers are cut to integers one by one"),
    Entry(
        "GridSample",
        NOBODY,
        always,
        "the reference divides by 0 where an image has one element",
        "cannot convert float",
    ),
    Entry("Resize", REF, of_type("complex64", "complex128"), "imaginary parts are lost", "j) and "),
    Entry("Resize", ANY, of_integers, "how integers are rounded is not said; Weft takes the nearest"),
    Entry(
        "Resize",
        ORT,
        has("coordinate_transformation_mode", "align_corners"),
        "tests of onnx take the length before it is rounded down",
    ),
    Entry("Resize", REF, of_type("double"), "weights are computed in f32"),
    Entry("Resize", NOBODY, of_type("string"), "the reference takes strings for numbers"),
    Entry(
        "DFT",
        ORT,
        lambda c: c.attr("inverse", 0) and c.attr("onesided", 0),
        "'dft_length' is the signal's, not the spectrum's",
    ),
]

OTHERS = [
    Entry("NegativeLogLikelihoodLoss", REF, has("ignore_index", -1), "-1 is taken for no 'ignore_index'"),
    Entry("Optional", REF, always, "an optional is what it holds, not a list of it", "a sequence of 1"),
    Entry(
        "SequenceInsert",
        REF,
        always,
        "'Accepted range for position is in [-n, n]', and at n it is put behind the others",
    ),
    Entry("SequenceInsert", NOBODY, always, "the reference divides by the length, which may be 0", "ZeroDivisionError"),
    Entry(
        "StringNormalizer",
        REF,
        words_of_more,
        "accents and empty strings go, which the standard does not say, and stop words are cut at spaces",
    ),
    Entry(
        "StringSplit",
        ORT,
        always,
        "of an empty string there is one part; a delimiter that is empty is 'whitespace'",
    ),
    Entry("StringSplit", REF, has("maxsplit", 0), "white space at the end stays where nothing is split"),
    Entry(
        "TfIdfVectorizer",
        REF,
        has("mode", "IDF", "TFIDF"),
        "'the weight of the i-th n-gram in pool' is not that of coordinate i",
    ),
]

CLASSICAL = [
    Entry(
        f"{ML}FeatureVectorizer {ML}Scaler {ML}LinearRegressor {ML}LinearClassifier {ML}Normalizer "
        f"{ML}TreeEnsembleRegressor",
        REF,
        always,
        "the output is 'tensor(float)', whatever the input is",
        " is float32",
    ),
    Entry(
        f"{ML}Normalizer",
        REF,
        lambda c: c.attr("norm", "MAX") == "MAX",
        "'Y = X / max(X)', not the greatest without its sign",
    ),
    Entry(
        f"{ML}LinearClassifier",
        ORT,
        lambda c: len(c.attr("intercepts")) == 1,
        "one score of two classes is not transformed with the other",
    ),
    Entry(
        f"{ML}LinearClassifier",
        REF,
        lambda c: len(c.attr("intercepts")) == 1,
        "what the score of the other of two classes is, is not said; Weft has that of onnxruntime",
    ),
    Entry(
        f"{ML}LinearClassifier",
        REF,
        has("post_transform", "LOGISTIC"),
        "the class is that of the greatest score, also where two of them are rounded to 1",
        "Y[",
    ),
    Entry(f"{ML}LinearRegressor", REF, lambda c: c.attr("intercepts") is None, "without intercepts it adds NaN", "and nan"),
    Entry(f"{ML}LinearRegressor", ORT, of_one_target, "the transform is left out for one target"),
    Entry(f"{ML}TreeEnsemble", REF, lambda c: c.attr("post_transform", 0) != 0, "no 'post_transform' is made"),
    Entry(
        f"{ML}TreeEnsemble",
        ORT,
        lambda c: c.attr("post_transform", 0) != 0,
        "'SOFTMAX' (1), 'LOGISTIC' (2), 'SOFTMAX_ZERO' (3) are numbered otherwise",
    ),
    Entry(
        f"{ML}TreeEnsemble {ML}TreeEnsembleRegressor",
        REF,
        lambda c: c.attr("aggregate_function", 1) in (2, 3, "MIN", "MAX"),
        "a target without leaves gets the limit of the type; of no leaf nothing is said",
    ),
    Entry(f"{ML}TreeEnsemble", REF, always, "nodes of different 'nodes_modes' are mixed up"),
    Entry(
        f"{ML}TreeEnsembleClassifier",
        ORT,
        always,
        "the 'Top class' is looked for among those with votes; two classes are something else",
    ),
    Entry(
        f"{ML}TreeEnsembleClassifier",
        REF,
        lambda c: len(set(c.attr("class_ids"))) == 1,
        "votes for one class are taken for those of two",
    ),
    Entry(
        f"{ML}TreeEnsembleRegressor",
        NOBODY,
        always,
        "the reference has no limits of integers, onnxruntime no kernel",
        "not inexact",
    ),
    Entry(
        f"{ML}TreeEnsembleRegressor",
        ORT,
        lambda c: c.attr("post_transform", "NONE") != "NONE" or c.attr("base_values") is not None,
        "base_values are 'added to final prediction', also of one target or without leaves, and then transformed",
    ),
]

DIFFERS: list[Entry] = [*ELEMENTS, *LINES, *MOVEMENT, *PRODUCTS, *IMAGES, *OTHERS, *CLASSICAL]
