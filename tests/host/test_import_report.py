"""What became of model files, as data: its keys, and that its JSON follows its schema."""

from __future__ import annotations

import jsonschema
import pytest
from bitweir.import_report import SCHEMA_VERSION, schema
from bitweir.importing import describe
from bitweir.model_files import load_networks
from support.onnxgraphs import C, Graph, H, W
from support.schemas import validate

#: Programs read these: a change needs a new SCHEMA_VERSION.
KEYS = {
    "": "schema version bitweir models output network result input layers diagnostics notes comparison drawn",
    "Bound": "layer of error unit closest exact",
    "BranchEntry": "weight layers",
    "CodeFormat": "bits offset step",
    "ComparisonReport": (
        "images rounded accuracy label_accuracy mean_error reference_accuracy reference_label_accuracy "
        "reference_mean_error results_differ results_excused results_bounded first_mismatch models originals"
    ),
    "Diagnostics": "ties nearest bounds",
    "Difference": "image row column channel expected found",
    "InputEntry": "shape map format levels stored stored_values rule",
    "LayerEntry": (
        "name kind input_shape output_shape input_format output_format weights thresholds constant_neurons "
        "padding nearest branches"
    ),
    "LayerReport": "layer tensor codes differ ties bounded first",
    "Mismatch": "image output expected found",
    "ModelReport": (
        "model reference remark layers results_differ results_excused results_bounded orders_differ "
        "orders_excused orders_bounded"
    ),
    "Nearest": "layer distance",
    "NetworkEntry": "name digest outputs",
    "OriginalReport": "model codes codes_differ results_differ accuracy",
    "Padding": "pads value",
    "ResultEntry": "kind scale offset rounded format rule shape parts",
    "StoredEntry": "low high rule",
    "StreamFormat": "kind bits low high step",
    "Weights": "count bits",
}
#: Left out of sums, where no weights were rounded, of results of one pixel, and of one output.
OPTIONAL = {
    ("StreamFormat", "step"),
    ("ComparisonReport", "originals"),
    ("ResultEntry", "shape"),
    ("ResultEntry", "parts"),
}


def test_the_keys_of_the_json_are_pinned():
    tree = schema()
    assert SCHEMA_VERSION == 2
    found = {"": tree, **tree["$defs"]}
    assert {name: " ".join(entry["properties"]) for name, entry in found.items()} == KEYS
    missing = {(name, key) for name, entry in found.items() for key in {*entry["properties"]} - {*entry["required"]}}
    assert missing == OPTIONAL


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    g = Graph()
    x = g.sign(g.norm(g.start(4, 3, 3), 4, 9))
    path = g.save(tmp_path_factory.mktemp("report") / "net.onnx", g.scores(x, 4 * (H - 2) * (W - 2)))
    return describe(load_networks([path], input_scale="1", name="net"))


def test_a_report_is_typed_and_its_json_follows_the_schema(report):
    assert (report.network.name, report.network.outputs, report.input.shape) == ("net", 5, (C, H, W))
    assert [layer.kind for layer in report.layers] == ["conv 3x3", "dense"]
    assert report.drawn.results_differ == 0 and report.comparison is None and report.output is None
    validate(report.to_dict(), schema())
    assert report.to_dict()["drawn"] == report.drawn.to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "bitweir report"}, {"version": 1}, {"models": []}, {"more": 1}, {"notes": None},
        {"network": {"name": "net", "digest": "0", "outputs": 5}},
    ],
)  # fmt: skip
def test_the_schema_refuses_other_json(report, change):
    with pytest.raises(jsonschema.ValidationError):
        validate(report.to_dict() | change, schema())
