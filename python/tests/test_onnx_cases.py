"""Every case of an ONNX operator, saved: the file passes onnx.checker, and onnxruntime gives what the case says."""

import pathlib
import sys
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import weft

from running import tensor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bindings" / "gen"))
import cases  # noqa: E402

onnxruntime.set_default_logger_severity(4)
NUMBERS = {"f16", "f32", "f64", "bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"}
TYPES = NUMBERS | {"string"}
# What onnxruntime has no kernel for says so in one of these ways; that is its limit and not ours.
UNSUPPORTED = ("NOT_IMPLEMENTED", "Could not find an implementation", "Failed to construct locale", "is not a registered function/op")
# What these give is left to whoever implements them.
RANDOM = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}
# Where the two may differ, and why.
DIFFERS = {
    ("CausalConvWithState", "no_places"): "onnxruntime computes nothing of nothing in a Conv alone",
    ("LinearAttention", "no_steps"): "onnxruntime cannot tell the features of nothing",
    ("AffineGrid", "one_pixel_is_in_the_middle"): "onnxruntime takes one pixel for a corner",
    ("AffineGrid", "no_pixels"): "onnxruntime wants pixels",
    ("ArgMax", "not_a_number"): "the standard does not say where NaN stands",
    ("ArgMin", "not_a_number"): "the standard does not say where NaN stands",
    ("Attention", "keys_that_fill_up_behind_a_short_mask"): "onnxruntime wants a mask as long as there are keys",
    **{("Attention", name): "onnxruntime cannot reshape no elements" for name in ("no_queries", "no_keys_at_all", "no_keys_and_a_mask")},
    ("BlackmanWindow", "symmetric_one"): "onnxruntime divides 0 by 0",
    ("Cast", "double_to_half_rounds_once"): "onnxruntime rounds twice",
    ("Cast", "doubles_out_of_range"): "out of range, the standard leaves it open",
    ("Cast", "floats_out_of_byte_range"): "out of range, the standard leaves it open",
    ("Cast", "floats_out_of_range"): "out of range, the standard leaves it open",
    ("Cast", "negative_to_unsigned_long"): "out of range, the standard leaves it open",
    ("Cast", "old_type_name"): "the type was a string before opset 6, which Graph.add takes as a name of ours",
    ("Cast", "doubles_to_strings"): "onnxruntime writes 8 digits",
    ("Cast", "halves_to_strings"): "onnxruntime writes 8 digits",
    ("ConvInteger", "groups_and_dilations"): "onnxruntime takes one zero point for all channels",
    ("ConvInteger", "no_channels"): "onnxruntime does not write sums of nothing",
    ("ConvInteger", "one_by_one"): "onnxruntime takes one zero point for all channels",
    ("ConvInteger", "one_of_each_channel"): "onnxruntime takes one zero point for all channels",
    ("ConvInteger", "signed_by_unsigned_each_channel"): "onnxruntime takes one zero point for all channels",
    ("ConvInteger", "three_axes"): "onnxruntime takes one zero point for all channels",
    ("ConvInteger", "zero_points_of_the_weight_alone"): "onnxruntime takes one zero point for all channels",
    ("CenterCropPad", "one_axis"): "the function of onnx mixes i32 with i64",
    ("CenterCropPad", "scalar"): "onnxruntime cannot pad a scalar by nothing",
    ("Compress", "scalar_is_a_list_of_one"): "the checker wants at least one dimension",
    ("ConvTranspose", "same_lower_and_a_stride_longer_than_the_window"): "onnxruntime and the inference of onnx add no elements",
    ("ConvTranspose", "same_upper_and_a_stride_longer_than_the_window"): "onnxruntime and the inference of onnx add no elements",
    ("ConvTranspose", "same_with_output_padding"): "the inference of onnx adds output_padding to the size that SAME gives",
    ("ConvTranspose", "smaller_output_shape"): "the inference of onnx gives two of the dimensions",
    ("ConvTranspose", "smaller_output_shape_upper"): "the inference of onnx gives two of the dimensions",
    ("DeformConv", "line"): "onnxruntime takes images alone",
    ("DeformConv", "volume"): "onnxruntime takes images alone",
    ("DequantizeLinear", "a_vector_has_one_axis"): "onnxruntime wants to be told the one axis of a vector",
    ("Det", "not_finite"): "onnxruntime follows an infinity further",
    ("Dropout", "of_opset_6"): "random",
    ("Dropout", "training"): "random",
    ("Dropout", "training_with_default_ratio"): "random",
    ("Dropout", "training_with_seed"): "random, from another generator",
    ("GRU", "all_scaledtanh"): "onnxruntime has no f64",
    ("GRU", "batch_first"): "onnxruntime knows no layout 1",
    ("GRU", "bidirectional"): "onnxruntime has no f64",
    ("GRU", "clip"): "onnxruntime has no f64",
    ("GRU", "forward"): "onnxruntime has no f64, and wants hidden_size",
    ("GRU", "lengths"): "the last state of no steps is the first one, or 0 in onnxruntime",
    ("GRU", "linear_before_reset_no_bias"): "onnxruntime knows no layout 1",
    ("GRU", "no_features"): "onnxruntime wants features",
    ("GRU", "no_inputs"): "onnxruntime ends the process",
    ("GRU", "no_sequences"): "onnxruntime ends the process",
    ("GRU", "no_steps"): "onnxruntime ends the process",
    ("Gemm", "any_number_but_zero_transposes"): "the inference of onnx cuts the number to 32 bits",
    ("GlobalMaxPool", "opset_1"): "onnxruntime passes over NaN and negative infinity",
    ("GlobalMaxPool", "special_values"): "onnxruntime passes over NaN and negative infinity",
    ("Einsum", "capitals_come_first"): "onnxruntime takes small letters alone",
    ("Einsum", "ellipsis_broadcasts"): "the inference of onnx wants one shape for all ellipses",
    ("Einsum", "ellipsis_of_nothing"): "the inference of onnx crashes",
    ("Einsum", "implied_ellipsis"): "the inference of onnx wants one shape for all ellipses",
    ("Einsum", "ones_kept"): "the inference of onnx does not broadcast letters",
    ("Einsum", "output_without_the_ellipsis"): "onnxruntime does not sum over an ellipsis",
    ("GridSample", "line"): "onnxruntime takes images and volumes alone",
    ("GridSample", "line_on_pixels_by_corners"): "onnxruntime takes images and volumes alone",
    ("GridSample", "nearest_halves_to_even"): "onnxruntime takes images and volumes alone",
    ("GridSample", "no_pixels"): "onnxruntime wants pixels",
    ("GridSample", "not_a_number_and_infinite"): "onnxruntime takes images and volumes alone",
    ("GroupNormalization", "no_images"): "onnxruntime cannot reshape no elements",
    ("HammingWindow", "symmetric_one"): "onnxruntime divides 0 by 0",
    ("HannWindow", "symmetric_one"): "onnxruntime divides 0 by 0",
    ("LRN", "no_channels"): "onnxruntime wants four dimensions",
    ("LRN", "no_images"): "onnxruntime wants four dimensions",
    ("LRN", "no_places"): "onnxruntime wants four dimensions",
    ("LSTM", "all_scaledtanh"): "onnxruntime has no f64",
    ("LSTM", "batch_first"): "onnxruntime knows no layout 1",
    ("LSTM", "bidirectional"): "onnxruntime has no f64",
    ("LSTM", "clip"): "onnxruntime has no f64",
    ("LSTM", "forward"): "onnxruntime has no f64, and wants hidden_size",
    ("LSTM", "lengths"): "the last state of no steps is the first one, or 0 in onnxruntime",
    ("LSTM", "no_inputs"): "onnxruntime ends the process",
    ("LSTM", "no_sequences"): "onnxruntime ends the process",
    ("LSTM", "no_steps"): "onnxruntime ends the process",
    ("LayerNormalization", "scale_of_every_element"): "Mean and InvStdDev of f64 are f64 here; the standard has f32",
    ("MatMulInteger", "each_row_and_column"): "onnxruntime takes one zero point for all rows",
    ("MatMulInteger", "each_row_of_all_matrices"): "onnxruntime takes one zero point for all rows",
    ("MatMulInteger", "each_row_of_each_matrix"): "onnxruntime takes one zero point for all rows",
    ("MatMulInteger", "matrices_that_broadcast"): "onnxruntime takes one zero point for all rows",
    ("MatMulInteger", "matrix_by_vector"): "onnxruntime takes one zero point for all rows",
    ("MatMulInteger", "nothing_to_sum"): "onnxruntime does not write sums of nothing",
    ("MatMulInteger", "rows_of_many_by_one_matrix"): "onnxruntime takes one zero point for all rows",
    ("MeanVarianceNormalization", "all"): "the function of onnx adds a constant of f32",
    ("MeanVarianceNormalization", "default"): "the function of onnx adds a constant of f32",
    ("MeanVarianceNormalization", "equal_elements"): "the function of onnx adds a constant of f32",
    ("MeanVarianceNormalization", "nothing"): "the function of onnx adds a constant of f32",
    ("MeanVarianceNormalization", "opset_9"): "the function of onnx adds a constant of f32",
    ("MeanVarianceNormalization", "rows"): "the function of onnx adds a constant of f32",
    ("MelWeightMatrix", "odd_length"): "onnxruntime counts the bins of an odd length otherwise",
    ("Mish", "special_values_f32"): "onnxruntime multiplies negative infinity by 0",
    ("MaxUnpool", "onnx_with_output_shape"): "onnxruntime counts indices in output_shape; this is a test of onnx",
    ("NonZero", "scalar"): "onnxruntime takes a scalar for a vector",
    ("OneHot", "scalar"): "the checker wants indices of at least one dimension",
    ("Pad", "scalar"): "onnxruntime cannot pad a scalar by nothing",
    ("Pow", "integers_wrap_around"): "overflow, the standard leaves it open",
    ("QLinearMatMul", "each_row_and_column"): "onnxruntime takes one scale for all rows",
    ("QLinearMatMul", "each_row_of_each_matrix"): "onnxruntime takes one scale for all rows",
    ("QLinearMatMul", "nothing_to_sum"): "onnxruntime does not write sums of nothing",
    ("QuantizeLinear", "a_vector_has_one_axis"): "onnxruntime wants to be told the one axis of a vector",
    ("RMSNormalization", "other_type_of_scale"): "the inference of onnx takes the type of X for that of Y",
    ("RNN", "all_scaledtanh"): "onnxruntime has no f64",
    ("RNN", "batch_first"): "onnxruntime knows no layout 1",
    ("RNN", "bidirectional"): "onnxruntime has no f64",
    ("RNN", "clip"): "onnxruntime has no f64",
    ("RNN", "forward"): "onnxruntime has no f64, and wants hidden_size",
    ("RNN", "lengths"): "the last state of no steps is the first one, or 0 in onnxruntime",
    ("RNN", "no_inputs"): "onnxruntime ends the process",
    ("RNN", "no_sequences"): "onnxruntime ends the process",
    ("RNN", "no_steps"): "onnxruntime ends the process",
    ("Reshape", "keeps_no_rows"): "onnxruntime cannot reshape no elements",
    ("Reshape", "keeps_no_rows_and_parts_columns"): "onnxruntime cannot reshape no elements",
    ("Resize", "bytes_linear"): "onnxruntime cuts fractions off; the standard leaves it open",
    ("Resize", "bytes_overshoot"): "onnxruntime has no cubic form for a vector",
    ("Resize", "crop_double_region"): "onnxruntime takes no region of f64",
    ("Resize", "crop_nearest_bytes"): "out of range, the standard leaves it open",
    ("Resize", "downsample_scales_cubic_align_corners"): "onnxruntime rounds the length first; this is a test of onnx",
    ("Resize", "downsample_scales_linear_align_corners"): "onnxruntime rounds the length first; this is a test of onnx",
    ("Resize", "ints_linear"): "onnxruntime has no linear form for a vector of integers",
    ("Resize", "scale_that_is_no_f32"): "onnxruntime rounds the product to f32 before it takes the floor",
    ("Resize", "signed_bytes_halves_to_even"): "onnxruntime has no linear form for a vector of integers",
    ("RotaryEmbedding", "same_angles_for_all_images"): "onnxruntime wants the angles of each image",
    ("RotaryEmbedding", "same_places_for_all_images"): "onnxruntime wants the angles of each image",
    ("RotaryEmbedding", "three_axes_same_angles_for_all_images"): "onnxruntime wants the angles of each image",
    ("STFT", "neither"): "onnxruntime wants a window or a length",
    ("Shrink", "large_whole_numbers_are_exact"): "onnxruntime computes integers in f32",
    ("Shrink", "out_of_range_is_the_nearest"): "out of range, the standard leaves it open",
    ("SoftmaxCrossEntropyLoss", "no_labels_none"): "onnxruntime cannot reshape no elements",
    ("SoftmaxCrossEntropyLoss", "no_labels_sum"): "onnxruntime cannot reshape no elements",
    ("ScatterElements", "max_nan"): "the standard does not say where NaN stands",
    ("SoftmaxCrossEntropyLoss", "no_labels_sum"): "onnxruntime cannot reshape no elements",
    ("SoftmaxCrossEntropyLoss", "no_labels_none"): "onnxruntime cannot reshape no elements",
    ("Squeeze", "axis_is_a_scalar"): "onnxruntime wants a vector of axes",
    ("Unsqueeze", "axis_is_a_scalar"): "onnxruntime wants a vector of axes",
    ("StringNormalizer", "nothing_in"): "onnxruntime wants strings",
    ("StringSplit", "nothing_is_one_part"): "onnxruntime takes the empty string for none",
    ("StringSplit", "white_space_of_unicode"): "onnxruntime knows the space alone",
    ("com.microsoft.Tokenizer", "no_strings"): "onnxruntime leaves the axis of tokens out",
    ("com.microsoft.Tokenizer", "scalar"): "onnxruntime takes one or two axes",
    ("com.microsoft.Tokenizer", "separators_that_match_nothing"): "onnxruntime leaves out what stands behind an empty match",
    ("ai.onnx.ml.ArrayFeatureExtractor", "again_and_from_the_end"): "onnxruntime does not count from the end",
    ("ai.onnx.ml.ArrayFeatureExtractor", "no_places"): "onnxruntime wants places",
    ("ai.onnx.ml.Binarizer", "values"): "onnxruntime refuses NaN",
    ("ai.onnx.ml.FeatureVectorizer", "own_sizes"): "onnxruntime wants to be told the sizes",
    ("ai.onnx.ml.LabelEncoder", "last_of_equal_keys"): "onnxruntime takes the first of equal keys",
    ("ai.onnx.ml.LabelEncoder", "version_1_to_integers"): "a graph's opset is that of ONNX's own domain here",
    ("ai.onnx.ml.LabelEncoder", "version_1_to_strings"): "a graph's opset is that of ONNX's own domain here",
    ("ai.onnx.ml.LinearClassifier", "a_tie_is_the_first"): "the inference of onnx wants intercepts",
    ("ai.onnx.ml.LinearClassifier", "f64_without_intercepts"): "the inference of onnx wants intercepts",
    ("ai.onnx.ml.LinearRegressor", "softmax_zero_of_zeros"): "onnxruntime divides 0 by 0; the reference of onnx gives 0.5",
    ("ai.onnx.ml.SVMClassifier", "two_classes_softmax"): "onnxruntime gives [1 - d, d]; the reference of onnx has a softmax",
    ("ai.onnx.ml.SVMClassifier", "without_support_vectors_two_classes"): "onnxruntime wants kernel_params",
    ("ai.onnx.ml.SVMRegressor", "logistic"): "onnxruntime wants kernel_params",
    ("ai.onnx.ml.Scaler", "scale_alone"): "onnxruntime wants both offset and scale",
    ("ai.onnx.ml.Scaler", "three_dimensions"): "onnxruntime wants both offset and scale",
    ("ai.onnx.ml.TreeEnsemble", "f16"): "onnxruntime widens X alone",
    ("ai.onnx.ml.TreeEnsemble", "softmax"): "onnxruntime takes 1 for the logistic function and 2 for softmax",
    ("ai.onnx.ml.TreeEnsembleClassifier", "one_class"): "onnxruntime gives 1 for the label",
    ("ai.onnx.ml.TreeEnsembleClassifier", "one_class_of_strings"): "onnxruntime ends the process",
    ("ai.onnx.ml.TreeEnsembleClassifier", "softmax_zero_leaves_zero_below"): "onnxruntime compares before the transform",
    ("ai.onnx.ml.TreeEnsembleRegressor", "no_rows"): "onnxruntime wants n_targets",
    ("ai.onnx.ml.TreeEnsembleRegressor", "one_row"): "the inference of onnx wants two dimensions",
    ("ai.onnx.ml.TreeEnsembleRegressor", "one_stump"): "onnxruntime wants n_targets",
    ("ai.onnx.ml.TreeEnsembleRegressor", "precise"): "onnxruntime wants n_targets",
    ("TensorScatter", "circular_far_and_negative"): "onnxruntime wants places within the cache",
    ("TfIdfVectorizer", "no_rows"): "onnxruntime wants rows",
    ("Unique", "nan_counts_once"): "the standard does not say if NaN equals NaN",
}


