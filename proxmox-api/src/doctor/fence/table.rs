//! The nft table on the tenants' bridge, which needs no firewall of Proxmox and acts from the first
//! packet, and the unit that loads it before any guest starts. Proxmox's own firewalls leave tables
//! alone that are not theirs.

use super::{FencePlan, MAIL_PORTS};

/// The word that ends the table in the printed commands; `cargo xtask fence` cuts there.
const END: &str = "NFT";
/// Connections of one tenant at a time, so that one tenant cannot fill the host's table.
const CONNECTIONS: u32 = 2000;

pub(super) fn name(plan: &FencePlan) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric();
    let device: String = plan
        .device()
        .chars()
        .map(|letter| if fits(letter) { letter } else { '_' })
        .collect();
    format!("infra402_{device}")
}

pub(super) fn file(plan: &FencePlan) -> String {
    format!("/etc/infra402/fence-{}.nft", plan.device())
}

pub(super) fn unit(plan: &FencePlan) -> String {
    format!("infra402-fence@{}.service", plan.device())
}

/// The nft table. Loading it again replaces the old one in one transaction, so the fence has no
/// gap.
pub(super) fn table(plan: &FencePlan) -> String {
    let (name, device) = (name(plan), plan.device());
    let FencePlan {
        subnet, gateway, ..
    } = plan;
    let closed = plan.closed().join(", ");
    let mail = MAIL_PORTS.map(|port| port.to_string()).join(", ");
    let own = match plan.own_address {
        Some(address) => format!("    elements = {{ {address} }}\n"),
        None => "    # elements = { 203.0.113.7 }\n".to_owned(),
    };
    let dns: String = plan
        .private_dns
        .iter()
        .map(|server| {
            format!("    ip daddr {server} meta l4proto {{ tcp, udp }} th dport 53 goto counted\n")
        })
        .collect();
    let way_in = match plan.ssh_source() {
        Some(source) => format!("    ip saddr {source} tcp dport 22 accept\n"),
        None => "    # GUEST_SSH_SOURCE is not set, so nobody has a way in\n".to_owned(),
    };
    format!(
        r#"table inet {name}
delete table inet {name}
table inet {name} {{
  # Networks that are not the internet
  set closed {{
    type ipv4_addr; flags interval; auto-merge;
    elements = {{ {closed} }}
  }}
  # Public addresses of yours that are closed as well, such as a router's that forwards ports to your machines
  set own {{
    type ipv4_addr; flags interval; auto-merge;
{own}  }}
  set busy {{ type ipv4_addr; flags dynamic; size 65535; }}

  chain routed {{
    type filter hook forward priority -5; policy accept;
    iifname "{device}" goto from_tenants
    oifname "{device}" goto to_tenants
  }}
  chain from_tenants {{
    meta nfproto != ipv4 drop
    ip saddr != {subnet} drop
    ip saddr {gateway} drop
    ct state established,related accept
{dns}    ip daddr @closed drop
    ip daddr @own drop
    tcp dport {{ {mail} }} drop
    goto counted
  }}
  # What passes is in the host's table of connections, which is for all
  chain counted {{
    ct state new add @busy {{ ip saddr ct count over {CONNECTIONS} }} drop
    accept
  }}
  chain to_tenants {{
    ct state established,related accept
{way_in}    drop
  }}

  chain to_this_host {{
    type filter hook input priority -5; policy accept;
    iifname "{device}" goto to_host
  }}
  chain to_host {{
    ct state established,related accept
{dns}    ip saddr {subnet} ip daddr {gateway} icmp type echo-request limit rate 20/second accept
    drop
  }}
}}
"#
    )
}

pub(super) fn step(plan: &FencePlan) -> String {
    let (file, unit, device) = (file(plan), unit(plan), plan.device());
    let gateway = plan.gateway.to_string().replace('.', "[.]");
    format!(
        "# 10. The fence itself, on every node: a table of its own on {device}, loaded before \
        any guest starts\n\
         mkdir -p /etc/infra402\n\
         cat > {file} <<'{END}'\n{}{END}\n\
         cat > /etc/systemd/system/infra402-fence@.service <<'UNIT'\n{UNIT}UNIT\n\
         # The table would lock the host out of a bridge that is its own way to the network\n\
         if ip -o addr show dev {device} scope global 2> /dev/null | grep -v ' inet {gateway}/' | grep -q . ||\n   \
         ip route show default | grep -q ' dev {device} '; then\n  \
         echo '{device} carries other addresses of this host: tenants need a bridge of their \
         own. Not loaded.' >&2\n\
         else\n  \
         nft -c -f {file} && systemctl daemon-reload && systemctl enable {unit} && systemctl \
         restart {unit}\n\
         fi\n\
         # It holds now, also for containers that run. To look at it: nft list table inet {}\n",
        table(plan),
        name(plan),
    )
}

/// Debian's own `nftables.service` flushes every table as it is loaded, so the fence follows it.
const UNIT: &str = "\
[Unit]
Description=Fence around the tenants on %i
DefaultDependencies=no
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Wants=network-pre.target
Before=network-pre.target pve-guests.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/infra402/fence-%i.nft
ExecReload=/usr/sbin/nft -f /etc/infra402/fence-%i.nft

[Install]
WantedBy=multi-user.target
";
