//! How the domain's types are stored. They are read strictly: any other value is an error that
//! names the column.

use api_types::{PortAccess, TrafficStep};
use pve::{NodeName, Vmid};

use super::{
    super::StoreError,
    row::{Column, Row},
    value::{ToValue, Value},
};
use crate::{
    ids::{KeyId, LeaseId, Minutes, PaymentId, Wallet},
    payment_machine::PaymentState,
    store::lease_state::LeaseState,
};

/// A type that is stored as text.
macro_rules! text {
    ($kind:ty, $parse:expr) => {
        impl Column for $kind {
            fn read(row: &Row<'_>, name: &'static str) -> Result<Self, StoreError> {
                let text: String = row.get(name)?;
                $parse(&text).ok_or(StoreError::Unreadable(name))
            }
        }
        impl Column for Option<$kind> {
            fn read(row: &Row<'_>, name: &'static str) -> Result<Self, StoreError> {
                let text: Option<String> = row.get(name)?;
                let parsed = text.map(|text| $parse(&text).ok_or(StoreError::Unreadable(name)));
                parsed.transpose()
            }
        }
        impl ToValue for $kind {
            fn to_value(&self) -> Value<'_> {
                Value::Text(Some(self.as_str()))
            }
        }
        impl ToValue for Option<$kind> {
            fn to_value(&self) -> Value<'_> {
                Value::Text(self.as_ref().map(|it| it.as_str()))
            }
        }
    };
}
text!(KeyId, |text: &str| Some(text.into()));
text!(LeaseId, |text: &str| Some(text.into()));
text!(PaymentId, |text: &str| Some(text.into()));
text!(NodeName, |text: &str| text.parse().ok());
text!(Wallet, |text: &str| text.parse().ok());
text!(LeaseState, LeaseState::parse);
text!(PaymentState, PaymentState::parse);
text!(TrafficStep, TrafficStep::parse);
text!(PortAccess, PortAccess::parse);

/// A type that is stored as a number.
macro_rules! number {
    ($kind:ty, $parse:expr, $write:expr) => {
        impl Column for $kind {
            fn read(row: &Row<'_>, name: &'static str) -> Result<Self, StoreError> {
                let number: i64 = row.get(name)?;
                $parse(number).ok_or(StoreError::Unreadable(name))
            }
        }
        impl Column for Option<$kind> {
            fn read(row: &Row<'_>, name: &'static str) -> Result<Self, StoreError> {
                let number: Option<i64> = row.get(name)?;
                let parsed =
                    number.map(|number| $parse(number).ok_or(StoreError::Unreadable(name)));
                parsed.transpose()
            }
        }
        impl ToValue for $kind {
            fn to_value(&self) -> Value<'_> {
                Value::Number(Some(i64::from($write(*self))))
            }
        }
    };
}
number!(
    Minutes,
    |number: i64| u32::try_from(number).ok().map(Minutes),
    |minutes: Minutes| minutes.0
);
number!(Vmid, |number: i64| Vmid::try_from(number).ok(), Vmid::get);
