//! Who a request is from: a token as it is, or a ticket that a password was exchanged for, once for all calls.

use std::collections::BTreeMap;
use std::time::Instant;

use http::{HeaderMap, Method};
use secret::Secret;

use crate::auth::{Credentials, Ticket, token_headers};
use crate::client::Client;
use crate::error::{Call, Error};
use crate::refusal::Refusal;
use crate::transport::decode;

impl Client {
    /// The headers of the account, and the generation of the ticket in them. `stale` names a ticket that was refused.
    pub(crate) async fn auth_headers(
        &self,
        stale: Option<u64>,
    ) -> Result<(HeaderMap, Option<u64>), Error> {
        match &self.inner.credentials {
            Credentials::Token(value) => Ok((token_headers(value), None)),
            Credentials::Password {
                user,
                password,
                ticket,
            } => {
                let mut current = ticket.lock().await;
                let usable = current
                    .as_ref()
                    .filter(|t| t.is_fresh() && stale != Some(t.generation))
                    .cloned();
                let ticket = match usable {
                    Some(ticket) => ticket,
                    None => {
                        let generation = current.as_ref().map_or(1, |t| t.generation + 1);
                        let fresh = self.log_in(user, password, generation).await?;
                        current.insert(fresh).clone()
                    }
                };
                let headers = ticket.headers().ok_or_else(|| Error::Decode {
                    call: login_call(),
                    cause: "the ticket cannot be sent in a header".to_owned(),
                })?;
                Ok((headers, Some(ticket.generation)))
            }
        }
    }

    async fn log_in(
        &self,
        user: &str,
        password: &Secret,
        generation: u64,
    ) -> Result<Ticket, Error> {
        #[derive(serde::Deserialize)]
        struct Login {
            ticket: Option<String>,
            #[serde(rename = "CSRFPreventionToken")]
            csrf: Option<String>,
            #[serde(default, rename = "NeedTFA", deserialize_with = "crate::lenient::flag")]
            need_tfa: bool,
        }
        let call = login_call();
        let params = vec![
            ("username".to_owned(), user.to_owned()),
            ("password".to_owned(), password.expose().to_owned()),
        ];
        let envelope = self.exchange(&call, &params, HeaderMap::new()).await?;
        let login: Login = decode(call.clone(), envelope.data)?;
        match login {
            Login {
                ticket: Some(ticket),
                csrf: Some(csrf),
                need_tfa: false,
            } => Ok(Ticket {
                generation,
                ticket: ticket.into(),
                csrf: csrf.into(),
                obtained: Instant::now(),
            }),
            Login { need_tfa: true, .. } => Err(Error::Refused {
                call,
                status: 401,
                kind: Refusal::SecondFactor,
                message: format!(
                    "{user} has a second factor, which a service cannot give: use a user without one"
                ),
                fields: BTreeMap::new(),
            }),
            _ => Err(Error::Decode {
                call,
                cause: "the login gave no ticket".to_owned(),
            }),
        }
    }
}

fn login_call() -> Box<Call> {
    Call::new(Method::POST, "/access/ticket")
}
