//! What the rest of the service knows of a paid operation without naming its type. The list itself
//! is [`ALL`], beside the modules; routes, discovery, the OpenAPI document and the sweep read it
//! and have no lists of their own.

use api_types::{Price, Tariff};
use axum::Router;
use futures_util::future::BoxFuture;

use super::ALL;
use crate::{
    config::Config,
    error::ApiError,
    openapi::{Documentation, Documented},
    payment::{Operation, OperationInfo, driver::follow},
    paywall::paid,
    state::App,
    store::{Payment, StoreError},
};

/// A paid operation in the list. Everything in it comes from the operation's own file.
#[derive(Debug)]
pub struct Registration {
    /// Name, route and description.
    pub about: OperationInfo,
    /// The price of the default request, in atomic USDC.
    pub default_price: fn(&Tariff) -> Result<Price, ApiError>,
    /// The route, behind the paywall.
    pub route: fn() -> Router<App>,
    /// Its part of the OpenAPI document.
    pub documentation: fn() -> Documentation,
    /// Resumes an unfinished payment for it; `true`: the payer is not waited for any longer.
    pub recover: for<'a> fn(&'a App, &'a Payment, bool) -> BoxFuture<'a, Result<(), StoreError>>,
}

impl Registration {
    /// The registration of an operation.
    pub const fn of<O: Operation + Documented>() -> Self {
        Self {
            about: OperationInfo::from_operation::<O>(),
            default_price: O::default_price,
            route: paid::<O>,
            documentation: O::documentation,
            recover: |app, payment, late| Box::pin(follow::recover::<O>(app, payment, late)),
        }
    }
}

/// The operations that are sold with this configuration.
pub fn sold(config: &Config) -> impl Iterator<Item = &'static Registration> {
    let has_credit = config.credit.is_some();
    ALL.iter()
        .filter(move |operation| has_credit || !operation.about.is_of_credit)
}

/// The operation with this name in the store; none where another release wrote it.
pub fn named(name: &str) -> Option<&'static Registration> {
    ALL.iter().find(|operation| operation.about.name == name)
}

/// Method and path of an operation, by its name in the store.
pub fn route_of(name: &str) -> String {
    named(name).map_or_else(
        || name.to_owned(),
        |Registration { about, .. }| format!("{} {}", about.method, about.path),
    )
}

/// Makes [`ALL`] from the operations' types. [`Operation`] requires [`Registered`], which only this
/// macro implements: an operation that is not in the list does not compile.
///
/// [`Registered`]: crate::payment::Registered
macro_rules! operations {
    ($($operation:ty),+ $(,)?) => {
        $(impl $crate::payment::Registered for $operation {})+

        /// Every operation that is sold.
        pub const ALL: &[$crate::operations::registry::Registration] =
            &[$($crate::operations::registry::Registration::of::<$operation>()),+];
    };
}
pub(super) use operations;
