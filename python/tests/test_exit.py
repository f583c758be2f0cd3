"""The end of Python while daemon threads are in calls of the library."""

import subprocess
import sys

import pytest

# Threads that call for ever, each of which has called Python before the program ends.
PROGRAM = """
import atexit, threading, numpy, weft

graph = weft.Graph()
x = graph.input("x", "f32", ["n", 64])
rows = numpy.ones((10, 64), "f4")
called = threading.Semaphore(0)


def pair(a):
    called.release()
    return a + 1


def endless(a):
    called.release()
    while True:
        sum(range(100))


def batches(epoch):
    while True:
        called.release()
        yield rows


def tell(progress):
    called.release()


session = weft.Session(graph)
step = weft.Sgd(0.1).minimize(weft.reduce_mean(x @ graph.variable("w", numpy.ones((64, 1), "f4")), keepdims=False))
{setting}


def loop():
    while True:
        {call}


for _ in range(4):
    threading.Thread(target=loop, daemon=True).start()
for _ in range({waits}):
    called.acquire()
print("bye")
"""


@pytest.mark.parametrize(
    ("setting", "call", "waits"),
    [
        ("y = weft.host_call(pair, [x], ['f32'], [['n', 64]])", "session.run({x: rows}, y)", 40),
        ("y = weft.host_call(endless, [x], ['f32'], [['n', 64]])", "session.run({x: rows}, y)", 4),
        (
            "y = weft.host_call(lambda a: other.run({x: a}, z), [x], ['f32'], [['n', 64]])\n"
            "z = weft.host_call(pair, [x], ['f32'], [['n', 64]])\n"
            "other = weft.Session(graph)",
            "session.run({x: rows}, y)",
            40,
        ),
        ("data = weft.Dataset(rows)", "weft.Session(graph).fit(data, [x], step, callback=tell, progress=False)", 40),
        (
            "data = weft.Dataset.from_function(batches, ['x'])",
            "weft.Session(graph).fit(data, [x], step, progress=False)",
            40,
        ),
        ("data = weft.Dataset.from_function(batches, ['x'])", "next(data.batches())", 40),
        # What ends last may still call back on the main thread.
        (
            "y = weft.host_call(pair, [x], ['f32'], [['n', 64]])\n"
            "weft._native.end_callbacks()\n"
            "session.run({x: rows}, y)",
            "session.run({x: rows}, y)",
            1,
        ),
    ],
    ids=["host function", "endless host function", "run inside", "fit", "fit on a function", "pass", "after the hook"],
)
def test_daemon_threads_do_not_disturb_it(setting: str, call: str, waits: int) -> None:
    program = PROGRAM.replace("{setting}", setting).replace("{call}", call).replace("{waits}", str(waits))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "bye\n", "")
