//! What tenants may do to the network and to others.

use service::env::schema::{Group, Variable};

pub(in crate::config) static TENANTS: Group = Group {
    title: "Traffic and abuse",
    variables: &[
        &TRAFFIC_GIB_PER_HOUR,
        &TRAFFIC_STOP_HOURS,
        &REFUSED_WALLETS,
        &ABUSE_CONTACT,
    ],
};
pub(in crate::config) static TRAFFIC_GIB_PER_HOUR: Variable = Variable::with_default(
    "TRAFFIC_GIB_PER_HOUR",
    "20",
    "What a container may send for each hour that was bought, in GiB, 0 to 100000; 0 is no limit. \
     Beyond it is slowed to 1 Mbit/s, and cut off at twice as much.",
);
pub(in crate::config) static TRAFFIC_STOP_HOURS: Variable = Variable::with_default(
    "TRAFFIC_STOP_HOURS",
    "24",
    "For how many hours a container may run while it is cut off for its traffic, 0 to 8760; it is \
     stopped then, and starts again by a renewal that includes enough. 0 never stops it.",
);
pub(in crate::config) static REFUSED_WALLETS: Variable = Variable::optional(
    "REFUSED_WALLETS",
    "every wallet is sold to",
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "Wallets that nothing is sold to, separated by commas: they are refused before money moves. \
     What they have runs to its end.",
);
pub(in crate::config) static ABUSE_CONTACT: Variable = Variable::optional(
    "ABUSE_CONTACT",
    "no contact is shown",
    "abuse@example.org",
    "Where to report what leased containers do to others: a mail address or a page, shown in \
     GET /catalog.",
);
