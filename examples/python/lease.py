"""Leases a container, shows what the wallet has leased, and runs a command inside.

    pip install -r requirements.txt && python lease.py

BASE_URL is the lease API, PAYER_KEY the private key that pays.
"""

import asyncio
import os
import sys
import uuid

import httpx
from eth_account import Account
from x402.clients.base import decode_x_payment_response
from x402.clients.httpx import x402HttpxClient

# A PUBLIC DEVELOPMENT KEY (account 5 of `test test … junk`), for play money only. Never send it anything of value.
PUBLIC_DEVELOPMENT_KEY = "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"

BASE_URL = os.environ.get("BASE_URL", "http://127.0.0.1:4021")
ACCOUNT = Account.from_key(os.environ.get("PAYER_KEY", PUBLIC_DEVELOPMENT_KEY))


async def call(method, path, body=None):
    # This release of the client pays once, so each call has one of its own. What costs more than $0.10 is not
    # paid. Making a container takes longer than the five seconds that httpx waits by itself.
    async with x402HttpxClient(account=ACCOUNT, max_value=100_000, base_url=BASE_URL, timeout=120) as client:
        # With this key the same signed request may be sent again, should its answer get lost.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        response = await client.request(method, path, json=body, headers=headers)
    if response.is_error:
        raise SystemExit(f"{method} {path} answers {response.status_code}: {response.text}")
    if receipt := response.headers.get("X-Payment-Response"):
        print("paid, transaction", decode_x_payment_response(receipt)["transaction"], file=sys.stderr)
    return response.json()


async def main():
    # Play money, where payments are simulated; elsewhere this route does not exist.
    httpx.post(f"{BASE_URL}/demo/faucet", json={"address": ACCOUNT.address})

    wanted = {"sku": "small", "runtimeMinutes": 30, "hostname": "from-python"}
    lease = await call("POST", "/lease/container", wanted)
    print(f"leased {lease['hostname']}: container {lease['ctid']}, until {lease['expiresAt']}")
    # lease["password"] is root's, and is shown this once.

    for known in (await call("GET", "/management/list"))["leases"]:
        print(known["ctid"], known["hostname"], known["status"], sep="  ")

    ran = await call("POST", f"/management/exec/{lease['ctid']}", {"command": "echo hello from $(hostname)"})
    print(f"exit code {ran['exitCode']}: {ran['stdout'].strip()}")


asyncio.run(main())
