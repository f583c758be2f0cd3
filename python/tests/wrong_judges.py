"""Where those that judge files of cases, for test_saved_cases.py, are wrong, or do not read what the standard allows."""

import dataclasses
import sys

import test_onnx_cases
from test_onnx_cases import cases

sys.path.insert(0, str(cases.ROOT / "tests" / "differential"))
from judges import ONNXRUNTIME, REFERENCE, UNSUPPORTED  # noqa: E402

CHECKER = "onnx.checker"
# What a judge has no code for says so in one of these ways.
CAN_NOT = {
    REFERENCE: (
        *UNSUPPORTED[REFERENCE],
        "No implementation for operator",
        "Not implemented for mode",
        "Unable to find output name",  # a third one, of LSTM
    ),
    ONNXRUNTIME: (*UNSUPPORTED[ONNXRUNTIME], *test_onnx_cases.UNSUPPORTED),
    CHECKER: (),
}
# What onnx.reference would take gigabytes or years for.
TOO_MUCH = {
    ("AveragePool", "window_far_larger_than_the_plane"),
    ("MaxPool", "window_far_larger_than_the_plane"),
    ("RegexFullMatch", "many_ways"),
}


@dataclasses.dataclass(frozen=True)
class Known:
    """A fault of a judge, and in which files it shows."""

    op: str
    judge: str
    why: str
    names: str = ""  # of cases, with spaces between them; all if there is none
    first: int = 7  # of opsets
    last: int = 26

    def fits(self, op: str, name: str, judge: str, opset: int) -> bool:
        if (op, judge) != (self.op, self.judge) or not self.first <= opset <= self.last:
            return False
        return not self.names or name in self.names.split()


