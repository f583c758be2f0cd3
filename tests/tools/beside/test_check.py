"""Which results count as right."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.beside.check import WrongResults, check


def test_numbers_may_be_off_by_a_share_of_themselves_or_of_a_tenth_of_the_largest() -> None:
    wanted = [np.array([100.0, 0.5, -20.0])]
    check([np.array([100.09, 0.509, -20.019])], wanted, rtol=1e-3)
    with pytest.raises(WrongResults, match=r"1 of 3 .* result 0 .* first is -20\.021 at \(2,\), .* within a relative 0\.001"):
        check([np.array([100.0, 0.5, -20.021])], wanted, rtol=1e-3)
    with pytest.raises(WrongResults, match=r"1 of 3 .* first is 0\.511 at \(1,\), where 0\.5 is wanted"):
        check([np.array([100.0, 0.511, -20.0])], wanted, rtol=1e-3)
    with pytest.raises(WrongResults, match=r"first is nan at \(0,\)"):
        check([np.array([np.nan, 0.5, -20.0])], wanted, rtol=1e-3)


def test_labels_must_be_equal() -> None:
    check([np.array([7, 2000])], [np.array([7, 2000])], rtol=1e-3)
    with pytest.raises(WrongResults, match=r"1 of 2 elements of result 0 .* is 2001 at \(1,\), where 2000 is wanted$"):
        check([np.array([7, 2001])], [np.array([7, 2000])], rtol=1e-3)


def test_strings_are_labels_whatever_array_they_are_in() -> None:
    check([np.array(["ash", "oak"], object)], [np.array(["ash", "oak"])], rtol=1e-3)
    with pytest.raises(WrongResults, match=r"1 of 2 .* first is oak at \(0,\), where ash is wanted$"):
        check([np.array(["oak", "oak"], object)], [np.array(["ash", "oak"])], rtol=1e-3)


def test_there_must_be_as_many_results_of_the_same_shapes() -> None:
    with pytest.raises(WrongResults, match="there are 1 results and not 2"):
        check([np.zeros(2)], [np.zeros(2), np.zeros(2)], rtol=1e-3)
    with pytest.raises(WrongResults, match=r"result 1 has the shape \(2, 1\) and not \(2,\)"):
        check([np.zeros(2), np.zeros((2, 1))], [np.zeros(2), np.zeros(2)], rtol=1e-3)