def literal(value: Any) -> Any:
    return tensor(value.dtype, value.shape, value.values) if isinstance(value, cases.Literal) else value


def plain(op: str, case: cases.Case) -> bool:
    """Only tensors that numpy and both runtimes hold alike; and no division that may trap in onnxruntime."""
    values = [value for _, value in case.inputs + case.outputs if value is not None]
    if case.fails or not all(isinstance(value, cases.Literal) and value.dtype in TYPES for value in values):
        return False
    return op not in ("Div", "Mod") or all(value.dtype[0] == "f" for value in values)


def agree(case: cases.Case, found: list[Any]) -> None:
    """An error if what was found is not what the case says."""
    for (name, wanted), outputs in zip(case.outputs, found, strict=True):
        if wanted is None:
            continue
        many = isinstance(wanted, list)
        for part, got in zip(wanted if many else [wanted], outputs if many else [outputs], strict=True):
            expected = literal(part)
            assert got.dtype == expected.dtype and got.shape == expected.shape, name
            if part.dtype == "string":
                assert got.tolist() == expected.tolist(), name
                continue
            # The two runtimes round and order sums differently.
            close = 1e-3 if part.dtype == "f16" else 1e-4
            np.testing.assert_allclose(got.astype("f8"), expected.astype("f8"), close, close, err_msg=name)


