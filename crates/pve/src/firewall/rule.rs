//! One rule of a guest's list or of a security group.

use serde::Deserialize;

use super::Policy;
use crate::lenient;

/// What a rule applies to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    /// Traffic to the guest.
    In,
    /// Traffic from it.
    Out,
    /// Traffic through a host or VNet.
    Forward,
    /// The rules of a security group, put in here.
    Group,
    /// Something that this release does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl RuleKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Forward => "forward",
            Self::Group => "group",
            Self::Unknown => "",
        }
    }
}

/// A rule. What is absent does not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct FirewallRule {
    /// Its place in the list, from 0; set by Proxmox.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub pos: Option<u64>,
    /// What it applies to.
    #[serde(default, rename = "type", deserialize_with = "lenient::or_default")]
    pub kind: RuleKind,
    /// `ACCEPT`, `DROP`, `REJECT`, or the name of the security group.
    #[serde(default)]
    pub action: String,
    /// It is enabled.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub enable: bool,
    /// The guest's interface that it is for, such as `net0`.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub iface: Option<String>,
    /// Addresses or networks of one IP version, separated by commas, or a set or alias.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub source: Option<String>,
    /// The same for where it goes.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub dest: Option<String>,
    /// A protocol such as `tcp`; needed beside ports.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub proto: Option<String>,
    /// Source ports, such as `67` or `25,465,6660:6669`; at most fifteen numbers.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub sport: Option<String>,
    /// Destination ports.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub dport: Option<String>,
    /// The type of an ICMP message.
    #[serde(default, rename = "icmp-type", deserialize_with = "lenient::opt_text")]
    pub icmp_type: Option<String>,
    /// A service by Proxmox's name, such as `SSH`.
    #[serde(default, rename = "macro", deserialize_with = "lenient::opt_text")]
    pub service: Option<String>,
    /// What is logged, such as `info`.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub log: Option<String>,
    /// A note.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub comment: Option<String>,
    /// The checksum of the list that it was read from.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub digest: Option<String>,
}

impl FirewallRule {
    /// An enabled rule, for all traffic in one direction until it is narrowed.
    pub fn new(kind: RuleKind, action: Policy) -> Self {
        Self {
            kind,
            action: action.as_str().to_owned(),
            enable: true,
            ..Self::default()
        }
    }

    /// The enabled rules of a security group.
    pub fn group(name: impl Into<String>) -> Self {
        Self {
            kind: RuleKind::Group,
            action: name.into(),
            enable: true,
            ..Self::default()
        }
    }

    /// Whether it puts this security group in front of a container's first interface. That the
    /// group exists is another question ([`crate::Client::security_groups`]).
    pub fn uses_group(&self, name: &str) -> bool {
        let first = self.iface.as_deref().is_none_or(|iface| iface == "net0");
        self.kind == RuleKind::Group && self.action == name && self.enable && first
    }

    /// The form. `enable` is always sent, because a rule without it is disabled.
    pub(super) fn to_params(&self) -> Vec<(String, String)> {
        let enable = if self.enable { "1" } else { "0" };
        [
            ("type", Some(self.kind.as_str())),
            ("action", Some(self.action.as_str())),
            ("enable", Some(enable)),
            ("iface", self.iface.as_deref()),
            ("source", self.source.as_deref()),
            ("dest", self.dest.as_deref()),
            ("proto", self.proto.as_deref()),
            ("sport", self.sport.as_deref()),
            ("dport", self.dport.as_deref()),
            ("icmp-type", self.icmp_type.as_deref()),
            ("macro", self.service.as_deref()),
            ("log", self.log.as_deref()),
            ("comment", self.comment.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_sent_enabled_and_with_what_narrows_it() {
        let form = |rule: &FirewallRule| serde_urlencoded::to_string(rule.to_params()).unwrap();
        let group = FirewallRule::group("infra402");
        assert_eq!(form(&group), "type=group&action=infra402&enable=1");
        let mut mail = FirewallRule::new(RuleKind::Out, Policy::Drop);
        mail.proto = Some("tcp".into());
        mail.dport = Some("25,465,587".into());
        mail.enable = false;
        assert_eq!(
            form(&mail),
            "type=out&action=DROP&enable=0&proto=tcp&dport=25%2C465%2C587"
        );
    }

    #[test]
    fn a_group_counts_only_where_its_rule_holds_for_the_first_interface() {
        let read = |json| serde_json::from_value::<FirewallRule>(json).unwrap();
        let rule = serde_json::json!(
            {"pos": "0", "type": "group", "action": "infra402", "enable": "1", "digest": "d"}
        );
        assert!(read(rule.clone()).uses_group("infra402"));
        assert!(!read(rule.clone()).uses_group("other"));
        for (key, value, uses) in [
            ("enable", serde_json::json!(0), false),
            ("iface", serde_json::json!("net1"), false),
            ("iface", serde_json::json!("net0"), true),
            ("type", serde_json::json!("in"), false),
            ("type", serde_json::json!("odd"), false),
        ] {
            let mut rule = rule.clone();
            rule[key] = value;
            assert_eq!(read(rule.clone()).uses_group("infra402"), uses, "{rule}");
        }
    }
}
