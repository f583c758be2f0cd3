"""Trains a two-layer network on handwritten digits: python examples/digits_mlp/digits.py"""

import weft
from weft.layers import Dense

data = weft.Dataset.load("examples/data/digits.safetensors", ["images", "labels"])
train, test = data.rows(0, 1500), data.rows(1500, 297)

graph = weft.Graph()
images = graph.input("images", "f32", ["batch", 64])
labels = graph.input("labels", "i64", ["batch"])
hidden = Dense(graph, "hidden", inputs=64, units=64, activation="relu", seed=1)(images)
logits = Dense(graph, "scores", inputs=64, units=10, seed=2)(hidden)
loss = weft.softmax_cross_entropy_loss(logits, labels, name="loss")
step = weft.Adam(learning_rate=1e-3).minimize(loss)

session = weft.Session(graph)
history = session.fit(train, [images, labels], step, [loss], epochs=20, batch_size=32, seed=1)
for epoch, value in enumerate(history["loss"], start=1):
    print(f"epoch {epoch:2}  loss {value:.6f}")
predicted = session.predict(test, [images, None], logits).argmax(axis=1)
print(f"test accuracy {(predicted == test[1]).mean():.1%}")
