//! What each node has for containers: the storage for root disks, and templates. All nodes are read
//! concurrently, so that one that hangs delays no other; a list that cannot be read for a while is
//! used as it was last read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pve::{Node, NodeName, NodeState, Storage};
use tokio::time::timeout_at;

use super::Proxmox;

/// How long the state of the storages is good.
const SITES_FRESH: Duration = Duration::from_secs(15);
/// The same while something cannot be read.
const TROUBLED_SITES_FRESH: Duration = Duration::from_secs(10);
/// How long the list of a storage's templates is good.
const TEMPLATES_FRESH: Duration = Duration::from_secs(60);
/// How long a list that cannot be read any more is taken as it was.
const TEMPLATES_KEPT: Duration = Duration::from_secs(600);
/// How long a node may take to answer; less than a request waits for Proxmox before it is admitted.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);

/// A node that is online, with its storages and templates.
#[derive(Debug, Clone)]
pub struct NodeSite {
    /// The node, with its load.
    pub node: Node,
    /// Its storages; `None` while they cannot be read.
    storages: Option<Vec<Storage>>,
    /// The templates that can be unpacked there, as volume ids.
    templates: BTreeSet<String>,
    /// Storages that are usable, but of which no list of templates could be read.
    unlisted: BTreeSet<String>,
}

/// What is known of a node's storage for root disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RootStorage {
    /// It can take disks.
    Usable {
        /// Bytes left, as far as it is told.
        free: Option<u64>,
        /// All nodes fill the same one.
        shared: bool,
    },
    /// It is not there, switched off, away, or for other things.
    Unusable,
    /// The node could not say.
    Unknown,
}

impl NodeSite {
    /// Whether containers can be made from the template here. What could not be read does not count
    /// against it: Proxmox then refuses by itself, before anything is charged.
    pub fn has_template(&self, volume: &str) -> bool {
        let storage = volume.split(':').next().unwrap_or_default();
        self.storages.is_none()
            || self.templates.contains(volume)
            || self.unlisted.contains(storage)
    }

    /// The templates that are known to be usable there, as volume ids.
    pub(super) fn templates(&self) -> impl Iterator<Item = &String> {
        self.templates.iter()
    }

    pub(super) fn is_known(&self) -> bool {
        self.storages.is_some() && self.unlisted.is_empty()
    }

    pub(super) fn root(&self, storage: &str) -> RootStorage {
        let Some(storages) = &self.storages else {
            return RootStorage::Unknown;
        };
        match storages.iter().find(|one| one.storage == storage) {
            Some(one) if one.is_usable() && one.holds("rootdir") => RootStorage::Usable {
                free: one.avail,
                shared: one.shared,
            },
            _ => RootStorage::Unusable,
        }
    }
}

/// What was read last, and when.
#[derive(Default)]
pub(super) struct KnownSites {
    lists: TemplateLists,
    last: Option<(Instant, Vec<NodeSite>)>,
}

/// The last lists of the storages' templates, and which of them could not be read.
#[derive(Default)]
struct TemplateLists {
    by_storage: HashMap<(NodeName, String), TemplateList>,
    /// By the place, the cause.
    troubles: BTreeMap<String, String>,
}

struct TemplateList {
    read: Instant,
    volumes: Vec<String>,
}

/// What one node answered.
struct NodeReading {
    node: Node,
    storages: Result<Vec<Storage>, String>,
    /// The lists that were asked for.
    lists: Vec<(String, Result<Vec<String>, String>)>,
}

impl TemplateLists {
    fn is_fresh(&self, node: &NodeName, storage: &str, now: Instant) -> bool {
        let list = self.by_storage.get(&(node.clone(), storage.to_owned()));
        list.is_some_and(|list| now.duration_since(list.read) < TEMPLATES_FRESH)
    }

