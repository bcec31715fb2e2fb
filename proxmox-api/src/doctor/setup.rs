//! The account on Proxmox: the rights that leases need and no more, as commands for the host and as
//! what is checked. Facts of Proxmox VE 8 and 9; a pool is the border of what the token can touch.

use std::fmt::Write as _;

use crate::config::ProxmoxConfig;

/// The service's account on Proxmox where the configuration names root, or no account.
const OWN_TOKEN: (&str, &str) = ("infra402@pve", "svc");
/// The account for consoles on hosts that accept no token for them.
const CONSOLE_USER: &str = "infra402-console@pve";
const CONSOLE_ROLE: &str = "Infra402Console";
/// The privilege to read nodes.
const NODE_ROLE: &str = "Infra402Node";

/// Where a bridge is in Proxmox's tree of access: below the zone of its VNet, or below one that
/// stands for plain bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone<'a> {
    /// The host shows it.
    Known(&'a str),
    /// The printed commands ask the host.
    Asked,
}

/// The zone of bridges that are no VNets.
pub const PLAIN: &str = "localnetwork";

/// A command whose output is the zone of a bridge. It prints that of plain bridges where there is
/// no such VNet.
fn zone_of(bridge: &str) -> String {
    let read = r#"sed -n 's/.*"zone" *: *"\([^"]*\)".*/\1/p'"#;
    format!(
        "pvesh get /cluster/sdn/vnets/{bridge} --output-format json 2>/dev/null | {read} | grep . || echo {PLAIN}"
    )
}

/// A command that downloads the newest Debian of the kind `standard` which the host's own index
/// has: names of files go out of the index within months.
pub(super) fn fetch_newest(storage: &str) -> String {
    let pick =
        r#"awk '{print $2}' | grep "^debian-[0-9]*-standard_.*_$(dpkg --print-architecture)[.]""#;
    format!(
        "pveam download {storage} \"$(pveam available --section system | {pick} | sort -V | tail -n 1)\""
    )
}

/// The commands that make a pool. One that is in others needs them first.
pub(super) fn pools(pool: &str) -> Vec<String> {
    let ends = pool.match_indices('/').map(|(end, _)| end);
    ends.chain([pool.len()])
        .map(|end| format!("pveum pool add {}", &pool[..end]))
        .collect()
}

/// Rights on one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The path in Proxmox's tree of access; of a bridge in an unknown zone, that of a plain one.
    pub path: String,
    /// The path as a word for the host's shell, which finds out an unknown zone.
    in_shell: String,
    /// The role that carries them.
    pub role: &'static str,
    /// The privileges.
    pub privileges: &'static [&'static str],
    /// The role comes with Proxmox.
    pub built_in: bool,
    /// Without these rights leases fail; if false, only figures are missing.
    pub needed: bool,
    /// The purpose, for people.
    pub reason: &'static str,
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
    fn new(
        path: String,
        role: &'static str,
        privileges: &'static [&'static str],
        reason: &'static str,
    ) -> Self {
        Self {
            in_shell: path.clone(),
            path,
            role,
            privileges,
            built_in: role.starts_with("PVE"),
            needed: true,
            reason,
        }
    }

    /// The command that gives it to a user.
    fn to_user(&self, user: &str) -> String {
        format!(
            "pveum acl modify {} -user {user} -role {}",
            self.in_shell, self.role
        )
    }

    /// The command that takes away the role which outweighs all others on the path.
    pub fn unlock(&self, token_id: &str) -> String {
        let user = token_id.split('!').next().unwrap_or(token_id);
        format!(
            "pveum acl delete {} -user {user} -role NoAccess  # where `pveum acl list` shows it",
            self.in_shell
        )
    }

    /// The commands that mend its absence: the user may lack the role, the role a privilege, or the
    /// token its own share.
    pub fn commands(&self, token_id: &str) -> Vec<String> {
        let user = token_id.split('!').next().unwrap_or(token_id);
        let mut commands = vec![self.to_user(user)];
        if !self.built_in {
            commands.push(format!(
                "pveum role modify {} -privs \"{}\"  # where the role lacks one; `role add` where it is missing",
                self.role,
                self.privileges.join(" ")
            ));
        }
        commands.push(format!(
            "pveum acl modify {} -token '{token_id}' -role {}  # where the token has privilege separation",
            self.in_shell, self.role
        ));
        commands
    }
}

/// Everything that a configuration needs.
pub fn grants(config: &ProxmoxConfig, zone: Zone<'_>) -> Vec<Grant> {
    let mut grants = vec![
        Grant::new(
            format!("/pool/{}", config.pool),
            "Infra402Guest",
            GUEST,
            "containers of this pool and no others: make, size, start, stop, look at, open, remove",
        ),
        Grant::new(
            format!("/storage/{}", config.storage),
            "PVEDatastoreUser",
            &["Datastore.AllocateSpace", "Datastore.Audit"],
            "root disks",
        ),
    ];
    for storage in template_storages(config) {
        grants.push(Grant::new(
            format!("/storage/{storage}"),
            "Infra402Templates",
            &["Datastore.Audit"],
            "templates: see and read them, not download or delete",
        ));
    }
    if let Some(bridge) = &config.bridge {
        let of = |zone: &str| format!("/sdn/zones/{zone}/{bridge}");
        let grant = |zone: &str| {
            let reason = "attach containers to the bridge";
            Grant::new(of(zone), "PVESDNUser", &["SDN.Use"], reason)
        };
        grants.push(match zone {
            Zone::Known(zone) => grant(zone),
            Zone::Asked => Grant {
                in_shell: format!("\"{}\"", of(&format!("$({})", zone_of(bridge)))),
                ..grant(PLAIN)
            },
        });
    }
    let nodes = config.nodes.iter().map(|node| format!("/nodes/{node}"));
    let nodes: Vec<_> = if config.nodes.is_empty() {
        vec!["/nodes".to_owned()]
    } else {
        nodes.collect()
    };
    grants.extend(nodes.into_iter().map(|path| Grant {
        needed: false,
        ..Grant::new(
            path,
            NODE_ROLE,
            &["Sys.Audit"],
            "load and free memory, which decide where containers go",
        )
    }));
    grants
}

