//! The account on Proxmox: the rights that leases need and no more, as commands for the host and as what is checked. Facts of
//! Proxmox VE 8 and 9; a pool is the border of what the token can touch.

use std::fmt::Write as _;

use crate::config::ProxmoxConfig;

/// Rights on one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The path in Proxmox's tree of access.
    pub path: String,
    /// The role that carries them.
    pub role: &'static str,
    /// The privileges.
    pub privileges: &'static [&'static str],
    /// The role comes with Proxmox.
    pub built_in: bool,
    /// Without it leases fail; else figures are missing.
    pub needed: bool,
}

const GUEST: &[&str] = &[
    "VM.Allocate",
    "VM.Audit",
    "VM.Console",
    "VM.PowerMgmt",
    "VM.Config.CPU",
    "VM.Config.Memory",
    "VM.Config.Disk",
    "VM.Config.Network",
    "VM.Config.Options",
    "Pool.Audit",
];

impl Grant {
    fn new(path: String, role: &'static str, privileges: &'static [&'static str]) -> Self {
        Self {
            path,
            role,
            privileges,
            built_in: role.starts_with("PVE"),
            needed: true,
        }
    }

    /// The commands that give it to a token's user. A token with privilege separation needs it itself.
    pub fn commands(&self, token_id: &str) -> Vec<String> {
        let user = token_id.split('!').next().unwrap_or(token_id);
        let (path, role) = (&self.path, self.role);
        vec![
            format!("pveum acl modify {path} -user '{user}' -role {role}"),
            format!(
                "pveum acl modify {path} -token '{token_id}' -role {role}  # if the token has privilege separation"
            ),
        ]
    }
}

/// Everything that a configuration needs.
pub fn grants(config: &ProxmoxConfig) -> Vec<Grant> {
    let mut grants = vec![
        Grant::new(format!("/pool/{}", config.pool), "Infra402Guest", GUEST),
        Grant::new(
            format!("/storage/{}", config.storage),
            "PVEDatastoreUser",
            &["Datastore.AllocateSpace", "Datastore.Audit"],
        ),
    ];
    for storage in template_storages(config) {
        grants.push(Grant::new(
            format!("/storage/{storage}"),
            "Infra402Templates",
            &["Datastore.Audit"],
        ));
    }
    if let Some(bridge) = &config.bridge {
        let path = format!("/sdn/zones/localnetwork/{bridge}");
        grants.push(Grant::new(path, "PVESDNUser", &["SDN.Use"]));
    }
    // The figures of nodes are shown and decide where containers go; without them every node counts as free.
    let nodes = config.nodes.iter().map(|node| format!("/nodes/{node}"));
    let nodes: Vec<_> = if config.nodes.is_empty() {
        vec!["/nodes".to_owned()]
    } else {
        nodes.collect()
    };
    grants.extend(nodes.into_iter().map(|path| Grant {
        needed: false,
        ..Grant::new(path, "Infra402Node", &["Sys.Audit"])
    }));
    grants
}

/// Storages with templates only; the one for disks has its rights already.
fn template_storages(config: &ProxmoxConfig) -> Vec<String> {
    let mut storages: Vec<String> = config
        .templates
        .iter()
        .filter_map(|volume| Some(volume.split_once(':')?.0.to_owned()))
        .collect();
    if storages.is_empty() {
        storages.push("local".to_owned());
    }
    storages.sort();
    storages.dedup();
    storages.retain(|storage| *storage != config.storage);
    storages
}

/// The commands for a shell on the host, with what each is for.
pub fn script(config: &ProxmoxConfig) -> String {
    let (user, token) = config
        .token_id
        .split_once('!')
        .unwrap_or((config.token_id.as_str(), "svc"));
    let grants = grants(config);
    let mut script = String::from(
        "# For a root shell on the Proxmox host. A command that says that something exists is fine.\n\n",
    );
    let mut line = |text: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(script, "{text}");
    };
    line("# Roles with just the rights that are needed".into());
    let mut roles: Vec<&Grant> = grants.iter().filter(|grant| !grant.built_in).collect();
    roles.dedup_by_key(|grant| grant.role);
    for grant in roles {
        line(format!(
            "pveum role add {} -privs \"{}\"",
            grant.role,
            grant.privileges.join(" ")
        ));
    }
    line("\n# The pool that holds the leased containers and nothing else".into());
    line(format!("pveum pool add {}", config.pool));
    line("\n# A user without a password, which therefore cannot log in".into());
    line(format!("pveum user add {user}"));
    line("\n# What it may do, and where".into());
    for grant in &grants {
        line(format!(
            "pveum acl modify {} -user {user} -role {}",
            grant.path, grant.role
        ));
    }
    line("\n# Its token; the secret is shown once and goes into PVE_TOKEN_SECRET".into());
    line(format!("pveum user token add {user} {token} -privsep 0"));
    line("\n# Only for hosts with a pve-container older than 6.1.3: an account for consoles, with a password".into());
    line("# pveum role add Infra402Console -privs \"VM.Console\"".into());
    line("# pveum user add infra402-console@pve --password".into());
    line(format!(
        "# pveum acl modify /pool/{} -user infra402-console@pve -role Infra402Console",
        config.pool
    ));
    script
}