    /// Adds what the nodes answered, and gives them as places. A storage that cannot be read keeps
    /// its last list for [`TEMPLATES_KEPT`]; one that is off or away has none, because nothing can
    /// be unpacked from it. Troubles are logged when they begin and when they end.
    fn take(&mut self, readings: Vec<NodeReading>, now: Instant) -> Vec<NodeSite> {
        let mut troubles = BTreeMap::new();
        let mut sites = Vec::new();
        for reading in readings {
            let node = reading.node.node.clone();
            for (storage, list) in reading.lists {
                let key = (node.clone(), storage);
                match list {
                    Ok(volumes) => {
                        self.by_storage
                            .insert(key, TemplateList { read: now, volumes });
                    }
                    Err(cause) => {
                        troubles.insert(format!("{} on {node}", key.1), cause);
                    }
                }
            }
            let storages = match reading.storages {
                Ok(storages) => Some(storages),
                Err(cause) => {
                    troubles.insert(format!("all of {node}"), cause);
                    None
                }
            };
            let mut site = NodeSite {
                node: reading.node,
                templates: BTreeSet::new(),
                unlisted: BTreeSet::new(),
                storages,
            };
            for storage in site.storages.iter().flatten() {
                let name = &storage.storage;
                // One that is for other nodes is as it should be.
                if !storage.holds("vztmpl") || storage.enabled == Some(false) {
                    continue;
                }
                if !storage.is_usable() {
                    let cause = "it is not active".to_owned();
                    troubles.insert(format!("{name} on {node}"), cause);
                    continue;
                }
                match self.by_storage.get(&(node.clone(), name.clone())) {
                    Some(list) if now.duration_since(list.read) < TEMPLATES_KEPT => {
                        site.templates.extend(list.volumes.iter().cloned());
                    }
                    _ => {
                        site.unlisted.insert(name.clone());
                    }
                }
            }
            if site.storages.is_none() {
                let lists = self.by_storage.iter().filter(|((on, _), list)| {
                    *on == node && now.duration_since(list.read) < TEMPLATES_KEPT
                });
                let volumes = lists.flat_map(|(_, list)| list.volumes.iter().cloned());
                site.templates.extend(volumes);
            }
            sites.push(site);
        }
        self.log(troubles);
        sites
    }

    fn log(&mut self, troubles: BTreeMap<String, String>) {
        for (storage, cause) in &troubles {
            if !self.troubles.contains_key(storage) {
                tracing::warn!(
                    storage,
                    error = cause,
                    "a storage's templates cannot be used"
                );
            }
        }
        for storage in self.troubles.keys() {
            if !troubles.contains_key(storage) {
                tracing::info!(storage, "a storage's templates can be used again");
            }
        }
        self.troubles = troubles;
    }
}

impl Proxmox {
    /// The nodes that are online, with what they have for containers, some seconds old at most.
    ///
    /// # Errors
    /// Proxmox did not say which nodes there are.
    pub async fn sites(&self) -> Result<Vec<NodeSite>, pve::Error> {
        // Held while the nodes are asked, so that concurrent callers share the answer.
        let mut kept = self.sites.lock().await;
        let nodes = self.nodes().await?;
        let online: Vec<Node> = nodes
            .into_iter()
            .filter(|node| node.status == NodeState::Online)
            .collect();
        let KnownSites { lists, last } = &mut *kept;
        if let Some((read, sites)) = last
            && read.elapsed() < freshness(sites)
            && online
                .iter()
                .all(|node| sites.iter().any(|site| site.node.node == node.node))
        {
            let current = online.into_iter().filter_map(|node| {
                let site = sites.iter().find(|site| site.node.node == node.node)?;
                Some(NodeSite {
                    node,
                    ..site.clone()
                })
            });
            return Ok(current.collect());
        }
        let now = Instant::now();
        let asked = online.into_iter().map(|node| self.read(node, lists, now));
        let readings = join_all(asked).await;
        let sites = lists.take(readings, now);
        *last = Some((now, sites.clone()));
        Ok(sites)
    }

    async fn read(&self, node: Node, known: &TemplateLists, now: Instant) -> NodeReading {
        let name = node.node.clone();
        let deadline = tokio::time::Instant::now() + NODE_TIMEOUT;
        let late = || "it does not answer in time".to_owned();
        let storages = match timeout_at(deadline, self.client.storages(&name, None)).await {
            Ok(answer) => answer.map_err(|error| error.safe_text()),
            Err(_) => Err(late()),
        };
        let wanted: Vec<String> = storages
            .iter()
            .flatten()
            .filter(|storage| storage.holds("vztmpl") && storage.is_usable())
            .filter(|storage| !known.is_fresh(&name, &storage.storage, now))
            .map(|storage| storage.storage.clone())
            .collect();
        let lists = wanted.into_iter().map(async |storage| {
            let asked = self.client.storage_content(&name, &storage, "vztmpl");
            let list = match timeout_at(deadline, asked).await {
                Ok(Ok(volumes)) => Ok(volumes.into_iter().map(|volume| volume.volid).collect()),
                Ok(Err(error)) => Err(error.safe_text()),
                Err(_) => Err(late()),
            };
            (storage, list)
        });
        NodeReading {
            lists: join_all(lists).await,
            node,
            storages,
        }
    }
}

