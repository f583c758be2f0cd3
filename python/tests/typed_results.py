"""What type checkers know of results: for mypy, which `tools/test` runs over this file. Nothing calls it."""

from typing import Any, assert_type

import numpy as np

import weft

Array = np.ndarray[Any, Any]


def of_arrays(session: weft.Session, x: weft.Value) -> None:
    """Without brackets a session gives arrays."""
    assert_type(session.run({}, x), Array)
    assert_type(session.run(fetches=x), Array)
    assert_type(session.run({}, [x, x]), list[Array])
    assert_type(session.prepare([], [x]).output(0), Array)


def of_tensors(graph: weft.Graph, x: weft.Value) -> None:
    """One with `device_outputs` gives Tensors, and is no session that gives arrays."""
    session = weft.Session(graph, device="cuda:0", device_outputs=True)
    assert_type(session, weft.Session[weft.Tensor])
    assert_type(session.run({}, x), weft.Tensor)
    assert_type(session.run({}, [x]), list[weft.Tensor])
    assert_type(session.prepare([], [x]).output(0), weft.Tensor)
    assert_type(session.predict([1.0], [x], x), Array)
    assert_type(session.get("w"), Array)
    of_arrays(session, x)  # type: ignore[arg-type]


def of_a_setting(graph: weft.Graph, x: weft.Value, stay: bool) -> None:
    """Where a setting decides, nothing is known of results; every session may be shared and saved."""
    session = weft.Session(graph, device_outputs=stay)
    assert_type(session, weft.Session[Any])
    assert_type(weft.Session(graph, threads=2, share=session), weft.Session)
    of_arrays(weft.Session(graph, device_outputs=False), x)
    graph.save("model.onnx", x, session=session)
    weft.Session(graph, thread=2)  # type: ignore[call-overload]
