//! `infra402 wallet`: the wallet's address and play money, and a new key.

use api_types::{FaucetResponse, Usdc};
use serde_json::json;

use super::show;
use crate::{
    api::{Api, json, read},
    arguments::WalletAction,
    failure::{ExitStatus, Failure},
    wallet_key,
};

pub(super) async fn run(api: &Api, action: Option<WalletAction>) -> Result<u8, Failure> {
    match action.unwrap_or(WalletAction::Show) {
        WalletAction::Show => {
            let address = api.signer()?.address().to_string();
            let request = api.http().get(api.url("/demo/balance"));
            let answered = api.free(request.query(&[("address", &address)])).await;
            // Where payments are real the route does not exist, and the chain knows the balance.
            let balance = match answered {
                Ok(response) => Some(read::<FaucetResponse>(&json(response).await?)?.balance),
                Err(failure) if failure.status == ExitStatus::NotFound => None,
                Err(failure) => return Err(failure),
            };
            shown(api, &address, balance)
        }
        WalletAction::New => {
            let Some(file) = api.settings.key.file() else {
                let message = format!("{} holds a key already", wallet_key::KEY_VARIABLE);
                return Err(Failure::usage(message));
            };
            let address = wallet_key::make(file)?.address().to_string();
            let file = file.display().to_string();
            show(api, &json!({"address": address, "keyFile": file}), || {
                Ok(format!(
                    "{address}, with its key in {file}\nnext: send USDC to it, or fill it with play \
                     money: infra402 wallet fill"
                ))
            })
        }
        WalletAction::Fill => {
            let address = api.signer()?.address().to_string();
            let asked = json!({ "address": address });
            let request = api.http().post(api.url("/demo/faucet")).json(&asked);
            let filled = api
                .free(request)
                .await
                .map_err(|failure| match failure.status {
                    ExitStatus::NotFound => {
                        let message = "payments are real here: send USDC to the wallet";
                        Failure::new(ExitStatus::NotFound, "payments_are_real", message)
                    }
                    _ => failure,
                })?;
            let filled: FaucetResponse = read(&json(filled).await?)?;
            shown(api, &address, Some(filled.balance))
        }
    }
}

fn shown(api: &Api, address: &str, balance: Option<Usdc>) -> Result<u8, Failure> {
    let document = json!({"address": address, "playMoney": balance});
    show(api, &document, || {
        Ok(match balance {
            Some(balance) => format!("{address}\n{balance} of play money"),
            None => address.to_owned(),
        })
    })
}
