"""The probe of the hosts continues if one of them refuses the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat.cli.verify.examination import other_hosts
from compat.cli.verify.sounds import Sounds
from compat.config.settings import Settings
from compat.dashscope_api.calls import Call, Reply
from compat.errors import NotAuthenticated
from compat.probes.listing import PROBES
from compat.probes.probe import Found, Trial

SHARED, OWN = "https://dashscope.aliyuncs.com", "https://w.cn-beijing.maas.aliyuncs.com"
[HOSTS] = [probe for probe in PROBES if probe.name == "hosts"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {"the shared host": SHARED}),
        ({"DASHSCOPE_WORKSPACE_ID": "w"}, {"the workspace's host": OWN, "the shared host": SHARED}),
        (
            {"DASHSCOPE_WORKSPACE_ID": "w", "DASHSCOPE_REGION": "eu-central-1"},
            {"the workspace's host": "https://w.eu-central-1.maas.aliyuncs.com"},
        ),
        ({"DASHSCOPE_BASE_URL": "http://127.0.0.1:9"}, {}),
    ],
)
def test_the_hosts_of_an_account(environment: dict[str, str], expected: dict[str, str]) -> None:
    assert expected == other_hosts(Settings.read(environment))


def test_each_host_is_asked_for_a_task_that_does_not_exist(tmp_path: Path) -> None:
    sounds = Sounds(tmp_path, b"", "")
    trial = Trial(
        region="beijing",
        spoken="",
        sound=sounds.media,
        pcm=sounds.pcm,
        token=str,
        other_hosts={"the workspace's host": OWN, "the shared host": SHARED},
    )
    steps = HOSTS.run(trial)

    asked = [next(steps), steps.throw(NotAuthenticated("DashScope refuses the key."))]
    with pytest.raises(StopIteration) as ended:
        steps.send(Reply(status=200, body=b"{}"))

    assert [OWN, SHARED] == [step.url.partition("/api/")[0] for step in asked if isinstance(step, Call)]
    found: Found = ended.value.value
    assert "the workspace's host: DashScope refuses the key.; the shared host: answers" == found.observed
