from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compat.endpoints.searching import find

few = st.binary(max_size=40).map(lambda data: bytes(byte % 3 for byte in data))


@given(few, few.filter(bool), st.integers(0, 50))
def test_a_part_is_found_where_python_finds_it(data: bytes, part: bytes, start: int) -> None:
    assert bytearray(data).find(part, start) == find(bytearray(data), part, start)


def test_the_searched_buffer_can_be_resized_afterwards() -> None:
    data = bytearray(b"a\0b")
    assert find(data, b"\0b", 0) == 1
    data.clear()
