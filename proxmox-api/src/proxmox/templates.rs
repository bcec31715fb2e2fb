//! Which templates are on offer, under which names, and which one is the default. A template's file
//! is called `NAME_VERSION_ARCHITECTURE.tar.zst` in Proxmox's index, and NAME is what customers
//! call it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A template on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The name by which customers ask for it: `debian-13-standard`.
    pub name: String,
    /// Proxmox's volume id.
    pub volume: String,
}

impl Template {
    /// Whether a customer who says this means it: by its name, or by its volume id.
    pub fn is_called(&self, wanted: &str) -> bool {
        self.name == wanted || self.volume == wanted
    }
}

/// The templates that the operator has named, in that order. Where two would be called the same,
/// the file's name tells them apart.
pub(crate) fn named(volumes: &[String]) -> Vec<Template> {
    let short = |volume: &str| {
        let file = file_of(volume);
        file.split('_').next().unwrap_or_default().to_owned()
    };
    let shorts: Vec<_> = volumes.iter().map(|volume| short(volume)).collect();
    volumes
        .iter()
        .map(|volume| {
            let name = short(volume);
            let twice = shorts.iter().filter(|other| **other == name).count() > 1;
            Template {
                name: if twice {
                    file_of(volume).to_owned()
                } else {
                    name
                },
                volume: volume.clone(),
            }
        })
        .collect()
}

/// The templates to offer of those that the nodes have, the default first: the newest Debian of the
/// kind `standard`, then Debian's others, then the rest by name. Of each name the newest build is
/// offered, and of the same build on several storages the one that more nodes have. `volumes` holds
/// a volume once for each node that has it.
pub(crate) fn offered(volumes: impl IntoIterator<Item = String>) -> Vec<Template> {
    let mut nodes: BTreeMap<String, usize> = BTreeMap::new();
    for volume in volumes {
        *nodes.entry(volume).or_default() += 1;
    }
    let mut newest: BTreeMap<String, (BuildRank, String)> = BTreeMap::new();
    for (volume, count) in nodes {
        let build = TemplateBuild::of(file_of(&volume));
        if !build.is_a_machine() {
            continue;
        }
        let rank = BuildRank {
            usual_architecture: build.architecture == "amd64",
            version: NaturalOrder::of(build.version),
            nodes: count,
        };
        let name = build.name.to_owned();
        let better = newest.get(&name).is_none_or(|(best, _)| rank > *best);
        if better {
            newest.insert(name, (rank, volume));
        }
    }
    let mut all: Vec<(String, (BuildRank, String))> = newest.into_iter().collect();
    all.sort_by_cached_key(|(name, (rank, _))| {
        let kind = match name.strip_prefix("debian-") {
            Some(rest) if rest.ends_with("-standard") => 0,
            Some(_) => 1,
            None => 2,
        };
        let release = name.find(|c: char| c.is_ascii_digit());
        let (distribution, release) = name.split_at(release.unwrap_or(name.len()));
        let distribution = distribution.to_owned();
        (
            kind,
            distribution,
            Reverse((NaturalOrder::of(release), rank.version.clone())),
        )
    });
    let templates = all.into_iter();
    templates
        .map(|(name, (_, volume))| Template { name, volume })
        .collect()
}

/// The newest of these files for the same distribution, release and kind as `file`, or else of what
/// the default would be.
pub(crate) fn closest<'a>(file: &str, index: &[&'a str]) -> Option<&'a str> {
    let name = TemplateBuild::of(file).name;
    let same = index
        .iter()
        .filter(|other| TemplateBuild::of(other).name == name);
    let volumes: Vec<String> = match same.clone().next() {
        Some(_) => same.map(|other| (*other).to_owned()).collect(),
        None => index.iter().map(|other| (*other).to_owned()).collect(),
    };
    let best = offered(volumes).into_iter().next()?;
    index.iter().copied().find(|other| *other == best.volume)
}

/// `debian-12-standard_12.7-1_amd64.tar.zst` of
/// `local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst`.
pub(crate) fn file_of(volume: &str) -> &str {
    volume.rsplit('/').next().unwrap_or(volume)
}

/// A file's name, taken apart. One that is not named as in Proxmox's index is a name without a
/// version, so that it is never taken for a build of another.
struct TemplateBuild<'a> {
    file: &'a str,
    name: &'a str,
    version: &'a str,
    architecture: &'a str,
}

impl<'a> TemplateBuild<'a> {
    fn of(file: &'a str) -> Self {
        let whole = Self {
            file,
            name: file,
            version: "",
            architecture: "",
        };
        let Some((stem, _)) = file.split_once(".tar") else {
            return whole;
        };
        match stem.split('_').collect::<Vec<_>>()[..] {
            [name, version, ref architecture @ ..]
                if architecture.len() <= 2 && version.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                Self {
                    name,
                    version,
                    architecture: architecture.last().copied().unwrap_or_default(),
                    ..whole
                }
            }
            _ => whole,
        }
    }

    /// Whether it is a plain distribution, as opposed to an OCI archive (which may have no shell
    /// and no init), a TurnKey appliance or one of Proxmox's own, which are set up for something
    /// else.
    fn is_a_machine(&self) -> bool {
        let turnkey = self.name.contains("-turnkey-") || self.name.starts_with("turnkey-");
        !(self.file.ends_with(".tar") || turnkey || self.name.starts_with("proxmox-"))
    }
}

/// How much a build is preferred to others of its name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct BuildRank {
    usual_architecture: bool,
    version: NaturalOrder,
    nodes: usize,
}

