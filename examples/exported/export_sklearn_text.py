"""Fits a pipeline of numbers, names and texts and exports it with skl2onnx: python examples/exported/export_sklearn_text.py"""

import pathlib

import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

# What customers write, on which plan and how many months after they came; and who answers it.
REQUESTS = {
    "billing": [
        (3, "free", "How much is the team plan, and can I pay by invoice?"),
        (14, "team", "The invoice of last month was charged twice."),
        (30, "team", "Please refund the second payment of this invoice."),
        (8, "solo", "My card was declined but the payment shows up on my account."),
        (25, "solo", "Which address will be on the invoice?"),
        (11, "free", "Is there a discount if we pay for a year?"),
        (40, "team", "We were charged for ten people, but we are eight."),
        (2, "solo", "Can I get a refund for the first month?"),
    ],
    "login": [
        (1, "free", "I cannot log in, the password is not accepted."),
        (19, "solo", "The link to reset my password never arrives."),
        (1, "free", "I forgot my password. How do I get a new one?"),
        (5, "team", "A colleague left, please close her account."),
        (9, "solo", "The code on my phone is not accepted when I log in."),
        (2, "free", "No mail with the link to confirm my address arrives."),
        (16, "team", "How do I log in with the account of our company?"),
        (7, "free", "I am asked for a password again and again."),
    ],
    "fault": [
        (22, "team", "The report stops with an error when I open it."),
        (13, "solo", "Since the update the page stays white."),
        (28, "team", "The export to a table has empty columns since Monday."),
        (6, "free", "The app crashes when I open a picture."),
        (35, "team", "Search is slow and ends with an error."),
        (18, "solo", "Dates are shown wrong since the last update."),
        (10, "free", "Upload of a picture stops at half and shows an error."),
        (24, "solo", "The page crashes when I print the report."),
    ],
}
rows = [(months, plan, text, team) for team, requests in REQUESTS.items() for months, plan, text in requests]
table = pd.DataFrame(rows, columns=["months", "plan", "text", "team"])

columns = ColumnTransformer(
    [
        ("numbers", StandardScaler(), ["months"]),
        ("names", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        ("words", TfidfVectorizer(), "text"),
    ]
)
pipeline = make_pipeline(columns, LogisticRegression(C=10)).fit(table[["months", "plan", "text"]], table["team"])
# An input for each column. With ZipMap, which is there unless an option says otherwise, the probabilities are a dictionary
# for each row.
types = [
    ("months", FloatTensorType([None, 1])),
    ("plan", StringTensorType([None, 1])),
    ("text", StringTensorType([None, 1])),
]
model = to_onnx(pipeline, initial_types=types)
folder = pathlib.Path(__file__).parent
(folder / "sklearn_text.onnx").write_bytes(model.SerializeToString())

# What tests/interop/test_examples.py wants of examples/pipeline.
asked = pd.DataFrame(
    [
        (4, "free", "The password is not accepted since the update."),
        (12, "team", "Why is the invoice so high?"),
        (26, "guest", "An error shows up when I open the export."),
    ],
    columns=["months", "plan", "text"],
)
for team, shares in zip(pipeline.predict(asked), pipeline.predict_proba(asked)):
    print(team, *(f"{name} {share:.8f}" for name, share in zip(pipeline.classes_, shares)))
