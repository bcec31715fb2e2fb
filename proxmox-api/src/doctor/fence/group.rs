//! The datacenter's security group for tenants, and the datacenter's firewall without which it does
//! nothing. A new rule goes to the top of its group, switched off unless enabled: the order of
//! the commands is the reverse of the rules'.

use super::{FencePlan, MAIL_PORTS};

/// The group's rules in reverse order: the first one that applies is last.
fn rules(plan: &FencePlan) -> Vec<String> {
    let mail = MAIL_PORTS.map(|port| port.to_string()).join(",");
    let own = plan.own_address.map(|address| address.to_string());
    let closed = plan
        .closed()
        .into_iter()
        .chain(own)
        .collect::<Vec<_>>()
        .join(",");
    let mut rules: Vec<String> = plan
        .ssh_source()
        .map(|source| format!("--type in --action ACCEPT --proto tcp --dport 22 --source {source}"))
        .into_iter()
        .collect();
    rules.extend([
        "--type out --action DROP --dest 2000::/3,fc00::/7".to_owned(),
        format!("--type out --action DROP --proto tcp --dport {mail}"),
        format!("--type out --action DROP --dest {closed}"),
        // A DHCP server of a tenant's own; the firewall lets DHCP clients through by itself.
        "--type out --action DROP --proto udp --sport 67".to_owned(),
    ]);
    for server in &plan.private_dns {
        for protocol in ["udp", "tcp"] {
            rules.push(format!(
                "--type out --action ACCEPT --proto {protocol} --dport 53 --dest {server}"
            ));
        }
    }
    rules
}

pub(super) fn step(plan: &FencePlan) -> String {
    let group = &plan.group;
    let path = format!("/cluster/firewall/groups/{group}");
    let rules: String = rules(plan)
        .iter()
        .map(|rule| format!("  pvesh create {path} --enable 1 {rule} &&\n"))
        .collect();
    format!(
        "# 11. The security group that the service puts every container into (once in a \
        cluster). A new rule goes to the\n\
         # top of the group: the last one here is looked at first. It acts from step 12 on\n\
         if pvesh get /cluster/firewall/groups --output-format json | grep -q '\"group\" *: *\"{group}\"'; then\n  \
         echo 'The group {group} is there already and is left as it is. Compare: pvesh get \
         {path}' >&2\n\
         else\n  \
         pvesh create /cluster/firewall/groups --group {group} --comment 'infra402 tenants' &&\n\
         {rules}  \
         echo 'The group {group} is made.' ||\n  \
         echo 'The group {group} is not complete: undo it (below), then run this step again.' >&2\n\
         fi\n\
         # The service may read whether the datacenter's firewall is on, and nothing below\n\
         {}\n",
        plan.datacenter_grant,
    )
}

/// The third layer. It closes the host's own ports as well, so these commands are printed as
/// comments.
pub(super) fn datacenter(plan: &FencePlan) -> String {
    let group = &plan.group;
    format!(
        "# 12. Optional, and read first: the datacenter's firewall, by which the group {group} \
        acts. It also closes the ports\n\
         # of EVERY NODE: 8006 and 22 stay open only to the ipset `management`. You lock \
         yourself and this service out if\n\
         # their addresses are not in it. First all addresses that administer, and the service's:\n\
         #pvesh create /cluster/firewall/ipset --name management  # where it is missing\n\
         #pvesh create /cluster/firewall/ipset/management --cidr ADDRESS-OF-THE-SERVICE\n\
         #pvesh create /cluster/firewall/ipset/management --cidr ADDRESS-OF-EACH-ADMINISTRATOR\n\
         # Proxmox counts the whole network of the node's address as local, and so as \
         `management`. This narrows it:\n\
         #pvesh create /cluster/firewall/aliases --name local_network --cidr \
         ADDRESS-OF-THE-NODE/32\n\
         # In a cluster all nodes have to be in `management` too. Then, with a second root shell \
         open, and a timer that\n\
         # switches it off again in five minutes:\n\
         #systemd-run --on-active=5min --unit=infra402-way-back pvesh set \
         /cluster/firewall/options --enable 0\n\
         #pvesh set /cluster/firewall/options --enable 1\n\
         # Try the web interface and `proxmox-api doctor` from where they are used. Only if both \
         work:\n\
         #systemctl stop infra402-way-back.timer\n"
    )
}

pub(super) fn undo(plan: &FencePlan) -> String {
    let group = &plan.group;
    format!(
        "#pvesh set /cluster/firewall/options --enable 0  # only if it was off before\n\
         #while pvesh delete /cluster/firewall/groups/{group}/0 2> /dev/null; do :; done\n\
         #pvesh delete /cluster/firewall/groups/{group}  # refused while a container uses it\n"
    )
}
