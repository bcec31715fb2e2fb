//! Every variable of this service.

mod credit;
mod ingress;
mod payments;
mod proxmox;
mod tenants;

use service::env::schema::{Gone, Group, Schema, Variable};
use service::telemetry;

pub(super) use credit::*;
pub(super) use ingress::*;
pub(super) use payments::*;
pub(super) use proxmox::*;
pub(super) use tenants::*;

/// What this service can be told.
pub static SCHEMA: Schema = Schema {
    service: "proxmox-api",
    groups: &[
        &PAYMENTS,
        &PROXMOX,
        &CONSOLES,
        &OPEN_CONSOLES,
        &INGRESS,
        &PRICES,
        &CREDIT_GROUP,
        &LIMITS,
        &LEASES,
        &TENANTS,
        &SERVER,
        &telemetry::VARIABLES,
    ],
    gone: &[
        Gone {
            name: "PVE_CONSOLE_HOST",
            instead: "consoles are served by this service itself, under PUBLIC_BASE_URL",
        },
        Gone {
            name: "FACILITATOR_URL",
            instead: "the facilitator's address goes into FACILITATOR",
        },
    ],
};

static OPEN_CONSOLES: Group = Group {
    title: "Open consoles",
    variables: &[&CONSOLE_IDLE_MINUTES, &CONSOLE_MAX_MIB, &REPLICA_ADDRESS],
};
pub(super) static CONSOLE_IDLE_MINUTES: Variable = Variable::with_default(
    "CONSOLE_IDLE_MINUTES",
    "15",
    "Minutes after which a console closes in which nothing was typed or shown, 1 to 1440.",
);
pub(super) static CONSOLE_MAX_MIB: Variable = Variable::with_default(
    "CONSOLE_MAX_MIB",
    "1024",
    "What one connection of a console may carry in both directions, in MiB.",
);

pub(super) static REPLICA_ADDRESS: Variable = Variable::optional(
    "REPLICA_ADDRESS",
    "a console over SSH that comes back at another replica gets a new shell",
    "http://10.0.0.5:4021",
    "Where other replicas reach this one, past any load balancer: http:// or https://, host and port. By it a console over SSH comes back to its \
     shell at any replica. What is typed and shown goes there: in a network of its own, or by https://.",
);

static CONSOLES: Group = Group {
    title: "Consoles of older Proxmox hosts",
    variables: &[&PVE_CONSOLE_USER, &PVE_CONSOLE_PASSWORD, &PVE_ROOT_PASSWORD],
};
pub(super) static PVE_CONSOLE_USER: Variable = Variable::optional(
    "PVE_CONSOLE_USER",
    "consoles use the token, which needs pve-container 6.1.3 or newer",
    "infra402-console@pve",
    "A user with a password and nothing but VM.Console on the pool, for consoles of hosts that accept no token there.",
);
pub(super) static PVE_CONSOLE_PASSWORD: Variable = Variable::optional(
    "PVE_CONSOLE_PASSWORD",
    "as without PVE_CONSOLE_USER",
    "the password of that user",
    "The password of PVE_CONSOLE_USER.",
)
.secret();
pub(super) static PVE_ROOT_PASSWORD: Variable = Variable::optional(
    "PVE_ROOT_PASSWORD",
    "nothing is missing",
    "better none",
    "The password of root@pam, for configurations of the prototype; PVE_CONSOLE_USER replaces it, and the log says so.",
)
.secret();

static PRICES: Group = Group {
    title: "Prices, in atomic USDC (six decimals)",
    variables: &[
        &PRICE_BASE,
        &PRICE_CORE_HOUR,
        &PRICE_MEMORY_GIB_HOUR,
        &PRICE_DISK_GIB_HOUR,
        &PRICE_CALL,
    ],
};
pub(super) static PRICE_BASE: Variable = Variable::with_default(
    "PRICE_BASE",
    "2000",
    "A lease or renewal, whatever its size and time.",
);
pub(super) static PRICE_CORE_HOUR: Variable =
    Variable::with_default("PRICE_CORE_HOUR", "4000", "A core for an hour.");
pub(super) static PRICE_MEMORY_GIB_HOUR: Variable = Variable::with_default(
    "PRICE_MEMORY_GIB_HOUR",
    "3200",
    "A GiB of memory for an hour.",
);
pub(super) static PRICE_DISK_GIB_HOUR: Variable =
    Variable::with_default("PRICE_DISK_GIB_HOUR", "300", "A GiB of disk for an hour.");
pub(super) static PRICE_CALL: Variable = Variable::with_default(
    "PRICE_CALL",
    "1000",
    "A call: a command, a console, a list.",
);

static LIMITS: Group = Group {
    title: "Limits of one lease",
    variables: &[
        &MAX_CORES,
        &MAX_MEMORY_MB,
        &MAX_DISK_GB,
        &MAX_RUNTIME_MINUTES,
        &LEASES_PER_WALLET,
    ],
};
pub(super) static MAX_CORES: Variable =
    Variable::with_default("MAX_CORES", "8", "The most cores, 1 to 8192.");
pub(super) static MAX_MEMORY_MB: Variable =
    Variable::with_default("MAX_MEMORY_MB", "16384", "The most memory, in MiB.");
pub(super) static MAX_DISK_GB: Variable =
    Variable::with_default("MAX_DISK_GB", "200", "The largest disk, in GiB.");
pub(super) static MAX_RUNTIME_MINUTES: Variable = Variable::with_default(
    "MAX_RUNTIME_MINUTES",
    "43200",
    "The most minutes of one lease or renewal.",
);
pub(super) static LEASES_PER_WALLET: Variable = Variable::with_default(
    "LEASES_PER_WALLET",
    "10",
    "Leases that one wallet may have at a time.",
);

