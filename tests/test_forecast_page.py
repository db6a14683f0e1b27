"""The page of a forecast holds what it was given, aligned in time."""

from __future__ import annotations

import json
import re

import numpy as np
import polars as pl
import pytest

from populace.errors import ParameterError
from populace.reports.forecast import write_forecast


def data_of(path):
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_forecasts_end_where_the_series_ends(tmp_path):
    real = np.arange(10.0)
    whole = np.stack([real, real + 2])
    ahead = np.full((4, 3), 7.0)
    scores = pl.DataFrame({"measure": ["cases"], "wis": [1.25]})
    out = write_forecast(
        tmp_path / "deep" / "page.html",
        {"cases": {"world": whole, "held": ahead}},
        {"cases": real},
        7,
        scores=scores,
        doc="</script><b>",
    )
    data = data_of(out)
    world, held = data["charts"][0]["series"]
    assert world["values"] == (real + 1).tolist()
    assert world["real"] == real.tolist()
    assert held["values"] == [None] * 7 + [7.0] * 3
    assert data["events"]["marks"] == [[6, "last day known"]]
    assert data["scores"]["rows"] == [["cases", 1.25]]
    assert "</script><b>" not in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("paths", "known"), [(np.ones((2, 5)), 2), (np.ones(4), 2), (np.ones((2, 4)), 0)]
)
def test_lengths_must_fit(tmp_path, paths, known):
    with pytest.raises(ParameterError):
        write_forecast(tmp_path / "x.html", {"a": {"m": paths}}, {"a": np.ones(4)}, known)
