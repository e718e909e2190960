# SPDX-License-Identifier: Apache-2.0
"""Docstrings and comments keep the rules of words that ruff can't check."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("provider/qfleet", "worker/qfleet_worker", "benchmarks", "examples", "tests/support")

MOST_WORDS = 12
#: The words that the docstring of a function begins with.
_VERBS = """
Abort Add Adjust Aim Allow Answer Append Apply Ask Assemble Assert Await Begin Bind Block Bound Branch Break Broadcast
Build Cache Calculate Call Cancel Catch Change Check Choose Claim Clean Clear Close Coerce Collect Combine Compare
Compile Complete Compute Configure Connect Construct Continue Control Convert Copy Count Cover Create Cut Decide
Decode Define Delete Describe Determine Diagnose Disable Discard Divide Do Drain Draw Drop Emit Enable Encode End
Ensure Enter Estimate Evaluate Exchange Exclude Execute Exit Expand Explain Export Extend Fail Fetch Fill Find Finish
Fit Fix Flush Follow Forget Fork Format Forward Free Fuse Gather Generate Get Give Go Group Guard Hand Handle Hash
Have Hide Hold Identify Ignore Import Include Index Initialize Insert Inspect Install Interrupt Invert Iterate Join
Keep Kill Label Launch Leave Lend Let Limit List Listen Load Locate Lock Log Look Lower Make Map Mark Match Measure
Merge Move Multiply Name Note Notice Notify Number Open Order Pack Parse Pass Patch Pick Place Plan Plot Point Poll
Predict Prepare Print Probe Process Project Publish Push Put Queue Raise Read Receive Recognize Record Redirect Reduce
Refer Refuse Register Reject Release Reload Remember Remove Rename Render Renew Reorder Repeat Replace Report Request
Require Reset Reshape Resolve Restart Restore Resume Retry Return Reverse Revoke Rewrite Rotate Round Run Sample Save
Say Scale Scan Search See Seed Select Send Separate Serialize Serve Set Share Show Shut Signal Simulate Skip Sleep
Solve Sort Split Start State Stop Store Stream Strip Submit Subtract Sum Summarize Suppress Swap Sweep Switch Take
Tell Terminate Test Throw Time Track Train Transform Translate Transpose Trim Truncate Trust Try Turn Unpack Unpin
Update Upload Use Validate Verify View Visit Wait Wake Walk Warm Warn Watch Withdraw Work Wrap Write Yield
"""
VERBS = frozenset(_VERBS.split())
#: The words that no docstring begins with.
QUESTION_WORDS = (
    "What",
    "Whether",
    "How",
    "Why",
    "Which",
    "Where",
    "Who",
    "Whose",
    "When",
    "Is",
    "Are",
    "Does",
    "Do the",
)
FORBIDDEN = re.compile(
    r"\?(?!\w)|\b(?:who|whom|whoever|so many|that which|those which|is to be|are to be|took no leave)\b"
    r"|(?<!there )(?<!There )\b(?:is|are|was|were) no (?!longer|more|less|fewer)",
)


#: The words that the docstring of a function in a test module doesn't begin with, so that a verb does.
NOT_A_VERB = re.compile(
    r"(?:A|An|The|Its|It|All|Each|Every|One|Two|Three|Some|No|Of|There|As|With|Whatever|Nothing"
    r"|What|Whether|Which|Who|Whoever|How|Why|Where|When)\b"
)
#: The words that no first line in a test module begins with.
QUESTIONS = re.compile(r"(?:What|Whatever|Whether|Which|Who|Whoever|How|Why|Of|There|As if|With)\b")


def _test_modules() -> list[str]:
    """Return the modules of tests, without those of `FOLDERS`."""
    found = sorted((ROOT / "tests").rglob("*.py"))
    return [str(path.relative_to(ROOT)) for path in found if "support" not in path.parts]


def _modules() -> list[str]:
    return [str(path.relative_to(ROOT)) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def _faults(module: str) -> Iterator[str]:
    text = (ROOT / module).read_text("utf-8")
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        docstring = ast.get_docstring(node)
        if docstring is None:
            continue
        line, first = node.body[0].lineno, docstring.split("\n")[0]
        if isinstance(node, ast.Module | ast.ClassDef):
            if first.startswith(QUESTION_WORDS):
                yield f"line {line} begins as a question does: {first}"
        elif first.split()[0] not in VERBS:
            yield f"line {line} doesn't begin with a verb that VERBS has: {first}"
        elif not first.endswith("."):
            yield f"line {line} isn't a sentence: {first}"
        if len(first.split()) > MOST_WORDS:
            yield f"line {line} has {len(first.split())} words, more than {MOST_WORDS}: {first}"
        yield from (f"the docstring at line {line} has {each.group()!r}" for each in FORBIDDEN.finditer(docstring))
    for token in tokenize.generate_tokens(iter(text.splitlines(keepends=True)).__next__):
        if token.type == tokenize.COMMENT and (found := FORBIDDEN.search(token.string)):
            yield f"the comment at line {token.start[0]} has {found.group()!r}"


@pytest.mark.parametrize("module", _modules())
def test_words(module: str) -> None:
    assert list(_faults(module)) == []


@pytest.mark.parametrize("module", _test_modules())
def test_first_words_in_tests(module: str) -> None:
    wrong = []
    for node in ast.walk(ast.parse((ROOT / module).read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = (ast.get_docstring(node) or "").split("\n")[0]
            is_helper = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("test")
            if first and (NOT_A_VERB if is_helper else QUESTIONS).match(first):
                wrong.append(first)
    assert wrong == []


def test_faults_are_seen(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '"""What is this?"""\n'
        "def one():\n"
        '    """A thing."""\n'
        "def two():\n"
        '    """Return the job"""\n'
        "def three():\n"
        f'    """Return {"the " * MOST_WORDS}job."""\n'
        "    # There is no job, which is no fault; this is no job, which is one.\n"
    )
    assert len(list(_faults(str(module)))) == 6
