"""Leases with the version 1 client of PyPI x402 1.0.0 over httpx, which gives a request five seconds.

Environment: BASE_URL, PRIVATE_KEY, PREFER (the header's value for the first request, may be empty). The lease is
asked for without a password, so that the one that is made has to be in the answer.
"""

import asyncio
import json
import os
import secrets

from eth_account import Account
from x402.clients.base import decode_x_payment_response
from x402.clients.httpx import x402HttpxClient

ACCOUNT = Account.from_key(os.environ["PRIVATE_KEY"])
BODY = {"sku": "small", "runtimeMinutes": 60, "hostname": "e2e-patience"}
# One key for one purchase, however often it is asked for: random, and kept until the answer is there.
KEY = secrets.token_hex(16)


async def ask(prefer):
    headers = {"Idempotency-Key": KEY}
    if prefer:
        headers["Prefer"] = prefer
    async with x402HttpxClient(account=ACCOUNT, base_url=os.environ["BASE_URL"]) as client:
        return await client.request("POST", "/lease/container", json=BODY, headers=headers)


async def lease():
    statuses = []
    prefer = os.environ["PREFER"]
    for _ in range(60):
        try:
            response = await ask(prefer)
        except Exception as error:  # The client wraps the time-out of its paid request.
            statuses.append(type(error).__name__)
            prefer = "respond-async"
            continue
        statuses.append(response.status_code)
        if response.status_code != 202:
            receipt = response.headers.get("X-Payment-Response")
            return {
                "statuses": statuses,
                "body": response.json(),
                "receipt": receipt and decode_x_payment_response(receipt),
            }
        await asyncio.sleep(float(response.headers["Retry-After"]))
    return {"statuses": statuses}


print(json.dumps(asyncio.run(lease())))
