"""The gate on branches judges branches alone."""

import json

import pytest

from tools.branches import main


@pytest.mark.parametrize(("reached", "status"), [(98, 0), (97, 1)])
def test_branches_are_judged_without_the_lines(tmp_path, capsys, reached, status):
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"totals": {"covered_branches": reached, "num_branches": 100, "percent_covered": 99}}))
    assert main(str(report), "98") == status
    assert f"{reached} of 100 branches reached" in capsys.readouterr().out
