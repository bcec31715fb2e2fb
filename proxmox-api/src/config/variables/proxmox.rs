//! The Proxmox cluster: where it is, and how it may be used.

use service::env::schema::{Group, Variable};

pub(in crate::config) static PROXMOX: Group = Group {
    title: "Proxmox",
    variables: &[
        &PVE_HOST,
        &PVE_TOKEN_ID,
        &PVE_TOKEN_SECRET,
        &PVE_FINGERPRINT,
        &PVE_CA_FILE,
        &PVE_VERIFY_SSL,
        &PVE_NODE,
        &PVE_STORAGE,
        &PVE_OS_TEMPLATE,
        &PVE_BRIDGE,
        &PVE_NETWORK,
        &PVE_GATEWAY,
        &PVE_NAMESERVERS,
        &PVE_VLAN,
        &PVE_RATE_MBIT_PER_CORE,
        &PVE_SECURITY_GROUP,
        &PVE_FENCE,
        &GUEST_SSH,
        &GUEST_SSH_SOURCE,
        &GUEST_PROXY,
        &PVE_POOL,
        &PVE_VMID_RANGE,
        &PVE_CREATES_PER_NODE,
        &PVE_ENDS_PER_NODE,
        &PVE_SIMULATED,
    ],
};
pub(in crate::config) static PVE_HOST: Variable = Variable::required(
    "PVE_HOST",
    "https://192.168.1.100:8006",
    "The Proxmox host's API, with its scheme.",
);
pub(in crate::config) static PVE_TOKEN_ID: Variable = Variable::required(
    "PVE_TOKEN_ID",
    "infra402@pve!svc",
    "The id of the API token. `proxmox-api doctor --setup` prints the commands that make one with just the rights that are needed.",
);
pub(in crate::config) static PVE_TOKEN_SECRET: Variable = Variable::required(
    "PVE_TOKEN_SECRET",
    "the token's secret, shown once by `pveum user token add`",
    "The token's secret.",
)
.secret();
pub(in crate::config) static PVE_FINGERPRINT: Variable = Variable::optional(
    "PVE_FINGERPRINT",
    "the certificate has to be one that authorities vouch for",
    "the SHA-256 fingerprint that `proxmox-api doctor` prints",
    "The SHA-256 fingerprint of the host's certificate: exactly that one is trusted, self-signed or not.",
);
pub(in crate::config) static PVE_CA_FILE: Variable = Variable::optional(
    "PVE_CA_FILE",
    "the system's authorities are trusted",
    "/etc/infra402/pve-root-ca.pem",
    "The authority that signed the host's certificate, in PEM; on the host it is /etc/pve/pve-root-ca.pem.",
);
pub(in crate::config) static PVE_VERIFY_SSL: Variable = Variable::with_default(
    "PVE_VERIFY_SSL",
    "true",
    "false trusts anybody who answers at that address, with the token: for trying things out. PVE_FINGERPRINT is as easy and safe.",
);
pub(in crate::config) static PVE_NODE: Variable = Variable::with_default(
    "PVE_NODE",
    "auto",
    "The nodes that take containers, by name and separated by commas, or auto for every node that is online; the one with the \
     most free memory is taken.",
);
pub(in crate::config) static PVE_STORAGE: Variable = Variable::with_default(
    "PVE_STORAGE",
    "local-lvm",
    "The storage for the containers' disks.",
);
pub(in crate::config) static PVE_OS_TEMPLATE: Variable = Variable::with_default(
    "PVE_OS_TEMPLATE",
    "auto",
    "The templates on offer as volume ids, separated by commas, the default first, or auto for the plain distributions that the \
     nodes have, the newest Debian first. `pveam list local` on the host shows the volume ids.",
)
.example("local:vztmpl/FILE");
pub(in crate::config) static PVE_BRIDGE: Variable = Variable::with_default(
    "PVE_BRIDGE",
    "vmbr0",
    "The bridge that containers are attached to, with DHCP; none for containers without a network.",
);
pub(in crate::config) static PVE_NETWORK: Variable = Variable::optional(
    "PVE_NETWORK",
    "containers ask a DHCP server for their addresses, and tenants are not fenced in",
    "10.64.0.0/20",
    "The IPv4 network that containers get addresses of, behind a bridge of its own: `proxmox-api doctor --setup` prints how to \
     make it. See docs/TENANTS.md.",
);
pub(in crate::config) static PVE_GATEWAY: Variable = Variable::optional(
    "PVE_GATEWAY",
    "the first address of PVE_NETWORK",
    "10.64.0.1",
    "The router in PVE_NETWORK: the host's address on the bridge.",
);
pub(in crate::config) static PVE_NAMESERVERS: Variable = Variable::with_default(
    "PVE_NAMESERVERS",
    "9.9.9.9,1.1.1.1",
    "The name servers of containers in PVE_NETWORK, separated by commas; public ones, since the host's own are behind the fence.",
);
pub(in crate::config) static PVE_VLAN: Variable = Variable::optional(
    "PVE_VLAN",
    "no tag",
    "40",
    "The VLAN of the containers' interfaces, 1 to 4094.",
);
pub(in crate::config) static PVE_RATE_MBIT_PER_CORE: Variable = Variable::with_default(
    "PVE_RATE_MBIT_PER_CORE",
    "100",
    "What a container may send and receive for each of its cores, in Mbit/s, 0 to 100000; 0 is no limit.",
);
pub(in crate::config) static PVE_SECURITY_GROUP: Variable = Variable::with_default(
    "PVE_SECURITY_GROUP",
    "infra402",
    "The security group of the datacenter's firewall with the rules for tenants. Leases in PVE_NETWORK are fenced by it.",
);
pub(in crate::config) static PVE_FENCE: Variable = Variable::optional(
    "PVE_FENCE",
    "required with PVE_NETWORK, else warn",
    "required",
    "What becomes of a lease whose container cannot be fenced in: required refuses it before money moves, warn sells it.",
);
pub(in crate::config) static GUEST_SSH_SOURCE: Variable = Variable::optional(
    "GUEST_SSH_SOURCE",
    "nothing reaches port 22 of containers through the security group",
    "192.168.1.20",
    "The address, or network, from which containers see this service or its proxy: it may reach their port 22.",
);
pub(in crate::config) static GUEST_SSH: Variable = Variable::with_default(
    "GUEST_SSH",
    "true",
    "Whether a key of the service is laid into new containers, by which commands, consoles and files use SSH; without it, or where it does not work, they use the container's terminal.",
);
pub(in crate::config) static GUEST_PROXY: Variable = Variable::optional(
    "GUEST_PROXY",
    "this machine has a route to the containers",
    "socks5h://192.168.1.21:1080",
    "The SOCKS5 proxy by which port 22 of containers is reached, with USER:PASSWORD@ before the host if it asks for them. It need not be trusted: the containers' host keys are checked behind it.",
)
.secret();
pub(in crate::config) static PVE_POOL: Variable = Variable::with_default(
    "PVE_POOL",
    "infra402",
    "The pool that the containers, and nothing else, belong to.",
);
pub(in crate::config) static PVE_VMID_RANGE: Variable = Variable::with_default(
    "PVE_VMID_RANGE",
    "40200-49999",
    "The numbers that the containers get.",
);
pub(in crate::config) static PVE_CREATES_PER_NODE: Variable = Variable::with_default(
    "PVE_CREATES_PER_NODE",
    "4",
    "Containers that are made on one node at a time, in all replicas together, 1 to 64.",
);
pub(in crate::config) static PVE_ENDS_PER_NODE: Variable = Variable::with_default(
    "PVE_ENDS_PER_NODE",
    "24",
    "Containers that are shut down on one node at a time because their leases end, in all replicas together, 2 to 256; half as many are removed at a time.",
);
pub(in crate::config) static PVE_SIMULATED: Variable = Variable::with_default(
    "PVE_SIMULATED",
    "false",
    "Whether the host is the simulator, so that customers are told.",
);
