"""Shared by the scripts in this folder: waiting for tasks, and expecting refusals."""

import time

from proxmoxer import ResourceException
from proxmoxer.tools import Tasks

TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"


def done(api, upid, expected="OK"):
    status = Tasks.blocking_status(api, upid, timeout=30, polling_interval=0.02)
    assert status is not None, f"{upid} does not end"
    assert status["exitstatus"] == expected, status
    decoded = Tasks.decode_upid(upid)
    assert status["node"] == decoded["node"] and status["user"] == decoded["user"]
    return status


def refused(call, code, text, errors=None):
    try:
        call()
    except ResourceException as error:
        assert error.status_code == code, error
        assert text in error.content, (error.content, text)
        if errors is not None:
            assert error.errors == errors, error.errors
        return
    raise AssertionError(f"not refused: {text}")


def until(what, so):
    """Waits until the condition gives a result, and gives that."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        result = so()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"it does not come: {what}")