static LEASES: Group = Group {
    title: "Leases",
    variables: &[
        &LEASE_GRACE_MINUTES,
        &HELD_HOURS,
        &ORPHAN_KEEP_HOURS,
        &LEASES_IN_FLIGHT_PER_WALLET,
        &LEASES_IN_FLIGHT_PER_ADDRESS,
        &MAX_UNPAID_LEASES,
    ],
};
pub(super) static LEASE_GRACE_MINUTES: Variable = Variable::with_default(
    "LEASE_GRACE_MINUTES",
    "1440",
    "The most minutes for which the data of an expired lease is kept, 0 to 43200: as many as the last purchase bought, up to \
     this; a renewal starts it again.",
);
pub(super) static HELD_HOURS: Variable = Variable::with_default(
    "HELD_HOURS",
    "24",
    "Hours after a payment's window for which the container is kept, stopped, that waits for a payment of unknown outcome, 0 to 720.",
);
pub(super) static ORPHAN_KEEP_HOURS: Variable = Variable::with_default(
    "ORPHAN_KEEP_HOURS",
    "72",
    "Hours for which a container of this installation is kept, stopped, that no lease has, 0 to 8760: after a database was restored \
     it may be a paying customer's.",
);
pub(super) static LEASES_IN_FLIGHT_PER_WALLET: Variable = Variable::with_default(
    "LEASES_IN_FLIGHT_PER_WALLET",
    "2",
    "Leases of one wallet that may be in the making at a time.",
);

pub(super) static LEASES_IN_FLIGHT_PER_ADDRESS: Variable = Variable::with_default(
    "LEASES_IN_FLIGHT_PER_ADDRESS",
    "8",
    "Leases that were asked for from one address and may be in the making at a time. Behind a proxy it needs TRUSTED_PROXIES, \
     and for customers of agent-api SERVICES_SECRET.",
);
pub(super) static MAX_UNPAID_LEASES: Variable = Variable::with_default(
    "MAX_UNPAID_LEASES",
    "32",
    "Leases of everybody that may be made, or wait for their payment, at a time, in all replicas together; half of them are for \
     wallets that have paid before.",
);

static SERVER: Group = Group {
    title: "Server",
    variables: &[
        &BIND,
        &PORT,
        &PUBLIC_BASE_URL,
        &ALLOWED_ORIGINS,
        &DATABASE,
        &INSTALLATION_KEY,
        &FREE_CALLS_PER_MINUTE,
        &FAILED_PAYMENTS_PER_MINUTE,
        &TRUSTED_PROXIES,
        &SERVICES_SECRET,
    ],
};
pub(super) static BIND: Variable = Variable::with_default(
    "BIND",
    "127.0.0.1",
    "The address to listen on; 0.0.0.0 for all.",
);
pub(super) static PORT: Variable = Variable::with_default("PORT", "4021", "The port to listen on.");
pub(super) static PUBLIC_BASE_URL: Variable = Variable::optional(
    "PUBLIC_BASE_URL",
    "the address that is listened on",
    "https://lease.example.org",
    "Under which address customers reach this service; challenges, consoles and sign-in texts name it.",
);
pub(super) static ALLOWED_ORIGINS: Variable = Variable::with_default(
    "ALLOWED_ORIGINS",
    "http://localhost:3000,http://127.0.0.1:3000",
    "Browser pages that may call this service, separated by commas: scheme, host and port; * for all.",
)
.example("https://infra402.example.org");
pub(super) static INSTALLATION_KEY: Variable = Variable::optional(
    "INSTALLATION_KEY",
    "a key is made at the first start and kept in the database",
    "the output of `openssl rand -hex 32`, or what `proxmox-api installation-key FILE` wrote",
    "The key from which passwords, console tickets and the SSH keys of leases are derived, at least 32 characters. Set, it is kept out of the \
     database and its backups; lost, the passwords and SSH keys of all leases are lost with it.",
)
.secret();
pub(super) static DATABASE: Variable = Variable::with_default(
    "DATABASE",
    "data/infra402.sqlite",
    "Where the store is: a file, which has to survive restarts, or the address of a PostgreSQL, which replicas can share: \
     `postgres://user:password@host/database?sslmode=verify-full`, with a comma between hosts \
     where a standby may take over. `sslmode` is `disable`, `prefer` (the default), `require` or \
     `verify-full`; `sslrootcert` names a file with the authorities.",
)
.secret();
pub(super) static FREE_CALLS_PER_MINUTE: Variable = Variable::with_default(
    "FREE_CALLS_PER_MINUTE",
    "600",
    "Calls that nobody pays for and one address may make in a minute, at all replicas together: quote, usage, sign-in, faucet, console WebSocket, \
     files, background commands, ports, SSH access and keys, and connections to the jump host. More are answered 429, and the jump host hangs up.",
);
pub(super) static FAILED_PAYMENTS_PER_MINUTE: Variable = Variable::with_default(
    "FAILED_PAYMENTS_PER_MINUTE",
    "60",
    "Payments from one address that may be refused in a minute, by all replicas together; further ones are answered 429 until it has rested.",
);
pub(super) static TRUSTED_PROXIES: Variable = Variable::with_default(
    "TRUSTED_PROXIES",
    "0",
    "Proxies in front of this service that add to X-Forwarded-For; the address that the outermost saw is the caller's.",
);
pub(super) static SERVICES_SECRET: Variable = Variable::optional(
    "SERVICES_SECRET",
    "calls that agent-api makes for its callers count as agent-api's own",
    "32 random characters, the same in agent-api",
    "What agent-api proves itself with when it passes its caller's address on, at least 16 characters; the same in both services.",
)
.secret();
