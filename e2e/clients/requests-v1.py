"""Leases, lists and renews with the version 1 client of PyPI x402 1.0.0 over requests.

Environment: BASE_URL, PRIVATE_KEY. That release takes the request after a paid one for
its own retry, so each call has a session of its own.
"""

import json
import os

from eth_account import Account
from x402.clients.base import decode_x_payment_response
from x402.clients.requests import x402_requests

ACCOUNT = Account.from_key(os.environ["PRIVATE_KEY"])


def call(method, path, body=None):
    with x402_requests(ACCOUNT) as session:
        response = session.request(method, os.environ["BASE_URL"] + path, json=body)
        receipt = response.headers.get("X-Payment-Response")
        return {
            "status": response.status_code,
            "body": response.json(),
            "receipt": receipt and decode_x_payment_response(receipt),
        }


lease = call(
    "POST",
    "/lease/container",
    {"sku": "small", "runtimeMinutes": 60, "hostname": "e2e-requests", "password": "correct-horse-9"},
)
listed = call("GET", "/management/list")
ctid = lease["body"].get("ctid")
renew = ctid and call("POST", f"/lease/{ctid}/renew", {"runtimeMinutes": 30})
print(json.dumps({"client": "x402 1.0.0 requests", "lease": lease, "list": listed, "renew": renew}))
