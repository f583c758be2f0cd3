"""Transforms and windows of signals."""

import values
from maker import Maker, rule


@rule("DFT")
def dft(m: Maker) -> None:
    m.sums(3)
    inverse, onesided = m.flag("inverse"), m.flag("onesided")
    parts = 2 if inverse and onesided else 1 if onesided else m.integer(1, 2)
    shape = (*m.shape(1, 3, least=1), parts)
    if m.chance(0.5):
        axis = m.integer(0, len(shape) - 2) - m.choose([0, len(shape)])
        m.give("axis", axis)
    else:
        axis = -2
        m.omit("axis")
    if inverse and onesided:
        shape = tuple(max(size, 2) if i == axis % len(shape) else size for i, size in enumerate(shape))
    m.input("input", shape)
    if m.chance(0.4):
        m.give("dft_length", m.integer(1, 8))
    else:
        m.omit("dft_length")


@rule("STFT")
def stft(m: Maker) -> None:
    m.sums(3)
    length, parts = m.integer(1, 6), m.choose([1, 1, 2])
    m.input("signal", (m.dim(1, 3), length + m.integer(0, 9), parts))
    m.attr("onesided", 0 if parts == 2 else m.integer(0, 1))
    m.give("frame_step", m.integer(1, 4))
    with_window = m.chance(0.6)
    if with_window:
        m.input("window", (length,))
    else:
        m.omit("window")
    if not with_window or m.chance(0.5):
        m.give("frame_length", length)
    else:
        m.omit("frame_length")


@rule("BlackmanWindow", "HammingWindow", "HannWindow")
def window(m: Maker) -> None:
    m.sums()
    m.attr("output_datatype", values.number(m.type("T2")))
    m.give("size", m.integer(2, 12))


@rule("MelWeightMatrix")
def mel(m: Maker) -> None:
    m.sums()
    m.attr("output_datatype", values.number(m.type("T3")))
    m.give("num_mel_bins", m.integer(1, 8))
    m.give("dft_length", m.integer(8, 32) * 2)
    m.give("sample_rate", m.choose([8000, 16000]))
    m.give("lower_edge_hertz", m.choose([0.0, 125.0, 512.0]))
    m.give("upper_edge_hertz", m.choose([2048.0, 3800.0, 4000.0]))
