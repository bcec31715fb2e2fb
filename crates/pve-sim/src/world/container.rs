//! One container: its configuration as Proxmox stores it, whether it runs, its disk, and the
//! address that it has or will have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::history::Span;
use super::meter::Meter;
use crate::encoding;
use crate::first_files::FirstFiles;
use crate::schema::{format, property};

/// The name server that the host itself asks: the router of its network.
const HOST_NAME_SERVER: &str = "192.168.1.1";

/// One container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) vmid: u32,
    pub(crate) node: String,
    /// As `GET …/config` shows it, without the digest.
    pub(crate) config: BTreeMap<String, Value>,
    /// When it was started, in seconds since the epoch; `None` is stopped.
    pub(crate) running_since: Option<f64>,
    pub(crate) created: f64,
    /// When it was last started or stopped.
    pub(crate) changed: f64,
    pub(crate) pid: u32,
    pub(crate) disk: Option<Disk>,
    pub(crate) address: Address,
    /// Whether its init is a systemd that wants nesting.
    pub(crate) systemd: bool,
    /// Whether it does not halt when asked to.
    pub(crate) ignores_shutdown: bool,
    /// By name.
    #[serde(default)]
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    #[serde(default)]
    pub(crate) meter: Meter,
    #[serde(default)]
    pub(crate) first_files: FirstFiles,
}

/// A snapshot of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// Seconds since the epoch.
    pub(crate) taken: u64,
    pub(crate) description: String,
}

/// The root disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Disk {
    pub(crate) storage: String,
    pub(crate) bytes: u64,
}

/// How a container gets its IPv4 address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Address {
    /// By its `net0`: from DHCP some time after its start, or static.
    ByConfig,
    /// This one, at once.
    Fixed(String),
    /// Never.
    Never,
}

impl Container {
    /// One that is being made: a number and nothing else.
    pub(crate) fn draft(vmid: u32, node: &str, now: f64) -> Self {
        Self {
            vmid,
            node: node.to_owned(),
            config: BTreeMap::new(),
            running_since: None,
            created: now,
            changed: now,
            pid: 0,
            disk: None,
            address: Address::ByConfig,
            systemd: false,
            ignores_shutdown: false,
            snapshots: BTreeMap::new(),
            meter: Meter::default(),
            first_files: FirstFiles::default(),
        }
    }

    /// Puts the root disk onto another storage.
    pub(crate) fn settle_on(&mut self, storage: &str) {
        if let Some(disk) = &mut self.disk {
            storage.clone_into(&mut disk.storage);
        }
        let rootfs = self.text("rootfs").and_then(|text| text.split_once(':'));
        if let Some((_, volume)) = rootfs {
            let moved = format!("{storage}:{volume}");
            self.config.insert("rootfs".into(), json!(moved));
        }
    }

    pub(crate) fn running(&self) -> bool {
        self.running_since.is_some()
    }

