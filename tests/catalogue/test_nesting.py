from __future__ import annotations

import pytest

from compat.catalogue.nesting import DEEPEST, too_deep


def nested(levels: int) -> object:
    value: object = 1
    for level in range(levels):
        value = {"a": value, "b": 2} if level % 2 else [1, value]
    return value


@pytest.mark.parametrize(
    ("levels", "deep"), [(0, False), (1, False), (DEEPEST, False), (DEEPEST + 1, True), (900, True)]
)
def test_levels_of_objects_and_arrays_are_counted(levels: int, deep: bool) -> None:
    assert deep == too_deep(nested(levels))
