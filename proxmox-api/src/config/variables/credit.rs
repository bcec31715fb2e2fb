//! Credit that customers pay in ahead, and the API keys that spend it.

use service::env::schema::{Group, Variable};

pub(in crate::config) static CREDIT_GROUP: Group = Group {
    title: "Credit and API keys, in atomic USDC (six decimals)",
    variables: &[
        &CREDIT,
        &PRICE_CALL_CREDIT,
        &CREDIT_MIN_TOP_UP,
        &CREDIT_MAX,
        &CREDIT_MAX_DAY,
        &MIN_BILLED_MINUTES,
    ],
};
pub(in crate::config) static CREDIT: Variable = Variable::with_default(
    "CREDIT",
    "true",
    "Whether customers may pay in ahead, make API keys that spend it, and get unused time and debts back as credit: `true` \
     or `false`. You then hold customers' money: read OPERATIONS.md first.",
);
pub(in crate::config) static PRICE_CALL_CREDIT: Variable = Variable::with_default(
    "PRICE_CALL_CREDIT",
    "100",
    "A call that is paid from credit, 1 to 1000000000: no settlement of its own has to be paid for.",
);
pub(in crate::config) static CREDIT_MIN_TOP_UP: Variable = Variable::with_default(
    "CREDIT_MIN_TOP_UP",
    "100000",
    "The least that can be paid in at a time, 1 to 1000000000.",
);
pub(in crate::config) static CREDIT_MAX: Variable = Variable::with_default(
    "CREDIT_MAX",
    "100000000",
    "The most that a wallet can have by paying in.",
);
pub(in crate::config) static CREDIT_MAX_DAY: Variable = Variable::with_default(
    "CREDIT_MAX_DAY",
    "1000000000",
    "The most that a wallet can pay in in a day of UTC.",
);
pub(in crate::config) static MIN_BILLED_MINUTES: Variable = Variable::with_default(
    "MIN_BILLED_MINUTES",
    "5",
    "The first minutes of a lease, which stay paid when its owner ends it early, 0 to 1440.",
);