def build(op: str, case: cases.Case, fed: int | None = None) -> tuple[weft.Graph, list[weft.Value], dict[str, Any]]:
    """A graph of the case, its outputs and what to feed it: all that is given, or the first `fed`; the others are constants."""
    graph = weft.Graph(opset=case.opset)
    inputs: list[weft.Value | None] = []
    feeds: dict[str, Any] = {}
    for i, (_, value) in enumerate(case.inputs):
        if value is None:
            inputs.append(None)
        elif fed is not None and len(feeds) >= fed:
            inputs.append(graph.constant(literal(value)))
        else:
            feeds[f"in{i}"] = literal(value)
            inputs.append(graph.input(f"in{i}", value.dtype, value.shape))
    attrs = {key: literal(value) for key, value in case.attrs.items()}
    made = graph.add(op, inputs, attrs, outputs=len(case.outputs) or 1)
    return graph, list(made) if isinstance(made, tuple) else [made], feeds


def compare(op: str, case: cases.Case, path: pathlib.Path) -> None:
    """An error if the checker has one or onnxruntime gives something else."""
    graph, outputs, feeds = build(op, case)
    graph.save(path, outputs)
    onnx.checker.check_model(str(path), full_check=True)
    if op in RANDOM:
        return
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        assert any(text in str(error) for text in UNSUPPORTED), str(error)
        return
    known = {item.name for item in session.get_inputs()}
    agree(case, session.run(None, {name: value for name, value in feeds.items() if name in known}))


@pytest.mark.parametrize("file", [f for f in cases.load() if not f.op.startswith("weft.")], ids=lambda file: file.op)
def test_onnxruntime_agrees(file: Any, tmp_path: pathlib.Path) -> None:
    problems = []
    for case in file.cases:
        if not plain(file.op, case) or (file.op, case.name) in DIFFERS:
            continue
        try:
            compare(file.op, case, tmp_path / f"{case.name}.onnx")
        except Exception as error:
            problems.append(f"{case.name}: {str(error).strip()[:300]}")
    assert not problems, "\n".join(problems)
