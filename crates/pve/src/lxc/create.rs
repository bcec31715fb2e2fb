//! Making a container. Everything that a lease sets is set here in one request; it is started by a request of its own,
//! because a start inside of a create runs as a task that nobody is told about.

use std::net::IpAddr;

use http::Method;

use secret::Secret;

use super::network::Network;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, Vmid};
use crate::path::ApiPath;
use crate::upid::Upid;

/// A container to be made (`POST /nodes/{node}/lxc`).
#[derive(Clone, Debug)]
pub struct CreateContainer {
    /// The number; must be free.
    pub vmid: Vmid,
    /// The template, such as `local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst`.
    pub ostemplate: String,
    /// The host name, a DNS name; Proxmox takes `CT<vmid>` when absent.
    pub hostname: Option<String>,
    /// Processor cores.
    pub cores: u32,
    /// Processor time in cores, such as 0.5; without it only `cores` limits it, by which processors
    /// it may use.
    pub cpulimit: Option<f64>,
    /// Memory, MiB.
    pub memory_mb: u64,
    /// Swap, MiB.
    pub swap_mb: u64,
    /// The root disk.
    pub rootfs: RootFs,
    /// The first network interface.
    pub net0: Option<Network>,
    /// Its name servers; none named means those of the host, which a container with a fixed address
    /// then asks whether or not it can reach them.
    pub nameservers: Vec<IpAddr>,
    /// The domain in which short names are looked up; absent means the host's.
    pub searchdomain: Option<String>,
    /// Root in the container is nobody outside of it. Without it, rights on the whole system are needed.
    pub unprivileged: bool,
    /// Lets the container run containers, which modern systemd needs.
    pub nesting: bool,
    /// Consoles open a root shell instead of a login prompt; commands can be run only then.
    pub shell_console: bool,
    /// Root's password as a crypt string (`$6$…`), stored as it is. Without it root cannot log in by password.
    pub password_hash: Option<Secret>,
    /// Root's authorized keys, one a line.
    pub ssh_public_keys: Option<String>,
    /// The pool that it joins at the end of the task.
    pub pool: Option<String>,
    /// A note, at most 8192 characters.
    pub description: Option<String>,
    /// Start with the node.
    pub onboot: bool,
}

/// A root disk to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootFs {
    /// The storage, which must allow `rootdir`.
    pub storage: String,
    /// Its size, GiB.
    pub size_gib: u32,
}

impl CreateContainer {
    /// An unprivileged container with nesting and a shell console, one core, 512 MiB, no swap and no network.
    pub fn new(vmid: Vmid, ostemplate: impl Into<String>, rootfs: RootFs) -> Self {
        Self {
            vmid,
            ostemplate: ostemplate.into(),
            hostname: None,
            cores: 1,
            cpulimit: None,
            memory_mb: 512,
            swap_mb: 0,
            rootfs,
            net0: None,
            nameservers: Vec::new(),
            searchdomain: None,
            unprivileged: true,
            nesting: true,
            shell_console: true,
            password_hash: None,
            ssh_public_keys: None,
            pool: None,
            description: None,
            onboot: false,
        }
    }

    /// The form. Empty parameters are left out, because an empty `features` alone asks for root's rights, and so are
    /// `start` (see the module) and `tags`, which need rights that a pool does not give.
    pub(crate) fn to_params(&self) -> Vec<(String, String)> {
        let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let servers: Vec<String> = self.nameservers.iter().map(IpAddr::to_string).collect();
        let cpulimit = self.cpulimit.map(|cores| cores.to_string());
        let params = [
            ("vmid", self.vmid.to_string()),
            ("ostemplate", self.ostemplate.clone()),
            ("hostname", text(&self.hostname)),
            ("cores", self.cores.to_string()),
            ("cpulimit", cpulimit.unwrap_or_default()),
            ("memory", self.memory_mb.to_string()),
            ("swap", self.swap_mb.to_string()),
            (
                "rootfs",
                format!("{}:{}", self.rootfs.storage, self.rootfs.size_gib),
            ),
            (
                "net0",
                self.net0
                    .as_ref()
                    .map(Network::to_property)
                    .unwrap_or_default(),
            ),
            ("nameserver", servers.join(" ")),
            ("searchdomain", text(&self.searchdomain)),
            ("unprivileged", flag(self.unprivileged)),
            (
                "features",
                if self.nesting { "nesting=1" } else { "" }.to_owned(),
            ),
            (
                "cmode",
                if self.shell_console { "shell" } else { "" }.to_owned(),
            ),
            (
                "password",
                self.password_hash
                    .as_ref()
                    .map(|hash| hash.expose().to_owned())
                    .unwrap_or_default(),
            ),
            ("ssh-public-keys", text(&self.ssh_public_keys)),
            ("pool", text(&self.pool)),
            ("description", text(&self.description)),
            ("onboot", flag(self.onboot)),
        ];
        params
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

impl Client {
    /// Starts making a container. Never repeat this blindly: look at [`Error::may_have_executed`], and if it may have
    /// been, look for the container first.
    ///
    /// # Errors
    /// [`crate::Refusal::VmidTaken`] when the number is in use; see [`Error`].
    pub async fn create(
        &self,
        node: &NodeName,
        container: &CreateContainer,
    ) -> Result<Upid, Error> {
        let path = ApiPath::new("/nodes").seg(node).seg("lxc");
        self.call(Method::POST, path, container.to_params()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> CreateContainer {
        let rootfs = RootFs {
            storage: "local-lvm".into(),
            size_gib: 8,
        };
        CreateContainer::new(
            Vmid::try_from(101_u32).unwrap(),
            "local:vztmpl/d.tar.zst",
            rootfs,
        )
    }

    #[test]
    fn a_create_sends_what_is_set_and_nothing_empty() {
        let mut container = small();
        container.hostname = Some("box".into());
        container.net0 = Some(Network::dhcp("vmbr0"));
        container.password_hash = Some("$6$salt$hash".into());
        container.description = Some(String::new());
        let form = serde_urlencoded::to_string(container.to_params()).unwrap();
        assert_eq!(
            form,
            "vmid=101&ostemplate=local%3Avztmpl%2Fd.tar.zst&hostname=box&cores=1&memory=512&swap=0&\
             rootfs=local-lvm%3A8&net0=name%3Deth0%2Cbridge%3Dvmbr0%2Cip%3Ddhcp&unprivileged=1&\
             features=nesting%3D1&cmode=shell&password=%246%24salt%24hash&onboot=0"
        );
        assert!(
            !format!("{container:?}").contains("hash$"),
            "the hash must not be printed"
        );
        assert!(!format!("{container:?}").contains("$6$"));
    }

    #[test]
    fn no_create_asks_for_a_start_tags_or_empty_features() {
        let mut container = small();
        container.nesting = false;
        let names: Vec<String> = container
            .to_params()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        for absent in ["start", "tags", "features", "net0", "pool"] {
            assert!(!names.iter().any(|name| name == absent), "{absent}");
        }
    }

    #[test]
    fn a_create_names_its_name_servers_and_its_processor_time() {
        let mut container = small();
        container.nameservers = vec!["9.9.9.9".parse().unwrap(), "2620:fe::9".parse().unwrap()];
        container.searchdomain = Some("example.org".into());
        container.cpulimit = Some(0.1);
        let params = container.to_params();
        let of = |name: &str| {
            let found = params.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(of("nameserver"), Some("9.9.9.9 2620:fe::9"));
        assert_eq!(of("searchdomain"), Some("example.org"));
        assert_eq!(of("cpulimit"), Some("0.1"));
    }
}
