"""Runs a pipeline of scikit-learn on numbers, names and texts: python examples/pipeline/pipeline.py"""

import weft

graph = weft.Graph.load("examples/exported/sklearn_text.onnx")
months, plan, text = graph.find("months"), graph.find("plan"), graph.find("text")
session = weft.Session(graph)
# Each column of the table is an input by itself.
texts = [
    "The password is not accepted since the update.",
    "Why is the invoice so high?",
    "An error shows up when I open the export.",
]
teams, shares = session.run(
    {months: [[4.0], [12.0], [26.0]], plan: [["free"], ["team"], ["guest"]], text: [[each] for each in texts]}, graph.outputs
)

# A class for each row, and a dictionary from all classes to their probabilities.
for team, share in zip(teams, shares):
    print(f"{team}:", *(f"{name} {share[name]:.6f}" for name in ("billing", "fault", "login")))
