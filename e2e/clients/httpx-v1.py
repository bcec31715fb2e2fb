"""Leases, lists and renews with the version 1 client of PyPI x402 1.0.0 over httpx.

Environment: BASE_URL, PRIVATE_KEY. That release pays once per client object, so each
call has its own, and it allows the paid request httpx's default of five seconds.
"""

import asyncio
import json
import os

from eth_account import Account
from x402.clients.base import decode_x_payment_response
from x402.clients.httpx import x402HttpxClient

ACCOUNT = Account.from_key(os.environ["PRIVATE_KEY"])


async def call(method, path, body=None):
    async with x402HttpxClient(account=ACCOUNT, base_url=os.environ["BASE_URL"]) as client:
        response = await client.request(method, path, json=body)
        receipt = response.headers.get("X-Payment-Response")
        return {
            "status": response.status_code,
            "body": response.json(),
            "receipt": receipt and decode_x_payment_response(receipt),
        }


async def tour():
    lease = await call(
        "POST",
        "/lease/container",
        {"sku": "small", "runtimeMinutes": 60, "hostname": "e2e-httpx", "password": "correct-horse-9"},
    )
    listed = await call("GET", "/management/list")
    ctid = lease["body"].get("ctid")
    renew = ctid and await call("POST", f"/lease/{ctid}/renew", {"runtimeMinutes": 30})
    print(json.dumps({"client": "x402 1.0.0 httpx", "lease": lease, "list": listed, "renew": renew}))


asyncio.run(tour())
