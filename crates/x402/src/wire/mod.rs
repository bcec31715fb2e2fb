//! The wire format: the JSON of both protocol versions, and the headers that carry it.
//!
//! Every type is lossless: unknown members are kept in `rest` and written again, because a payment
//! is passed on to the facilitator as the client sent it.

pub mod exact;
pub mod header;
pub mod receipt;
pub mod v1;
pub mod v2;

/// Members that a newer peer may send, kept unchanged.
pub type Rest = serde_json::Map<String, serde_json::Value>;

#[cfg(test)]
mod tests {
    use serde::{Serialize, de::DeserializeOwned};
    use serde_json::{Value, json};

    use super::{receipt::Receipt, v1, v2};

    /// Asserts that a message is unchanged after it is read and written.
    #[track_caller]
    fn lossless<T: Serialize + DeserializeOwned>(message: Value) {
        let read: T = serde_json::from_value(message.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), message);
    }

    /// The specification's example messages, with unknown members added.
    #[test]
    fn messages_of_both_versions_keep_all_their_members() {
        let payload = json!({
            "signature": "0x2d6a7588d6acca505cbf0d9a4a227e0c52c6c34008c8e8986a1283259764173608a2ce6496642e377d6da8dbbf5836e9bd15092f9ecab05ded3d6293af148b571c",
            "authorization": {
                "from": "0x857b06519e91e3a54538791bdbb0e22373e36b66",
                "to": "0x209693bc6afc0c5328ba36faf03c514ef312287c",
                "value": "10000", "validAfter": "1740672089", "validBefore": "1740672154",
                "nonce": "0xf3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480",
            },
        });
        let v1_requirements = json!({
            "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "10000",
            "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
            "payTo": "0x209693Bc6afc0C5328bA36FaF03C514EF312287C",
            "resource": "https://api.example.com/premium-data", "description": "Market data",
            "mimeType": "application/json", "maxTimeoutSeconds": 60,
            "extra": {"name": "USDC", "version": "2"}, "channel": {"deep": [null, 1.5]},
        });
        let v2_requirements = json!({
            "scheme": "exact", "network": "eip155:84532", "amount": "10000",
            "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
            "payTo": "0x209693Bc6afc0C5328bA36FaF03C514EF312287C", "maxTimeoutSeconds": 60,
            "extra": {"name": "USDC", "version": "2", "assetTransferMethod": "eip3009"},
        });
        let resource = json!({
            "url": "https://api.example.com/premium-data", "description": "Market data",
            "mimeType": "application/json", "serviceName": "Example", "tags": ["data"],
        });
        lossless::<v1::PaymentRequirementsResponse>(json!({
            "x402Version": 1, "error": "X-PAYMENT header is required",
            "accepts": [v1_requirements], "payer": "0x857b06519E91e3A54538791bDbb0E22373e36b66",
        }));
        lossless::<v1::PaymentPayload>(json!({
            "x402Version": 1, "scheme": "exact", "network": "base-sepolia", "payload": payload,
        }));
        lossless::<v2::PaymentRequired>(json!({
            "x402Version": 2, "error": "PAYMENT-SIGNATURE header is required",
            "resource": resource, "accepts": [v2_requirements],
            "extensions": {"bazaar": {"info": {"input": {"type": "http"}}, "schema": {}}},
        }));
        lossless::<v2::PaymentPayload>(json!({
            "x402Version": 2, "resource": resource, "accepted": v2_requirements,
            "payload": payload, "extensions": {"bazaar": {"info": {}, "schema": {}}},
        }));
        for receipt in [
            json!({
                "success": true, "network": "base-sepolia",
                "transaction": "0x1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcdef",
                "payer": "0x857b06519E91e3A54538791bDbb0E22373e36b66", "amount": "10000",
            }),
            json!({
                "success": false, "errorReason": "insufficient_funds", "errorMessage": "too little",
                "transaction": "", "network": "eip155:84532",
            }),
        ] {
            lossless::<Receipt>(receipt);
        }
    }
}
