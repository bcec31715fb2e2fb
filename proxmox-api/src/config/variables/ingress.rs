//! The names of containers on the web, and the jump host.

use service::env::schema::{Group, Variable};

pub(in crate::config) static INGRESS: Group = Group {
    title: "Published ports and customers' SSH",
    variables: &[&GUEST_DOMAIN, &INGRESS_PORT, &SSH_PORT],
};
pub(in crate::config) static GUEST_DOMAIN: Variable = Variable::optional(
    "GUEST_DOMAIN",
    "localhost where PUBLIC_BASE_URL is on this machine, and otherwise no ports are published",
    "apps.example.net",
    "The domain under which customers publish ports of their containers, as PORT-NAME.GUEST_DOMAIN; what runs there is theirs, \
     so it needs a registrable domain of its own, beside those of PUBLIC_BASE_URL and ALLOWED_ORIGINS. A proxy in front \
     of INGRESS_PORT adds TLS; with :PORT behind the name if it listens elsewhere than on 443.",
);
pub(in crate::config) static INGRESS_PORT: Variable = Variable::with_default(
    "INGRESS_PORT",
    "4080",
    "The port to listen on for requests to published ports; 0 publishes none.",
);
pub(in crate::config) static SSH_PORT: Variable = Variable::with_default(
    "SSH_PORT",
    "2222",
    "The port to listen on for customers' SSH, a jump host that leads to their containers only; 0 for none. Clients use it at \
     the host of PUBLIC_BASE_URL.",
);
