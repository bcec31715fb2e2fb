//! A callback before each effect on a payment, where tests stop a process as a crash would.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use super::effect::PaymentEffect;

type Reached = dyn Fn(&PaymentEffect) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// Called before each effect; by default nothing happens.
#[derive(Clone, Default)]
pub struct Checkpoint(Arc<OnceLock<Box<Reached>>>);

impl Checkpoint {
    /// Sets the callback, which is awaited before each effect. A second call changes nothing.
    pub fn set(
        &self,
        reached: impl Fn(&PaymentEffect) -> Pin<Box<dyn Future<Output = ()> + Send>>
        + Send
        + Sync
        + 'static,
    ) {
        let _ = self.0.set(Box::new(reached));
    }

    /// Waits for the callback of a test, where one is set.
    pub async fn reached(&self, effect: &PaymentEffect) {
        if let Some(reached) = self.0.get() {
            reached(effect).await;
        }
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Checkpoint")
            .field(&self.0.get().is_some())
            .finish()
    }
}