/// The commands that give a console account what it needs.
pub(super) fn console_grant(config: &ProxmoxConfig, user: &str) -> Vec<String> {
    vec![
        format!(
            "pveum acl modify /pool/{} -user {user} -role {CONSOLE_ROLE}",
            config.pool
        ),
        format!(
            "pveum role add {CONSOLE_ROLE} -privs \"VM.Audit VM.Console\"  # where the role is missing"
        ),
    ]
}

/// The commands and settings that make a console account.
pub(super) fn console_account(config: &ProxmoxConfig) -> Vec<String> {
    vec![
        format!("pveum role add {CONSOLE_ROLE} -privs \"VM.Audit VM.Console\""),
        format!("pveum user add {CONSOLE_USER} && pveum passwd {CONSOLE_USER}"),
        format!(
            "pveum acl modify /pool/{} -user {CONSOLE_USER} -role {CONSOLE_ROLE}",
            config.pool
        ),
        format!("PVE_CONSOLE_USER={CONSOLE_USER}  # and PVE_CONSOLE_PASSWORD"),
    ]
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

/// The user and the token's name. Rights for root's own token would be none that it lacks.
fn account(config: &ProxmoxConfig) -> (&str, &str) {
    match config.token_id.split_once('!') {
        Some((user, token)) if user != "root@pam" => (user, token),
        _ => OWN_TOKEN,
    }
}

/// The command that lets the service attach containers to its bridge, whose zone it asks for.
pub(super) fn bridge_grant(config: &ProxmoxConfig) -> Option<String> {
    let (user, _) = account(config);
    let grants = grants(config, Zone::Asked);
    let of_bridge = grants.iter().find(|grant| grant.path.starts_with("/sdn/"));
    of_bridge.map(|grant| grant.to_user(user))
}

/// The command that lets the service read whether the datacenter's firewall is on, and nothing
/// below.
pub(super) fn datacenter_grant(config: &ProxmoxConfig) -> String {
    let (user, _) = account(config);
    format!("pveum acl modify / -user {user} -role {NODE_ROLE} -propagate 0")
}

/// The commands for a shell on the host, with what each is for.
pub fn script(config: &ProxmoxConfig) -> String {
    let (user, token) = account(config);
    let grants = grants(config, Zone::Asked);
    let mut script = String::new();
    let mut line = |text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(script, "{text}");
    };
    line(
        "# For a root shell on the Proxmox host. A command that says that something exists already is fine.",
    );
    line("\n# 1. Roles with just the rights that are needed");
    let mut roles: Vec<&Grant> = grants.iter().filter(|grant| !grant.built_in).collect();
    roles.dedup_by_key(|grant| grant.role);
    for grant in roles {
        let privileges = grant.privileges.join(" ");
        line(&format!(
            "pveum role add {} -privs \"{privileges}\"",
            grant.role
        ));
    }
    line("\n# 2. The pool that holds the leased containers and nothing else");
    for command in pools(&config.pool) {
        line(&command);
    }
    line("\n# 3. A user without a password, which therefore cannot log in");
    line(&format!("pveum user add {user}"));
    line("\n# 4. What it may do, and where");
    for grant in &grants {
        line(&format!("{}  # {}", grant.to_user(user), grant.reason));
    }
    line("\n# 5. Its token; the secret is shown once and belongs into PVE_TOKEN_SECRET");
    line(&format!("pveum user token add {user} {token} -privsep 0"));
    line("\n# 6. Templates to offer");
    line("pveam update");
    if config.templates.is_empty() {
        line(&format!("{}  # the newest Debian", fetch_newest("local")));
    }
    for (storage, file) in named_templates(config) {
        line(&format!("pveam download {storage} {file}"));
    }
    line(
        "\n# 7. Only where pve-container is older than 6.1.3: an account that opens consoles with a password",
    );
    for command in console_account(config) {
        line(&format!("# {command}"));
    }
    line("\n# 8. The settings of the service");
    // Before it is checked, an address may hold a password.
    let host = Some(config.host.as_str()).filter(|host| !host.contains('@'));
    line(&format!("# PVE_HOST={}", host.unwrap_or("https://…:8006")));
    line(&format!("# PVE_TOKEN_ID={user}!{token}"));
    line("# PVE_TOKEN_SECRET=…");
    line(
        "# PVE_FINGERPRINT=…  # compare what `proxmox-api doctor` shows with `pvenode cert info`, then set it",
    );
    script
}

fn named_templates(config: &ProxmoxConfig) -> impl Iterator<Item = (&str, &str)> {
    let volumes = config.templates.iter();
    volumes.filter_map(|volume| volume.split_once(":vztmpl/"))
}
