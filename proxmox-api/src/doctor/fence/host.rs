//! What belongs to the fence beside bridge and rules: the way in, limits of the host, the service's
//! settings, and how to undo it all.

use ipnet::IpNet;

use super::{BridgeKind, FencePlan, ZONE, group, table};

/// Bound of one container's tasks: far more than a server needs, far fewer than a fork bomb makes.
pub(in crate::doctor) const PIDS: u32 = 4096;
/// The file with that bound.
pub(in crate::doctor) const PIDS_FILE: &str =
    "/usr/share/lxc/config/common.conf.d/90-infra402.conf";
/// Workers of each of Proxmox's two API daemons; the default is 3.
const WORKERS: u32 = 8;

pub(super) fn way_in(plan: &FencePlan) -> String {
    let FencePlan {
        subnet, gateway, ..
    } = plan;
    let heading = "# 13. The way in to port 22 of the containers\n";
    let rest = match plan.ssh_source {
        None => format!(
            "# GUEST_SSH_SOURCE is not set: nobody reaches {subnet} from outside; paid consoles \
            and commands go by Proxmox's\n\
             # own interface and work all the same. For a proxy of yours set it to the address \
             by which containers see the\n\
             # proxy, and print this again.\n"
        ),
        Some(IpNet::V6(source)) => format!(
            "# GUEST_SSH_SOURCE={source} is of IPv6, which containers in {subnet} do not have: \
            take one of IPv4.\n"
        ),
        Some(IpNet::V4(source)) if source.contains(gateway) && source.prefix_len() == 32 => {
            format!("# GUEST_SSH_SOURCE={source} is this host itself, which needs no route.\n")
        }
        Some(IpNet::V4(source)) if subnet.contains(&source) => format!(
            "# GUEST_SSH_SOURCE={source} is in PVE_NETWORK: its containers are kept apart from \
            each other, so a proxy among\n\
             # them reaches none. Put it into the host's own network.\n"
        ),
        Some(IpNet::V4(source)) => format!(
            "# On the machine {source}, which sends to {subnet} by this host (and its \
            distribution's way to keep the route):\n\
             #ip route replace {subnet} via ADDRESS-OF-THIS-HOST\n"
        ),
    };
    heading.to_owned() + &rest
}

pub(super) fn limits() -> String {
    let workers = |daemon: &str| {
        format!(
            "grep -q '^MAX_WORKERS=' /etc/default/{daemon} 2> /dev/null || echo \
            MAX_WORKERS={WORKERS} >> /etc/default/{daemon}\n"
        )
    };
    format!(
        "# 14. Limits that only the host can set. Tasks of one container: this is for ALL \
        containers of the node, from their\n\
         # next start on; Proxmox sets none\n\
         mkdir -p /usr/share/lxc/config/common.conf.d\n\
         echo 'lxc.cgroup2.pids.max = {PIDS}' > {PIDS_FILE}\n\
         # Proxmox answers with three workers of its own accord; each console holds one for a \
         few seconds\n\
         {}{}\
         # It acts after: systemctl restart pvedaemon pveproxy\n\
         # The host's table of connections is for all. While it is four fifths full this unit fails, which \
         `systemctl --failed`\n\
         # and the journal show\n\
         cat > {CONNTRACK}.service <<'UNIT'\n{CONNTRACK_SERVICE}UNIT\n\
         cat > {CONNTRACK}.timer <<'UNIT'\n{CONNTRACK_TIMER}UNIT\n\
         systemctl daemon-reload && systemctl enable --now infra402-conntrack.timer\n",
        workers("pvedaemon"),
        workers("pveproxy"),
    )
}

/// The unit that watches the table of connections, without its file ending.
const CONNTRACK: &str = "/etc/systemd/system/infra402-conntrack";

/// systemd reads `$$` as `$`.
const CONNTRACK_SERVICE: &str = "\
[Unit]
Description=Room in the table of connections

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'cd /proc/sys/net/netfilter && read -r n < nf_conntrack_count && read -r max < nf_conntrack_max && \
[ $$((n * 5)) -lt $$((max * 4)) ] || { echo \"nf_conntrack: $$n of $$max connections\"; exit 1; }'
";

const CONNTRACK_TIMER: &str = "\
[Unit]
Description=Every minute a look at the table of connections

[Timer]
OnCalendar=minutely

[Install]
WantedBy=timers.target
";

pub(super) fn settings(plan: &FencePlan) -> String {
    let FencePlan {
        bridge,
        subnet,
        gateway,
        group,
        ..
    } = plan;
    format!(
        "# 15. The settings of the service for it\n\
         # PVE_BRIDGE={bridge}\n\
         # PVE_NETWORK={subnet}\n\
         # PVE_GATEWAY={gateway}\n\
         # PVE_SECURITY_GROUP={group}\n"
    )
}

pub(super) fn undo(plan: &FencePlan) -> String {
    let (file, unit, name) = (table::file(plan), table::unit(plan), table::name(plan));
    let FencePlan { bridge, subnet, .. } = plan;
    let network = match plan.kind {
        BridgeKind::Vnet => format!(
            "#pvesh delete /cluster/sdn/vnets/{bridge}/subnets/{ZONE}-{}-{}\n\
             #pvesh delete /cluster/sdn/vnets/{bridge}\n\
             #pvesh delete /cluster/sdn/zones/{ZONE}\n\
             #pvesh set /cluster/sdn\n",
            subnet.addr(),
            subnet.prefix_len()
        ),
        BridgeKind::Plain => format!(
            "#ifdown {bridge}\n\
             # and take its lines out of /etc/network/interfaces\n"
        ),
    };
    format!(
        "# To undo all of this, end the leases and unset PVE_NETWORK first, then from the last \
        step to the first\n\
         #rm -f {PIDS_FILE}\n\
         #systemctl disable --now infra402-conntrack.timer\n\
         #rm -f {CONNTRACK}.service {CONNTRACK}.timer\n\
         #sed -i '/^MAX_WORKERS={WORKERS}$/d' /etc/default/pvedaemon /etc/default/pveproxy\n\
         {}\
         #systemctl disable --now {unit}\n\
         #nft delete table inet {name}\n\
         #rm -f {file} /etc/systemd/system/infra402-fence@.service\n\
         {network}",
        group::undo(plan),
    )
}
