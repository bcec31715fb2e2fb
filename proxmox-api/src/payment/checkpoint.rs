//! A place between two steps of the work for a payment, where tests stop a process as a crash would.

use std::{fmt, pin::Pin, sync::Arc};

use super::machine::Effect;

type Reached = Arc<dyn Fn(&Effect) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Called before each effect; by default nothing happens.
#[derive(Clone, Default)]
pub struct Checkpoint(Option<Reached>);

impl Checkpoint {
    /// One that calls `reached` and waits for what it gives.
    pub fn new(
        reached: impl Fn(&Effect) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(reached)))
    }

    pub(super) async fn reached(&self, effect: &Effect) {
        if let Some(reached) = &self.0 {
            reached(effect).await;
        }
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Checkpoint")
            .field(&self.0.is_some())
            .finish()
    }
}
