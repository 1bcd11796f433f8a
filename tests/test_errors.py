"""The exception tree: bodies and headers of its errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compat import errors
from compat.errors import CompatError


def tree(error: type[CompatError]) -> Iterator[type[CompatError]]:
    yield error
    for child in error.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


every_error = pytest.mark.parametrize("error", [*tree(CompatError)], ids=lambda error: error.__name__)


@every_error
def test_every_error_has_openai_s_shape(error: type[CompatError]) -> None:
    body = error("what happened", param="model").body()

    assert {"message", "type", "param", "code"} == set(body["error"])
    assert "what happened" == body["error"]["message"]
    assert "model" == body["error"]["param"]
    assert body["error"]["code"]
    assert 400 <= error.status <= 599


@every_error
def test_the_docstring_lists_every_error(error: type[CompatError]) -> None:
    drawn = [line.split() for line in (errors.__doc__ or "").splitlines()]

    assert any(error.__name__ in line and str(error.status) in line for line in drawn)


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (errors.BadRequest("x"), {}),
        (errors.TooLarge("x"), {"connection": "close"}),
        (errors.RateLimited("x", retry_after=0.2), {"x-should-retry": "true", "retry-after": "1"}),
        (errors.RateLimited("x", retry_after=2.1), {"x-should-retry": "true", "retry-after": "3"}),
        (errors.QuotaExceeded("x"), {"x-should-retry": "false"}),
        (errors.ServiceUnavailable("x"), {"x-should-retry": "true"}),
        (errors.CompatError("x"), {"x-should-retry": "false"}),
        (errors.Conflict("x"), {"x-should-retry": "false"}),
    ],
)
def test_headers_tell_the_sdk_whether_to_retry(error: CompatError, headers: dict[str, str]) -> None:
    assert headers == error.headers()
