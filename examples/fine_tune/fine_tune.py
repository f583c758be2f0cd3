"""Trains nets of PyTorch, Keras and scikit-learn further, and runs a forest: python examples/fine_tune/fine_tune.py"""

import weft

digits = weft.Dataset.load("examples/data/digits.safetensors", ["images", "labels"])
train, test = digits.rows(0, 1500), digits.rows(1500, 297)


def count_right(maker: str, path: str) -> None:
    model = weft.Graph.load(path)
    predicted = weft.Session(model).predict(test, [model.inputs[0], None], model.outputs[0])
    print(f"{maker}: {(predicted == test[1]).sum()} of {len(predicted)} digits are right")


for maker in ("pytorch", "torchscript", "keras", "sklearn_mlp"):
    graph = weft.Graph.load(f"examples/exported/{maker}.onnx", trainable=True)
    images, scores = graph.inputs[0], graph.outputs[-1]
    # Of scikit-learn there are labels, and then probabilities, whose logarithms are as good as scores.
    if maker == "sklearn_mlp":
        scores = weft.log(scores)
    labels = graph.input("labels", "i64", ["batch"])
    loss = weft.softmax_cross_entropy_loss(scores, labels, name="loss")
    accuracy = weft.accuracy(scores, labels, name="accuracy")
    step = weft.Adam(learning_rate=2e-3).minimize(loss)

    session = weft.Session(graph)
    before = session.evaluate(test, [images, labels], [accuracy])
    print(f"{maker}: accuracy {before['accuracy']:.6f} as exported")
    history = session.fit(train, [images, labels], step, [loss], epochs=5, batch_size=32, seed=1)
    for epoch, value in enumerate(history["loss"], start=1):
        print(f"epoch {epoch}  loss {value:.6f}")

    # What is saved gives the digit itself.
    graph.save(f"{maker}_tuned.onnx", weft.arg_max(scores, axis=1, keepdims=False), session=session)
    count_right(maker, f"{maker}_tuned.onnx")

count_right("sklearn", "examples/exported/sklearn.onnx")
