//! The two services as the application calls them. `lease` and `agent` have one method for each
//! route; [`payment`] has the payments that the lease API lists.

#[cfg(target_arch = "wasm32")]
pub mod agent;
#[cfg(target_arch = "wasm32")]
pub mod lease;
pub mod payment;

#[cfg(target_arch = "wasm32")]
pub use agent::AgentApi;
#[cfg(target_arch = "wasm32")]
pub use lease::LeaseApi;
pub use payment::{ListedPayment, PaymentList};
