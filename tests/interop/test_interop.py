"""Every language trains, loads what every other saved, and goes on where every other stopped, with the same bits."""

import json
import pathlib

import pytest
from driver import LANGUAGES, LIBRARY, Programs

EPOCHS = {"mlp": 4, "dropout": 4, "cnn": 2}
PLUGIN = LIBRARY.parents[1] / "tests" / "libweft_test_device.so"
STEPS = 47  # of an epoch: 1500 rows in batches of 32


def whole_number(checkpoint: bytes, name: str) -> int:
    """A scalar of i64 among safetensors: eight bytes that say how long the JSON behind them is, and the data."""
    data = 8 + int.from_bytes(checkpoint[:8], "little")
    begin, end = json.loads(checkpoint[8:data])[name]["data_offsets"]
    assert end - begin == 8
    return int.from_bytes(checkpoint[data + begin : data + end], "little")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    made = Programs(LIBRARY, tmp_path_factory.mktemp("programs"))
    for language in LANGUAGES:
        made.build(language)
    return made


@pytest.fixture(scope="session", params=EPOCHS)
def net(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def trained(programs: Programs, net: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, dict]:
    folder = tmp_path_factory.mktemp(net)
    losses = {language: programs.train(language, net, folder, EPOCHS[net]) for language in LANGUAGES}
    return folder, losses


@pytest.fixture(scope="session")
def resumed(programs: Programs, net: str, trained: tuple[pathlib.Path, dict]) -> dict:
    return {language: programs.resume(language, net, trained[0], EPOCHS[net]) for language in LANGUAGES}


def test_losses_are_the_same_everywhere(net: str, trained: tuple[pathlib.Path, dict]) -> None:
    _, losses = trained
    assert len(losses["c"]) == EPOCHS[net] and losses["c"][-1] < losses["c"][0]
    for language in LANGUAGES:
        assert losses[language] == losses["c"], language


def test_checkpoints_are_the_same_everywhere(net: str, trained: tuple[pathlib.Path, dict]) -> None:
    folder, _ = trained
    for ending, epochs in (("half", EPOCHS[net] // 2), ("full", EPOCHS[net])):
        wanted = (folder / f"c.{net}.{ending}").read_bytes()
        for language in LANGUAGES:
            assert (folder / f"{language}.{net}.{ending}").read_bytes() == wanted, (language, ending)
        if net == "dropout":
            assert whole_number(wanted, "drop/counter") == epochs * STEPS


@pytest.mark.parametrize("loader", LANGUAGES)
def test_models_give_the_same_everywhere(
    programs: Programs, net: str, trained: tuple[pathlib.Path, dict], loader: str
) -> None:
    results = programs.load(loader, net, trained[0])
    assert set(results) == set(LANGUAGES)
    assert len(set(results.values()) | set(programs.load("c", net, trained[0]).values())) == 1


@pytest.mark.parametrize("loader", LANGUAGES)
def test_training_goes_on_with_the_same_bits(trained: tuple[pathlib.Path, dict], resumed: dict, loader: str) -> None:
    _, losses = trained
    assert set(resumed[loader]) == set(LANGUAGES)
    for saver, (loss, variables) in resumed[loader].items():
        assert loss == losses["c"][-1], saver
        assert variables == resumed["c"]["c"][1], saver


def test_examples_are_the_same_everywhere(programs: Programs) -> None:
    wanted = programs.example("c")
    assert set(wanted) == {"eig", "relu", "layers"}
    for language in LANGUAGES:
        assert programs.example(language) == wanted, language


@pytest.mark.parametrize("device", ["test:0", "test:1"])
def test_tensors_lie_on_devices_everywhere(programs: Programs, device: str) -> None:
    wanted = f"""\
device place cpu, f32[3] on {device}, {device}, {device}
device values 2 4 6
device values 4 8 12
device values 8 16 24
device error FAILED_PRECONDITION
device error FAILED_PRECONDITION
device error NOT_FOUND
device error UNIMPLEMENTED
device error INVALID_ARGUMENT
"""
    for language in LANGUAGES:
        assert programs.output(language, "device", PLUGIN, device) == wanted, language
