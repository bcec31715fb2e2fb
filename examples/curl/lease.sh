#!/usr/bin/env bash
# Leases a container, shows what the wallet has leased, and runs a command inside, with curl, jq and a signer: cast,
# which comes with Foundry, or by `npm install` in this folder.
#
# BASE_URL is the lease API, PAYER_KEY the private key that pays, MAX_PRICE what a call may cost, in atomic USDC.
set -euo pipefail
PATH="$(dirname "$0")/node_modules/.bin:$PATH"

# A PUBLIC DEVELOPMENT KEY (account 7 of `test test … junk`), for play money only. Never send it anything of value.
public_development_key=0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356

base=${BASE_URL:-http://127.0.0.1:4021}
key=${PAYER_KEY:-$public_development_key}
max_price=${MAX_PRICE:-100000} # $0.10
wallet=$(cast wallet address --private-key "$key")
offered=$(mktemp) answered=$(mktemp)
trap 'rm -f "$offered" "$answered"' EXIT

# pay METHOD PATH [JSON]: asks for the price, signs it, sends the same request with the payment, prints the answer.
pay() {
  local request=(-sS -X "$1" "$base$2" -H 'content-type: application/json')
  if [ $# -gt 2 ]; then request+=(--data "$3"); fi

  # 1. Without a payment the API answers 402; the header PAYMENT-REQUIRED holds what to pay, base64 of JSON.
  local required
  required=$(curl "${request[@]}" -o "$offered" -w '%header{payment-required}' | base64 -d)
  if [ -z "$required" ]; then cat "$offered" >&2; return 1; fi

  # 2. A transfer of exactly that amount, good for as long as the offer says, and only once: the nonce is random.
  local nonce authorization
  nonce=0x$(od -An -vtx1 -N32 /dev/urandom | tr -d ' \n')
  authorization=$(jq -c --arg from "$wallet" --arg nonce "$nonce" --argjson most "$max_price" '
    .accepts[0]
    | if (.amount | tonumber) > $most then error("costs \(.amount), which is more than MAX_PRICE") else . end
    | {$from, to: .payTo, value: .amount, validAfter: "0",
       validBefore: (now + .maxTimeoutSeconds - 5 | floor | tostring), $nonce}' <<< "$required")

  # 3. Signed as EIP-712 typed data, for the token on the chain that the offer names.
  local typed signature
  typed=$(jq -c --argjson message "$authorization" '.accepts[0] | {
    domain: {name: .extra.name, version: .extra.version, chainId: (.network | split(":")[1] | tonumber), verifyingContract: .asset},
    primaryType: "TransferWithAuthorization",
    types: {
      EIP712Domain: [
        {name: "name", type: "string"}, {name: "version", type: "string"},
        {name: "chainId", type: "uint256"}, {name: "verifyingContract", type: "address"}],
      TransferWithAuthorization: [
        {name: "from", type: "address"}, {name: "to", type: "address"}, {name: "value", type: "uint256"},
        {name: "validAfter", type: "uint256"}, {name: "validBefore", type: "uint256"}, {name: "nonce", type: "bytes32"}]},
    $message}' <<< "$required")
  signature=$(cast wallet sign --private-key "$key" --data "$typed")

  # 4. The offer that is accepted, what was authorized, and the signature; in the header PAYMENT-SIGNATURE. With a key of
  #    its own the same signed request may be sent again, should its answer get lost. The key is a secret: a client that has it can
  #    have the answer, so it is random and nothing of the payment is in it.
  local payment
  payment=$(jq -c --argjson authorization "$authorization" --arg signature "$signature" \
    '{x402Version, resource, accepted: .accepts[0], payload: {$authorization, $signature}}' <<< "$required" | base64 | tr -d '\n')
  local status
  status=$(curl "${request[@]}" -H "payment-signature: $payment" -H "idempotency-key: $(od -An -vtx1 -N16 /dev/urandom | tr -d ' \n')" \
    -o "$answered" -w '%{http_code}')
  if [ "$status" != 200 ]; then echo "$1 $2 answers $status: $(cat "$answered")" >&2; return 1; fi
  cat "$answered"
}

# Play money, where payments are simulated; elsewhere this route does not exist.
curl -sS -o "$answered" "$base/demo/faucet" -H 'content-type: application/json' --data "{\"address\": \"$wallet\"}"

lease=$(pay POST /lease/container '{"sku": "small", "runtimeMinutes": 30, "hostname": "from-curl"}')
jq -r '"leased \(.hostname): container \(.ctid), until \(.expiresAt)"' <<< "$lease" # .password is shown this once

pay GET /management/list | jq -r '.leases[] | "\(.ctid)  \(.hostname)  \(.status)"'

pay POST "/management/exec/$(jq .ctid <<< "$lease")" '{"command": "echo hello from $(hostname)"}' |
  jq -r '"exit code \(.exitCode): \(.stdout | rtrimstr("\n"))"'
