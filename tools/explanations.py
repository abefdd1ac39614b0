"""Write the pages that are made from the catalogues; with ``--check`` fail if one differs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from bridgework.explanations import SUBJECTS, SYMPTOMS, causes_of, rows_of
from bridgework.explanations.limitations import LIMITATIONS
from bridgework.http.problems.catalogue import PROBLEMS

ROOT = Path(__file__).resolve().parent.parent
EXPLANATIONS = """\
# Explanations

What a finding's `code` means, one page for each subject. Codes are stable. A `blocking` finding predicts failure; what
could not be inspected is said (`analysis-limited`), never guessed. The same catalogue is served at
`GET /v1/explanations`. [Symptoms](symptoms.md) leads from what you see to the codes. These pages are made from the
catalogue by `make explanations`.
"""

SYMPTOM_HEAD = """\
# Symptoms

What you see, and the causes that it may have, the most severe ones first. Each cause is a code of a finding, and
[Explanations](explanations.md) describes it. `GET /v1/explanations?symptom=NAME` answers the causes of a symptom.
"Check" means `POST /v1/connectivity/checks`, and "the diagnosis" means `GET /v1/diagnostics`. This page is made from
the catalogue by `make explanations`.
"""


LIMITATION_HEAD = """\
# Limitations

What an answer leaves open. A check, a matrix, a search, a plan, the exposure, the diagnosis and the topology have
`limited`: a list of `{code, what, why, remedy}`. `what` names the part that was not measured or not looked at, `why`
says the reason with what was measured, and `remedy` what you can change, or null. Views of the same thing name the same
part by the same code. A verdict can also be inconclusive for the code of a finding, such as `analysis-limited`:
[Explanations](explanations.md) describes these. This page is made from the catalogue by `make explanations`.
"""

PROBLEM_HEAD = """\
# Problems

What the `code` of a problem document means, and what you can do. A failed request answers a problem document (RFC
9457) with the media type `application/problem+json`. Its `type` is `/problems/{code}`, a path that answers the entry
below as JSON. The whole catalogue is served at `GET /v1/problems`. Codes are stable: decide on `code`, show `title` and
`detail`. This page is made from the catalogue by `make explanations`.
"""


def problems() -> str:
    """Return the text of the page of problems."""
    parts = [PROBLEM_HEAD]
    for code, one in sorted(PROBLEMS.items()):
        parts.append(f"\n## {code}\n\n{one.status} · {one.title}\n\n- **When** {one.meaning}\n")
        parts.append(f"- **What to do** {one.remedy}\n")
    return "".join(parts)


def limitations() -> str:
    """Return the text of the page of limitations."""
    parts = [LIMITATION_HEAD]
    for code, (why, remedy) in sorted(LIMITATIONS.items()):
        parts.append(f"\n## {code}\n\n- **Why** {why}\n- **Remedy** {remedy or 'Nothing helps.'}\n")
    return "".join(parts)


def page_of(subject: ModuleType) -> str:
    """Return the name of the page with the explanations of a subject."""
    return f"explanations-{subject.__name__.rpartition('.')[2]}.md"


def title_of(subject: ModuleType) -> str:
    """Return the title of a subject's page."""
    return subject.__name__.rpartition(".")[2].capitalize()


def explanations() -> str:
    """Return the text of the page that leads to the explanations of each subject."""
    parts = [EXPLANATIONS]
    for subject in SUBJECTS:
        parts.append(f"\n## [{title_of(subject)}]({page_of(subject)})\n\n{subject.__doc__}\n\n")
        parts += [f"- [{row.code}]({page_of(subject)}#{row.code}): {row.meaning}\n" for row in rows_of(subject)]
    return "".join(parts)


def explanations_of(subject: ModuleType) -> str:
    """Return the text of the page with the explanations of one subject."""
    parts = [f"# {title_of(subject)}\n\n{subject.__doc__} [Explanations](explanations.md) lists all subjects.\n"]
    parts += [
        (
            f"\n## {row.code}\n\n*{row.severity}* · {row.meaning}\n\n- **You see** {row.seen}\n"
            f"- **Detected by** {row.detection}\n- **Remedy** {row.remedy}\n- **Reads** {row.example}\n"
            f"- **Symptoms** {', '.join(f'[{name}](symptoms.md#{name})' for name in row.symptoms)}\n"
            f"- **Read more** {', '.join(f'<{url}>' for url in row.references)}\n"
        )
        for row in rows_of(subject)
    ]
    return "".join(parts)


def symptoms() -> str:
    """Return the text of the page of symptoms."""
    pages = {row.code: page_of(subject) for subject in SUBJECTS for row in rows_of(subject)}
    parts = [SYMPTOM_HEAD]
    for name, one in SYMPTOMS.items():
        parts.append(f"\n## {name}\n\n{one.title}. First step: {one.first_step}\n\n")
        parts += [f"- [{row.code}]({pages[row.code]}#{row.code}): {row.meaning}\n" for row in causes_of(name)]
    return "".join(parts)


def main() -> int:
    """Return the exit status: 1 when ``--check`` finds a difference."""
    pages = {
        "docs/explanations.md": explanations(),
        **{f"docs/{page_of(subject)}": explanations_of(subject) for subject in SUBJECTS},
        "docs/limitations.md": limitations(),
        "docs/symptoms.md": symptoms(),
        "docs/problems.md": problems(),
    }
    status = 0
    for name, text in pages.items():
        path = ROOT / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif path.exists() and path.read_text(encoding="utf-8") == text:
            print(f"{name} agrees with the catalogue.")
        else:
            print(f"{name} differs from the catalogue: run `make explanations` and commit it.")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