fn freshness(sites: &[NodeSite]) -> Duration {
    if sites.iter().all(NodeSite::is_known) {
        SITES_FRESH
    } else {
        TROUBLED_SITES_FRESH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "nas:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst";

    fn node(name: &str) -> Node {
        serde_json::from_value(serde_json::json!({"node": name, "status": "online"})).unwrap()
    }

    fn storage(name: &str, content: &str, active: u8, enabled: u8) -> Storage {
        serde_json::from_value(serde_json::json!({
            "storage": name, "content": content, "active": active, "enabled": enabled,
            "shared": 0, "avail": 100,
        }))
        .unwrap()
    }

    fn nas(active: u8, list: Option<Result<&[&str], &str>>) -> NodeReading {
        let volumes = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        let list = list.map(|list| list.map(volumes).map_err(str::to_owned));
        NodeReading {
            node: node("pve"),
            storages: Ok(vec![
                storage("nas", "vztmpl", active, 1),
                storage("disks", "rootdir,images", 1, 1),
            ]),
            lists: list
                .into_iter()
                .map(|list| ("nas".to_owned(), list))
                .collect(),
        }
    }

    fn silent() -> NodeReading {
        NodeReading {
            node: node("pve"),
            storages: Err("it does not answer in time".into()),
            lists: Vec::new(),
        }
    }

    #[test]
    fn a_list_that_fails_is_taken_as_it_was_for_ten_minutes_and_then_no_more() {
        let (mut lists, start) = (TemplateLists::default(), Instant::now());
        let failing = || nas(1, Some(Err("got timeout")));
        let sites = lists.take(vec![nas(1, Some(Ok(&[DEBIAN])))], start);
        assert!(sites[0].templates.contains(DEBIAN));

        let later = start + TEMPLATES_KEPT - Duration::from_secs(1);
        let sites = lists.take(vec![failing()], later);
        assert!(sites[0].templates.contains(DEBIAN));
        assert_eq!(lists.troubles.len(), 1);

        let sites = lists.take(vec![failing()], start + TEMPLATES_KEPT);
        assert!(sites[0].templates.is_empty());
        // What is there is not known, so a template that was named is not refused for it.
        assert!(sites[0].has_template(DEBIAN));
        lists.take(vec![nas(1, Some(Ok(&[])))], start + TEMPLATES_KEPT);
        assert!(lists.troubles.is_empty());
    }

    #[test]
    fn a_storage_that_is_away_offers_nothing_at_once() {
        let (mut lists, now) = (TemplateLists::default(), Instant::now());
        lists.take(vec![nas(1, Some(Ok(&[DEBIAN])))], now);
        let sites = lists.take(vec![nas(0, None)], now);
        assert!(!sites[0].has_template(DEBIAN));
        let sites = lists.take(vec![nas(1, None)], now);
        assert!(sites[0].has_template(DEBIAN));
    }

    #[test]
    fn a_node_that_is_silent_counts_as_it_was() {
        let (mut lists, now) = (TemplateLists::default(), Instant::now());
        lists.take(vec![nas(1, Some(Ok(&[DEBIAN])))], now);
        let sites = lists.take(vec![silent()], now);
        assert!(sites[0].templates.contains(DEBIAN));
        assert_eq!(sites[0].root("disks"), RootStorage::Unknown);
        let sites = lists.take(vec![silent()], now + TEMPLATES_KEPT);
        assert!(sites[0].templates.is_empty());
    }

    #[test]
    fn root_disks_need_a_storage_that_is_there_and_takes_them() {
        let root = |storages: Vec<Storage>| {
            let reading = NodeReading {
                storages: Ok(storages),
                ..silent()
            };
            let sites = TemplateLists::default().take(vec![reading], Instant::now());
            sites[0].root("disks")
        };
        let usable = RootStorage::Usable {
            free: Some(100),
            shared: false,
        };
        assert_eq!(root(vec![storage("disks", "rootdir", 1, 1)]), usable);
        assert_eq!(
            root(vec![storage("disks", "rootdir", 0, 1)]),
            RootStorage::Unusable
        );
        assert_eq!(
            root(vec![storage("disks", "rootdir", 0, 0)]),
            RootStorage::Unusable
        );
        assert_eq!(
            root(vec![storage("disks", "images", 1, 1)]),
            RootStorage::Unusable
        );
        assert_eq!(root(Vec::new()), RootStorage::Unusable);
    }
}
