"""Learns XOR, saves the model and runs it from the file: python examples/tour/tour.py"""

import weft
from weft.layers import Dense

# Build a network of two layers, its loss and a step that lowers it.
graph = weft.Graph()
x = graph.input("x", "f32", ["batch", 2])
wanted = graph.input("wanted", "f32", ["batch", 1])
hidden = Dense(graph, "hidden", inputs=2, units=8, activation="tanh", seed=1)(x)
y = Dense(graph, "y", inputs=8, units=1, seed=2)(hidden)
error = y - wanted
loss = weft.reduce_mean(error * error, keepdims=False, name="loss")
step = weft.Adam(learning_rate=0.05).minimize(loss)

# Train it.
rows = [[0, 0], [0, 1], [1, 0], [1, 1]]
session = weft.Session(graph)
for _ in range(40):
    print(f"loss {session.run({x: rows, wanted: [[0], [1], [1], [0]]}, loss, step):.8e}")

# Save the model, load it and predict.
graph.save("xor.onnx", y, session=session)
model = weft.Graph.load("xor.onnx")
predicted = weft.Session(model).run({model.inputs[0]: rows}, model.outputs[0])
for value in predicted[:, 0]:
    print(f"{value:.3f}")