KNOWN = [
    Known("AffineGrid", REFERENCE, "it gives f32 for f64", "doubles"),
    Known("Attention", ONNXRUNTIME, "it wants a mask as long as there are keys", "short_mask short_mask_of_truth_values",
          first=24),
    Known("Attention", ONNXRUNTIME, "it wants a mask for each query", "mask_for_keys_alone", first=23),
    Known("Attention", ONNXRUNTIME, "it wants images", "no_images", first=23),
    Known("Attention", ONNXRUNTIME, "it adds the lowest number where none looks, not minus infinity",
          "products_where_none_looks", first=23),
    Known("Attention", REFERENCE, "it gives the products behind the cap for those before it", "products_before_the_cap",
          first=23),
    Known("Attention", REFERENCE, "it divides 0 by 0 where a query looks at no key", "a_query_that_may_look_at_no_key",
          first=23),
    Known("Attention", REFERENCE, "it adds masks in place, which have no axis of images", "keys_that_fill_up", first=24),
    Known("Attention", REFERENCE, "it multiplies minus infinity by 0 for a mask of truth values that is causal too",
          "mask_of_truth_values_and_causal", first=24),
    Known("BatchNormalization", REFERENCE, "it trains whenever there is a momentum, which has a default", last=13),
    Known("BatchNormalization", REFERENCE, "it wants an axis of channels", "one_axis_only_in_training", first=14),
    Known("BlackmanWindow", ONNXRUNTIME, "it runs no Scan over nothing", "nothing", last=10),
    Known("BlackmanWindow", REFERENCE, "it runs no Scan over nothing", "nothing", last=10),
    Known("Cast", REFERENCE, "it writes numbers as Python does", "numbers_to_strings"),
    Known("Cast", REFERENCE, "it reads no integers of strings with a fraction", "strings_to_integers"),
    Known("Col2Im", REFERENCE, "it gives nothing where there are no images", "no_images"),
    Known("Conv", REFERENCE, "its auto_pad takes the numbers of images and channels for sizes of axes", "same_upper"),
    Known("Conv", REFERENCE, "it wants images", "no_images"),
    Known("ConvInteger", REFERENCE, "its auto_pad takes the numbers of images and channels for sizes of axes",
          "same_upper valid"),
    Known("ConvTranspose", REFERENCE, "its groups are of one image and two axes",
          "one_axis_groups_stride_pads pads_that_differ_groups_and_bias"),
    Known("ConvTranspose", REFERENCE, "it takes no output that is longer than what the windows reach",
          "output_padding_beyond_the_stride larger_output_shape"),
    Known("ConvTranspose", REFERENCE, "it cannot reshape no elements", "no_places"),
    Known("CumProd", ONNXRUNTIME, "it ends the process where a Scan along a second axis has no steps", "nothing", last=25),
    Known("CumProd", REFERENCE, "it wants a scalar for the axis, which may be a vector of one",
          "zeros zeros_reverse zeros_exclusive zeros_exclusive_reverse", first=26),
    Known("CumSum", ONNXRUNTIME, "it runs no Scan over nothing", "no_elements", last=10),
    Known("CumSum", REFERENCE, "it runs no Scan over nothing", "no_elements", last=10),
    Known("CumSum", REFERENCE, "it wants a scalar for the axis, which may be a vector of one", "columns", first=11),
    Known("DynamicQuantizeLinear", REFERENCE, "its scale of zeros is 1 / 255, that of onnxruntime 1; the standard "
          "leaves it open", "zeros"),
    Known("DynamicQuantizeLinear", REFERENCE, "it has no largest element of none", "nothing"),
    Known("Einsum", ONNXRUNTIME, "it sums integers of 64 bits in floating point", "unsigned_longs", last=11),
    Known("GRU", REFERENCE, "it reads neither the direction nor the lengths, the activations and the clip",
          "reverse lengths_in_reverse affine_and_leaky_relu all_relu all_thresholdedrelu all_hardsigmoid all_elu "
          "all_softsign all_softplus all_leakyrelu all_affine default_alpha_and_beta linear_before_reset_clip"),
    Known("Gather", REFERENCE, "it gives one axis where there are no indices", "no_indices"),
    Known("GatherElements", REFERENCE, "it gives one axis where there are no indices", "no_indices no_columns"),
    Known("GatherElements", REFERENCE, "it wants indices as long as the data on all other axes",
          "smaller_than_data_on_every_axis last_of_four_axes first_of_four_axes"),
    Known("GlobalMaxPool", REFERENCE, "it takes images of two axes alone", "axes_3 axes_5 equal_ones no_images"),
    Known("GridSample", REFERENCE, "it knows the names that modes have since 20 alone", last=19),
    Known("GridSample", REFERENCE, "it computes places in f32", "linear_reflection_far_away",
          first=20),
    Known("GridSample", REFERENCE, "it moves the place to the border before it takes the neighbours of a cubic one",
          "cubic_border", first=20),
    Known("GridSample", REFERENCE, "it cuts weights to integers", "bytes longs", first=20),
    Known("GridSample", REFERENCE, "its padding of strings is the number 0", "nearest_strings", first=20),
    Known("GridSample", REFERENCE, "it wants pixels", "nearest_of_no_pixels", first=20),
    Known("GridSample", REFERENCE, "it gives no tuple where there is nothing to give", "no_points no_images", first=20),
    Known("HammingWindow", ONNXRUNTIME, "it runs no Scan over nothing", "nothing", last=10),
    Known("HammingWindow", REFERENCE, "it runs no Scan over nothing", "nothing", last=10),
    Known("HannWindow", ONNXRUNTIME, "it runs no Scan over nothing", "nothing", last=10),
    Known("HannWindow", REFERENCE, "it runs no Scan over nothing", "nothing", last=10),
    Known("ImageDecoder", REFERENCE, "it makes no three channels of one", "pgm_as_color jpeg2000"),
    Known("ImageDecoder", REFERENCE, "it raises what the standard answers with no pixels",
          "what_is_no_image nothing"),
    Known("ImageDecoder", REFERENCE, "it takes a PNG without its end", "cut_off"),
    Known("LRN", REFERENCE, "it normalizes as many channels as there are images"),
    Known("LayerNormalization", REFERENCE, "its Mean has the type of X, not that of stash_type",
          "scale_with_leading_ones"),
    Known("LogSoftmax", REFERENCE, "it takes the logarithm of a Softmax", "large_scores"),
    Known("LpNormalization", REFERENCE, "its norm sums the elements, not their absolute values",
          "norm_1_axis_0 norm_1_axis_1 norm_1_axis_m1 zeros_1"),
    Known("LpPool", REFERENCE, "it multiplies the mean of a window that hangs over by the size of a whole one",
          "rounded_up", first=18),
    Known("LpPool", REFERENCE, "it leaves NaN out", "special_values"),
    Known("MaxPool", REFERENCE, "it rounds down with SAME_LOWER", "same_lower"),
    Known("MaxPool", REFERENCE, "its indices by column are within an image, and count from rows", "indices_by_column",
          first=8),
    Known("MaxPool", REFERENCE, "its windows of padding alone are NaN, not the lowest number", "windows_of_padding",
          first=10),
    Known("Mean", REFERENCE, "it adds to the first input in place", "broadcast broadcast_to_more_axes", first=8),
    Known("Mish", ONNXRUNTIME, "it multiplies minus infinity by 0 where the limit is 0", "special_values_f64", first=18),
    Known("Mish", REFERENCE, "it multiplies minus infinity by 0 where the limit is 0", "special_values_f64"),
    Known("NegativeLogLikelihoodLoss", REFERENCE, "its mean of nothing is 0", "all_ignored_mean"),
    Known("NegativeLogLikelihoodLoss", REFERENCE, "it cannot reshape no elements", "no_labels_sum no_labels_none"),
    Known("NonMaxSuppression", REFERENCE, "it wants vectors for the numbers", "first_of_equal_scores"),
    Known("OneHot", REFERENCE, "it takes indices beyond the depth modulo the depth", "rows half_precision_values"),
    Known("Pad", REFERENCE, "it does not crop", "cropped"),
    Known("Pad", REFERENCE, "its padding of strings is the number 0", "strings"),
    Known("Pow", REFERENCE, "numpy has no negative powers of integers", "negative_powers_of_integers"),
    Known("QLinearConv", REFERENCE, "its scales for each channel fit two axes alone", "three_axes_in_groups"),
    Known("QLinearConv", REFERENCE, "it rounds behind the zero point", "halves_to_even"),
    Known("QLinearMatMul", REFERENCE, "it rounds behind the zero point", "halves_to_even"),
    Known("QuantizeLinear", REFERENCE, "it casts infinity to an integer", "scale_of_zero"),
    Known("QuantizeLinear", REFERENCE, "it casts infinity to an integer", "out_of_range", first=21),
    Known("QuantizeLinear", REFERENCE, "it does not divide in the precision of the scale", "precision_of_the_scale",
          first=23),
    Known("RNN", REFERENCE, "without a layout it swaps the batch and the steps", last=13),
    Known("RNN", REFERENCE, "it reads neither the direction nor the lengths", "reverse lengths_in_reverse", first=14),
    Known("RegexFullMatch", REFERENCE, "its expressions are those of Python, not those of RE2",
          "classes_of_unicode letters_of_words_are_ascii"),
    Known("Resize", CHECKER, "it takes the scales of a scalar, of which there are none, for no scales", "scalar",
          first=13),
    Known("Resize", REFERENCE, "it does not read the scales, which were the second input", first=10, last=10),
    Known("Resize", REFERENCE, "it takes axes for a permutation", "five_axes_linear", first=18),
    Known("Resize", REFERENCE, "it computes in numbers what is none", "nearest_bool strings strings_beyond_the_ends",
          first=11),
    Known("Resize", REFERENCE, "it makes numbers of infinities", "infinite_neighbours", first=11),
    Known("Resize", REFERENCE, "its one place of pytorch_half_pixel is -0.5, which the standard has at 0",
          "pytorch_half_pixel_of_one_place", first=11),
    Known("ReverseSequence", REFERENCE, "it does not take a length of 0", "deep_batch_first"),
    Known("RoiAlign", REFERENCE, "before 16 it moves places by half a pixel, as is done since",
          "avg_output_half_pixel max_output_half_pixel opset_10 ties_take_the_first", first=10, last=15),
    Known("ScatterND", REFERENCE, "it compares with rows of the data where indices name elements",
          "max min max_elements min_elements", first=18),
    Known("Slice", REFERENCE, "it lets what begins below the first element begin nowhere", "backwards_from_below",
          first=10),
    Known("Softmax", REFERENCE, "it cannot reshape no elements", "old_opset_of_no_rows", first=14),
    Known("SoftmaxCrossEntropyLoss", REFERENCE, "it takes the logarithm of a Softmax", "large_scores"),
    Known("Softplus", REFERENCE, "it takes the exponential of large numbers", "special_values"),
    Known("StringNormalizer", REFERENCE, "it takes stop words out of strings, which are to be compared whole",
          "whole_strings_are_stop_words"),
    Known("StringNormalizer", REFERENCE, "without a change of case it compares with case",
          "nothing_left_of_a_matrix insensitive_and_unchanged"),
    Known("StringNormalizer", REFERENCE, "it takes accents off",
          "upper_of_other_scripts lower_of_other_scripts dots_in_most_languages dots_in_turkish dots_in_azerbaijani"),
    Known("StringSplit", REFERENCE, "it wants an axis", "scalar"),
    Known("StringSplit", REFERENCE, "it leaves the space at the end of the last part",
          "no_splits one_split_at_white_space"),
    Known("TfIdfVectorizer", REFERENCE, "it finds weights by places of the output, not by n-grams",
          "strings_weighted presence n_grams_of_one_place"),
    Known("Trilu", REFERENCE, "numpy has no such k", "upper_farthest_k lower_farthest_k"),
    Known("Unique", REFERENCE, "without sorting it takes what is unique along the first axis", "not_sorted_axis"),
    Known("Upsample", REFERENCE, "it does not read the scales of a Resize, which were the second input", first=10,
          last=10),
]
