"""The whole program whose time the figure `first-result` is: python -m benchmarks.beside.first_result <model>"""

import sys

import numpy as np
import weft

graph = weft.Graph.load(sys.argv[1])
session = weft.Session(graph, threads=1)
session.run({graph.inputs[0]: np.zeros((1, 784), np.float32)}, graph.outputs)
