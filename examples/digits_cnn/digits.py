"""Trains a small convolutional network on handwritten digits: python examples/digits_cnn/digits.py"""

import weft
from weft.layers import BatchNorm, Conv2d, Dense

data = weft.Dataset.load("examples/data/digits.safetensors", ["images", "labels"])
train, test = data.rows(0, 1500), data.rows(1500, 297)

graph = weft.Graph()
images = graph.input("images", "f32", ["batch", 64])
labels = graph.input("labels", "i64", ["batch"])
blocks = []
for i, (channels, filters) in enumerate([(1, 32), (32, 32), (32, 64)], start=1):
    conv = Conv2d(graph, f"conv{i}", inputs=channels, filters=filters, kernel=[3], pads=[1], seed=1)
    blocks.append((conv, BatchNorm(graph, f"norm{i}", channels=filters)))
scores = Dense(graph, "scores", inputs=64, units=10, seed=1)


def network(training: bool) -> weft.Value:
    x = weft.reshape(images, [-1, 1, 8, 8])
    for i, (conv, norm) in enumerate(blocks):
        x = weft.relu(norm(conv(x), training=training))
        if i == 1:
            x = weft.max_pool(x, kernel_shape=[2, 2], strides=[2, 2])
    return scores(weft.flatten(weft.global_average_pool(x)))


loss = weft.softmax_cross_entropy_loss(network(training=True), labels, name="loss")
step = weft.Adam(learning_rate=1e-3).minimize(loss)
logits = network(training=False)

session = weft.Session(graph)
history = session.fit(train, [images, labels], step, [loss], epochs=20, batch_size=32, seed=1)
for epoch, value in enumerate(history["loss"], start=1):
    print(f"epoch {epoch:2}  loss {value:.6f}")
predicted = session.predict(test, [images, None], logits).argmax(axis=1)
print(f"test accuracy {(predicted == test[1]).mean():.1%}")
