"""Limits on size: what a reader has to hold in mind at once."""

import pytest

from tests.house.tree import LIMITED, SOURCE, functions, line_count, percentile, python_files

MAX_FILE = 500
MAX_FUNCTION = 60
FILE_MEDIAN, FILE_90 = 150, 400
FUNCTION_MEDIAN, FUNCTION_90 = 12, 40
TEST_RATIO = (1.0, 1.6)  # lines of tests for a line of source


def test_no_file_is_too_long() -> None:
    long = [
        f"{path} has {lines} lines"
        for path in python_files(*LIMITED, "tests/")
        if (lines := line_count(path)) > MAX_FILE
    ]
    assert not long, f"more than {MAX_FILE} lines:\n" + "\n".join(long)


def test_no_function_is_too_long() -> None:
    long = [
        str(one)
        for path in python_files(*LIMITED, "tests/support/")
        for one in functions(path)
        if one.lines > MAX_FUNCTION
    ]
    assert not long, f"more than {MAX_FUNCTION} lines:\n" + "\n".join(long)


@pytest.mark.parametrize(("percent", "limit"), [(50, FILE_MEDIAN), (90, FILE_90)])
def test_files_are_mostly_short(percent: int, limit: int) -> None:
    sizes = {path: line_count(path) for path in python_files(*SOURCE)}
    longest = sorted(sizes, key=lambda path: -sizes[path])[:10]
    message = f"{percent} % of the files must have at most {limit} lines; the longest: " + ", ".join(
        f"{path} {sizes[path]}" for path in longest
    )
    assert percentile(list(sizes.values()), percent) <= limit, message


@pytest.mark.parametrize(("percent", "limit"), [(50, FUNCTION_MEDIAN), (90, FUNCTION_90)])
def test_functions_are_mostly_short(percent: int, limit: int) -> None:
    found = [one for path in python_files(*SOURCE) for one in functions(path)] or pytest.fail("no function found")
    longest = "\n".join(str(one) for one in sorted(found, key=lambda one: -one.lines)[:10])
    assert percentile([one.lines for one in found], percent) <= limit, (
        f"{percent} % must have at most {limit} lines; the longest:\n{longest}"
    )


def test_tests_are_as_long_as_the_source_but_not_much_longer() -> None:
    source = sum(line_count(path) for path in python_files(*SOURCE))
    tests = sum(line_count(path) for path in python_files("tests/"))
    least, most = TEST_RATIO
    assert least <= tests / source <= most, f"{tests} lines of tests, {source} of source: {least} to {most} are wanted"
