//! An administrator's changes to the firewall: the datacenter, the nodes and the security groups;
//! and a guest's settings for tests. A new simulator is like a new host: off, and without a group.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::sim::Sim;
use crate::world::firewall::{Firewall, Group};

/// A snapshot of a guest's firewall.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestFirewallSnapshot {
    /// The options that were set, such as `ipfilter`: 1.
    pub options: BTreeMap<String, Value>,
    /// The rules, the first that is asked first, with all their properties but `pos` and `digest`.
    pub rules: Vec<BTreeMap<String, Value>>,
}

impl Sim {
    /// Switches the firewall of the datacenter on or off. Off means that no rule holds anywhere.
    pub fn set_firewall(&self, on: bool) {
        self.change_firewall(|firewall| {
            let enable = json!(u8::from(on));
            firewall.options.insert("enable".into(), enable);
        });
    }

    /// Sets a flag of the datacenter's firewall, such as `ebtables`.
    pub fn set_firewall_option(&self, option: &str, on: bool) {
        self.change_firewall(|firewall| {
            firewall.options.insert(option.into(), json!(u8::from(on)));
        });
    }

    /// Sets an option of a guest's firewall, such as `ipfilter`, as its administrator does.
    pub fn set_guest_firewall_option(&self, vmid: u32, option: &str, value: Value) {
        self.change_firewall(|firewall| {
            let guest = firewall.guests.entry(vmid).or_default();
            guest.options.insert(option.into(), value);
        });
    }

    /// Switches the firewall of a node on or off.
    pub fn set_node_firewall(&self, node: &str, on: bool) {
        self.set_node_option(node, "enable", on);
    }

    /// Lets a node use nftables, or iptables as by default.
    pub fn set_node_nftables(&self, node: &str, on: bool) {
        self.set_node_option(node, "nftables", on);
    }

    /// Starts or stops the services of a node that enforce rules.
    pub fn set_firewall_running(&self, node: &str, running: bool) {
        self.change_firewall(|firewall| match running {
            true => firewall.stopped.remove(node),
            false => firewall.stopped.insert(node.to_owned()),
        });
    }

    /// Makes a security group without rules.
    pub fn add_security_group(&self, name: &str) {
        self.change_firewall(|firewall| {
            firewall.groups.insert(name.to_owned(), Group::default());
        });
    }

    /// Adds a rule to the end of a security group.
    ///
    /// # Panics
    /// There is no such group.
    pub fn add_security_group_rule(&self, name: &str, rule: &[(&str, &str)]) {
        let rule = rule.iter();
        let rule = rule.map(|(key, value)| ((*key).to_owned(), json!(value)));
        self.change_firewall(|firewall| {
            let group = firewall
                .groups
                .get_mut(name)
                .expect("there is no such group");
            group.rules.push(rule.collect());
        });
    }

    /// Removes a security group with its rules. Guests that name it keep the rule, which lets
    /// everything through from now on.
    pub fn remove_security_group(&self, name: &str) {
        self.change_firewall(|firewall| {
            firewall.groups.remove(name);
        });
    }

    /// A guest's firewall; `None` where it has no file.
    #[must_use]
    pub fn guest_firewall(&self, vmid: u32) -> Option<GuestFirewallSnapshot> {
        let world = self.cluster.world();
        let file = world.firewall.guests.get(&vmid)?;
        Some(GuestFirewallSnapshot {
            options: file.options.clone(),
            rules: file.rules.clone(),
        })
    }

    fn set_node_option(&self, node: &str, option: &str, on: bool) {
        self.change_firewall(|firewall| {
            let options = firewall.nodes.entry(node.to_owned()).or_default();
            options.insert(option.to_owned(), json!(u8::from(on)));
        });
    }

    fn change_firewall<T>(&self, change: impl FnOnce(&mut Firewall) -> T) {
        change(&mut self.cluster.world().firewall);
        self.cluster.changed.notify_one();
    }
}
