"""Trains a small convolutional network on handwritten digits: python examples/digits_cnn/digits.py"""

import weft
from weft.layers import Conv2d, Dense, Dropout

data = weft.Dataset.load("examples/data/digits.safetensors", ["images", "labels"])
train, test = data.rows(0, 1500), data.rows(1500, 297)

graph = weft.Graph()
images = graph.input("images", "f32", ["batch", 64])
labels = graph.input("labels", "i64", ["batch"])
conv1 = Conv2d(graph, "conv1", inputs=1, filters=16, kernel=[3], pads=[1], activation="relu", seed=1)
conv2 = Conv2d(graph, "conv2", inputs=16, filters=32, kernel=[3], pads=[1], activation="relu", seed=2)
hidden = Dense(graph, "hidden", inputs=128, units=64, activation="relu", seed=3)
dropout = Dropout(graph, "dropout", rate=0.25, seed=4)
scores = Dense(graph, "scores", inputs=64, units=10, seed=5)


def network(training: bool) -> weft.Value:
    x = weft.reshape(images, [-1, 1, 8, 8])
    for conv in (conv1, conv2):
        x = weft.max_pool(conv(x), kernel_shape=[2, 2], strides=[2, 2])
    return scores(dropout(hidden(weft.flatten(x)), training=training))


loss = weft.softmax_cross_entropy_loss(network(training=True), labels, name="loss")
step = weft.Adam(learning_rate=1e-3).minimize(loss)
logits = network(training=False)

session = weft.Session(graph)
history = session.fit(train, [images, labels], step, [loss], epochs=20, batch_size=32, seed=1)
for epoch, value in enumerate(history["loss"], start=1):
    print(f"epoch {epoch:2}  loss {value:.6f}")
predicted = session.predict(test, [images, None], logits).argmax(axis=1)
print(f"test accuracy {(predicted == test[1]).mean():.1%}")
