//! A guest's own firewall: its options and its list of rules. `VM.Config.Network` on the guest is
//! enough to change them, so a pool gives it; until a container has joined its pool, at the end of
//! its creation, these calls are refused.

use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{FirewallRule, Policy};
use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, Vmid};
use crate::lenient;
use crate::path::ApiPath;

/// The options of a guest's firewall. Absent means Proxmox's default when read, and no change when
/// written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct GuestFirewall {
    /// It is on; off when absent.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub enable: Option<bool>,
    /// For traffic to the guest; `Drop` when absent.
    #[serde(default)]
    pub policy_in: Option<Policy>,
    /// For traffic from the guest; `Accept` when absent.
    #[serde(default)]
    pub policy_out: Option<Policy>,
    /// Only its own MAC address may send; on when absent.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub macfilter: Option<bool>,
    /// Only its configured addresses may send; off when absent. With an address from DHCP this
    /// closes IPv4 altogether.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub ipfilter: Option<bool>,
    /// IPv6 neighbour discovery passes; on when absent.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub ndp: Option<bool>,
    /// The guest may advertise itself as an IPv6 router; off when absent.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub radv: Option<bool>,
    /// It may ask for an address by DHCP; on when absent.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub dhcp: Option<bool>,
    /// What is logged of traffic to it, such as `nolog` or `info`.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub log_level_in: Option<String>,
    /// What is logged of traffic from it.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub log_level_out: Option<String>,
    /// A checksum that changes with the options. When written, the change is refused if it differs.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub digest: Option<String>,
}

impl GuestFirewall {
    /// Whether every option that `wanted` sets is set so; its digest does not count.
    pub fn agrees_with(&self, wanted: &Self) -> bool {
        let own = self.to_params();
        let mut wanted = wanted.to_params().into_iter();
        wanted.all(|option| option.0 == "digest" || own.contains(&option))
    }

    /// The form: what is set.
    fn to_params(&self) -> Vec<(String, String)> {
        let flag = |on: Option<bool>| on.map(|on| if on { "1" } else { "0" }.to_owned());
        let policy = |policy: Option<Policy>| policy.map(|policy| policy.as_str().to_owned());
        [
            ("enable", flag(self.enable)),
            ("policy_in", policy(self.policy_in)),
            ("policy_out", policy(self.policy_out)),
            ("macfilter", flag(self.macfilter)),
            ("ipfilter", flag(self.ipfilter)),
            ("ndp", flag(self.ndp)),
            ("radv", flag(self.radv)),
            ("dhcp", flag(self.dhcp)),
            ("log_level_in", self.log_level_in.clone()),
            ("log_level_out", self.log_level_out.clone()),
            ("digest", self.digest.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}

fn path(node: &NodeName, vmid: Vmid, part: &str) -> ApiPath {
    ApiPath::lxc(node, vmid).seg("firewall").seg(part)
}

impl Client {
    /// The options of a container's firewall; needs `VM.Audit`. A container that never had any has
    /// none set, and Proxmox answers the same for a number that no container has.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn guest_firewall(
        &self,
        node: &NodeName,
        vmid: Vmid,
    ) -> Result<GuestFirewall, Error> {
        self.get(path(node, vmid, "options"), Vec::new()).await
    }

    /// Sets the options that are not absent; needs `VM.Config.Network`. They hold for a container
    /// that is started twelve seconds later or more: the rules are compiled every ten.
    ///
    /// # Errors
    /// [`crate::Refusal::Forbidden`] before the container has joined its pool; see [`Error`].
    pub async fn set_guest_firewall(
        &self,
        node: &NodeName,
        vmid: Vmid,
        options: &GuestFirewall,
    ) -> Result<(), Error> {
        let path = path(node, vmid, "options");
        self.call::<IgnoredAny>(Method::PUT, path, options.to_params())
            .await?;
        Ok(())
    }

    /// The rules of a container, the first that is asked first; needs `VM.Audit`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn guest_rules(
        &self,
        node: &NodeName,
        vmid: Vmid,
    ) -> Result<Vec<FirewallRule>, Error> {
        self.get(path(node, vmid, "rules"), Vec::new()).await
    }

    /// Puts a rule above all others; needs `VM.Config.Network`. A list is therefore sent from its
    /// last rule to its first. Repeating this makes a second rule: look at
    /// [`Error::may_have_executed`], and at the list.
    ///
    /// # Errors
    /// See [`Error`]. A rule that names a security group which does not exist is accepted.
    pub async fn add_guest_rule(
        &self,
        node: &NodeName,
        vmid: Vmid,
        rule: &FirewallRule,
    ) -> Result<(), Error> {
        let path = path(node, vmid, "rules");
        self.call::<IgnoredAny>(Method::POST, path, rule.to_params())
            .await?;
        Ok(())
    }

    /// Removes the rule at a position, counted from 0. With the `digest` of the list, which every
    /// rule of it bears, this is refused if the list has changed since.
    ///
    /// # Errors
    /// See [`Error`]; a position without a rule is refused.
    pub async fn delete_guest_rule(
        &self,
        node: &NodeName,
        vmid: Vmid,
        position: u64,
        digest: Option<&str>,
    ) -> Result<(), Error> {
        let path = path(node, vmid, "rules").seg(position.to_string());
        let digest = digest.map(|digest| ("digest".to_owned(), digest.to_owned()));
        self.call::<IgnoredAny>(Method::DELETE, path, digest.into_iter().collect())
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_every_spelling_and_only_what_is_set_is_sent() {
        let read: GuestFirewall = serde_json::from_value(serde_json::json!({
            "enable": "1", "policy_in": "DROP", "macfilter": true, "ipfilter": 0, "ndp": null,
            "log_level_out": "nolog", "digest": "d", "new": [1],
        }))
        .unwrap();
        let expected = GuestFirewall {
            enable: Some(true),
            policy_in: Some(Policy::Drop),
            macfilter: Some(true),
            ipfilter: Some(false),
            log_level_out: Some("nolog".into()),
            digest: Some("d".into()),
            ..GuestFirewall::default()
        };
        assert_eq!(read, expected);
        let form = serde_urlencoded::to_string(read.to_params()).unwrap();
        assert_eq!(
            form,
            "enable=1&policy_in=DROP&macfilter=1&ipfilter=0&log_level_out=nolog&digest=d"
        );
        assert!(GuestFirewall::default().to_params().is_empty());
        let wrong = serde_json::json!({"policy_in": "LET"});
        assert!(serde_json::from_value::<GuestFirewall>(wrong).is_err());
    }

    #[test]
    fn options_agree_where_all_that_is_wanted_is_so() {
        let wanted = GuestFirewall {
            enable: Some(true),
            ipfilter: Some(true),
            digest: Some("old".into()),
            ..GuestFirewall::default()
        };
        let more = GuestFirewall {
            dhcp: Some(false),
            digest: None,
            ..wanted.clone()
        };
        assert!(more.agrees_with(&wanted));
        for fewer in [
            GuestFirewall {
                ipfilter: None,
                ..more.clone()
            },
            GuestFirewall {
                enable: Some(false),
                ..more
            },
        ] {
            assert!(!fewer.agrees_with(&wanted));
        }
    }
}
