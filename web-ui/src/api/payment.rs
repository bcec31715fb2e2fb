//! Payments as the lease API lists them.

use api_types::{PaymentView, PaymentsResponse};

/// A payment in the list of the wallet's payments. The state is a text, so that one state that a
/// later service adds does not hide the other payments.
pub type ListedPayment = PaymentView<String>;

/// The response with such a list.
pub type PaymentList = PaymentsResponse<String>;