    pub(crate) fn status(&self) -> &'static str {
        if self.running() { "running" } else { "stopped" }
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.config.get(key).and_then(Value::as_str)
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.config.get(key).and_then(Value::as_u64)
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.number(key) == Some(1)
    }

    pub(crate) fn hostname(&self) -> String {
        self.text("hostname")
            .map_or_else(|| format!("CT{}", self.vmid), str::to_owned)
    }

    pub(crate) fn lock(&self) -> Option<&str> {
        self.text("lock")
    }

    pub(crate) fn set_lock(&mut self, lock: Option<&str>) {
        match lock {
            Some(lock) => self.config.insert("lock".into(), json!(lock)),
            None => self.config.remove("lock"),
        };
    }

    /// `CT is locked (…)`, if it is.
    pub(crate) fn refuse_locked(&self) -> Result<(), String> {
        match self.lock() {
            Some(lock) => Err(format!("CT is locked ({lock})")),
            None => Ok(()),
        }
    }

    pub(crate) fn memory_mib(&self) -> u64 {
        self.number("memory").unwrap_or(512)
    }

    pub(crate) fn swap_mib(&self) -> u64 {
        self.number("swap").unwrap_or(512)
    }

    pub(crate) fn disk_bytes(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.bytes)
    }

    /// A systemd container without nesting makes Proxmox warn.
    pub(crate) fn lacks_nesting(&self) -> bool {
        let features = self.text("features").unwrap_or_default();
        let nesting = property::pairs(features)
            .get("nesting")
            .is_some_and(|value| property::is_on(value));
        self.systemd && !nesting
    }

    pub(crate) fn start(&mut self, now: f64, pid: u32) {
        self.running_since = Some(now);
        self.changed = now;
        self.pid = pid;
        let span = self.span(now);
        self.meter.restart(span);
    }

    pub(crate) fn stop(&mut self, now: f64) {
        self.running_since = None;
        self.changed = now;
        self.meter.stop(now);
    }

    /// Whether it has an interface whose link is up.
    fn linked(&self) -> bool {
        self.text("net0").is_some() && !self.net0_flag("link_down")
    }

    /// Whether a flag of `net0`, such as `firewall`, is on.
    pub(crate) fn net0_flag(&self, name: &str) -> bool {
        let net = self.text("net0").unwrap_or_default();
        property::pairs(net)
            .get(name)
            .copied()
            .is_some_and(property::is_on)
    }

    /// The address that `net0` fixes, without its prefix.
    pub(crate) fn static_address(&self) -> Option<&str> {
        let pairs = property::pairs(self.text("net0")?);
        let (address, _) = pairs.get("ip").copied()?.split_once('/')?;
        Some(address)
    }

    /// A period in which it runs with its present configuration.
    fn span(&self, now: f64) -> Span {
        Span {
            from: now,
            to: None,
            linked: self.linked(),
            cores: self.number("cores").unwrap_or(1),
            memory: [(self.memory_mib() << 20) / 8, self.memory_mib() << 20],
            disk: [self.disk_bytes() / 10, self.disk_bytes()],
        }
    }

    /// Applies a change of `net0` to a running container: another MAC address means a new
    /// interface.
    pub(crate) fn rewire(&mut self, now: f64, mac_before: Option<&str>) {
        if !self.running() {
            return;
        }
        let span = self.span(now);
        match self.mac().as_deref() == mac_before {
            true => self.meter.plug(span),
            false => self.meter.restart(span),
        }
    }

    /// The name servers in its `resolv.conf` when it starts.
    pub(crate) fn name_servers(&self) -> Vec<String> {
        let own = self.text("nameserver").filter(|own| *own != "host");
        format::list(own.unwrap_or(HOST_NAME_SERVER))
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn take_snapshot(&mut self, name: String, description: String, now: u64) {
        let snapshot = Snapshot {
            taken: now,
            description,
        };
        self.snapshots.insert(name, snapshot);
    }

    /// SHA-1 of the configuration; any change changes it.
    pub(crate) fn digest(&self) -> String {
        let text = json!(self.config).to_string();
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        encoding::hex(digest.as_ref())
    }

    /// The IPv4 address with prefix, this long (seconds) after the start, when DHCP takes `delay`
    /// seconds.
    pub(crate) fn ipv4(&self, running_for: f64, delay: f64) -> Option<String> {
        match &self.address {
            Address::Never => return None,
            Address::Fixed(address) => return Some(address.clone()),
            Address::ByConfig => {}
        }
        let net = self.text("net0")?;
        match property::pairs(net).get("ip").copied() {
            Some("dhcp") => (running_for >= delay && self.linked()).then(|| {
                let [_, high, middle, low] = self.vmid.to_be_bytes();
                format!("10.{}.{middle}.{low}/8", 64 + high % 128)
            }),
            None | Some("manual") => None,
            Some(fixed) => Some(fixed.to_owned()),
        }
    }

    /// The bridge of `net0`.
    pub(crate) fn bridge(&self) -> Option<String> {
        let net = self.text("net0")?;
        property::pairs(net)
            .get("bridge")
            .map(|bridge| (*bridge).to_owned())
    }

    /// The MAC address of `net0`.
    pub(crate) fn mac(&self) -> Option<String> {
        let net = self.text("net0")?;
        property::pairs(net)
            .get("hwaddr")
            .map(|mac| (*mac).to_owned())
    }
}

/// A new MAC address with the prefix that Proxmox uses by default.
pub(crate) fn random_mac() -> String {
    let [one, two, three] = encoding::random::<3>();
    format!("BC:24:11:{one:02X}:{two:02X}:{three:02X}")
}

/// A network with the MAC address and type that Proxmox fills in, name first.
pub(crate) fn complete_network(text: &str) -> String {
    let mut pairs = property::pairs(text);
    let mac = random_mac();
    pairs.entry("hwaddr").or_insert(&mac);
    pairs.entry("type").or_insert("veth");
    let name = pairs.remove("name").unwrap_or("eth0");
    let rest: String = pairs
        .iter()
        .map(|(key, value)| format!(",{key}={value}"))
        .collect();
    format!("name={name}{rest}")
}