/// A text ordered as people order versions: 12.12 after 12.7.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct NaturalOrder(Vec<VersionPart>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum VersionPart {
    Text(String),
    /// Without leading zeros, by length first: no version is too long to be compared.
    Number(usize, String),
}

impl NaturalOrder {
    fn of(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let digits = first.is_ascii_digit();
            let end = rest.find(|c: char| c.is_ascii_digit() != digits);
            let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
            parts.push(if digits {
                let number = part.trim_start_matches('0');
                VersionPart::Number(number.len(), number.to_owned())
            } else {
                VersionPart::Text(part.to_owned())
            });
            rest = after;
        }
        Self(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(volumes: &[&str]) -> Vec<String> {
        let volumes = volumes.iter().map(|file| format!("local:vztmpl/{file}"));
        let offered = offered(volumes).into_iter();
        offered.map(|template| template.name).collect()
    }

    #[test]
    fn the_newest_debian_standard_is_the_default_by_number_and_not_by_letter() {
        assert_eq!(
            names(&[
                "ubuntu-22.04-standard_22.04-1_amd64.tar.zst",
                "ubuntu-24.04-standard_24.04-2_amd64.tar.zst",
                "debian-9-standard_9.7-1_amd64.tar.gz",
                "debian-12-minimal_12.7-1_amd64.tar.zst",
                "debian-12-standard_12.7-1_amd64.tar.zst",
                "debian-13-standard_13.1-2_amd64.tar.zst",
                "alpine-3.9-default_20190224_amd64.tar.xz",
                "alpine-3.22-default_20250617_amd64.tar.xz",
            ]),
            [
                "debian-13-standard",
                "debian-12-standard",
                "debian-9-standard",
                "debian-12-minimal",
                "alpine-3.22-default",
                "alpine-3.9-default",
                "ubuntu-24.04-standard",
                "ubuntu-22.04-standard",
            ]
        );
    }

    #[test]
    fn what_is_set_up_for_something_else_is_not_a_machine() {
        assert_eq!(
            names(&[
                "postgres_17.tar",
                "nginx.tar",
                "debian-12-turnkey-wordpress_18.2-1_amd64.tar.gz",
                "turnkey-core_18.1-1_amd64.tar.gz",
                "proxmox-mail-gateway-9.0-standard_9.0-1_amd64.tar.zst",
                "proxmox-mailgateway-7.0-standard_7.0-1_amd64.tar.gz",
                "my-own.tar.gz",
            ]),
            ["my-own.tar.gz"]
        );
    }

    #[test]
    fn of_one_name_the_newest_build_is_offered_alone() {
        let offer = offered(
            [
                "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
                "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst",
                "nas:vztmpl/debian-12-standard_12.2-1_amd64.tar.zst",
                "local:vztmpl/debian-12-standard_12.12-1_arm64.tar.zst",
            ]
            .map(String::from),
        );
        assert_eq!(
            offer,
            [Template {
                name: "debian-12-standard".into(),
                volume: "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst".into(),
            }]
        );
    }

    #[test]
    fn the_same_build_is_taken_from_the_storage_that_more_nodes_have() {
        let file = "debian-13-standard_13.1-2_amd64.tar.zst";
        let volumes = ["a", "nas", "nas", "z"].map(|storage| format!("{storage}:vztmpl/{file}"));
        assert_eq!(offered(volumes)[0].volume, format!("nas:vztmpl/{file}"));
    }

    #[test]
    fn files_that_are_not_named_as_in_the_index_are_no_builds_of_each_other() {
        assert_eq!(
            names(&["my_web.tar.gz", "my_db.tar.gz", "x_1_2_3_4.tar.zst"]),
            ["my_db.tar.gz", "my_web.tar.gz", "x_1_2_3_4.tar.zst"]
        );
    }

    #[test]
    fn versions_of_any_length_are_compared() {
        let long = "9".repeat(60);
        assert!(NaturalOrder::of("12.12-1") > NaturalOrder::of("12.7-1"));
        assert!(NaturalOrder::of(&long) > NaturalOrder::of("20250101"));
        assert!(NaturalOrder::of("007") == NaturalOrder::of("7"));
        assert!(NaturalOrder::of("13") > NaturalOrder::of("12.12"));
    }

    #[test]
    fn templates_that_the_operator_names_stay_as_they_were_named() {
        let volumes = [
            "local:vztmpl/debian-12-turnkey-core_18.1-1_amd64.tar.gz",
            "local:vztmpl/alpine-3.20-default_20240908_amd64.tar.xz",
            "nas:vztmpl/alpine-3.20-default_20240101_amd64.tar.xz",
        ];
        let names: Vec<_> = named(&volumes.map(String::from))
            .into_iter()
            .map(|template| template.name)
            .collect();
        assert_eq!(
            names,
            [
                "debian-12-turnkey-core",
                "alpine-3.20-default_20240908_amd64.tar.xz",
                "alpine-3.20-default_20240101_amd64.tar.xz",
            ]
        );
    }

    #[test]
    fn a_file_that_the_index_has_no_more_is_replaced_by_its_newest_build() {
        let index = [
            "alpine-3.22-default_20250617_amd64.tar.xz",
            "debian-12-standard_12.12-1_amd64.tar.zst",
            "debian-13-standard_13.1-2_amd64.tar.zst",
        ];
        let closest = |file: &str| closest(file, &index);
        assert_eq!(
            closest("debian-12-standard_12.7-1_amd64.tar.zst"),
            Some(index[1])
        );
        assert_eq!(closest("windows-95.tar.gz"), Some(index[2]));
        assert_eq!(super::closest("x", &[]), None);
    }
}
