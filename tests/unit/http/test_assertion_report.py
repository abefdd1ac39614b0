"""The outcomes of assertions as JUnit XML."""

from xml.etree import ElementTree as ET

from bridgework.explanations import HOST, finding
from bridgework.explanations.ports import NO_LISTENER
from bridgework.http.resources.assertions.routes import to_junit
from bridgework.model.checks import CheckResult, Measurement, Prediction, Verdict
from bridgework.use_cases.connectivity.assertions import Outcome
from tests.support.hostile_texts import HOSTILE, acted_on

RESULT = CheckResult(
    Verdict.UNREACHABLE,
    Prediction(Verdict.UNREACHABLE, ()),
    Measurement(Verdict.UNREACHABLE),
    (finding(NO_LISTENER, HOST, f"{HOSTILE} listens on nothing."),),
)


def outcome(name, word, result=None):
    return Outcome(name, word, Verdict.REACHABLE, HOSTILE, 1.5, result)


def test_failures_and_errors_are_elements_of_their_own_and_counted():
    suite = ET.fromstring(to_junit([outcome("a", "passed"), outcome("b", "failed", RESULT), outcome("c", "error")]))
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "3", "failures": "1", "errors": "1",
    }  # fmt: skip
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["error"]]
    assert suite.find("testcase/failure").text.startswith("no-listener: evil")


def test_text_of_others_is_xml_and_escaped():
    text = to_junit([outcome(HOSTILE, "failed", RESULT)]).decode()
    assert acted_on(text) == []
    assert ET.fromstring(text).find("testcase").get("name").startswith(r"evil\x1b[2J\x9b31m\u202egpj")
