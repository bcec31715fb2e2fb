//! Access control: users, API tokens, roles and access rules with inheritance, pools and privilege
//! separation (`PVE::AccessControl`, `PVE::RPCEnvironment`), and the tickets that authenticate
//! users.

mod login;
mod roles;
pub(crate) mod ticket;

use std::collections::{BTreeMap, BTreeSet};

use crate::response::ErrorResponse;

pub(crate) use login::{AuthMethod, Caller, identify};

/// Privilege to propagate flag.
pub(crate) type Privileges = BTreeMap<String, bool>;

/// Name of the one account that may do everything.
pub(crate) const ROOT: &str = "root@pam";

/// A user of the cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct User {
    /// `None` cannot log in.
    pub(crate) password: Option<String>,
    /// By token name.
    pub(crate) tokens: BTreeMap<String, Token>,
    /// A password alone gives no ticket.
    pub(crate) second_factor: bool,
}

/// An API token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) secret: String,
    pub(crate) privsep: bool,
}

/// Accounts and rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    pub(crate) users: BTreeMap<String, User>,
    roles: BTreeMap<String, BTreeSet<String>>,
    /// Path, user or token, role → propagate.
    rules: BTreeMap<String, BTreeMap<String, BTreeMap<String, bool>>>,
    /// Which pool a container is in.
    pub(crate) pool_of_guest: BTreeMap<u32, String>,
    /// Pools that exist.
    pub(crate) pools: BTreeSet<String>,
    /// The zone of each VNet, which is part of the path of its rights.
    pub(crate) zones: BTreeMap<String, String>,
}

impl Access {
    pub(crate) fn new() -> Self {
        Self {
            roles: roles::builtin(),
            ..Self::default()
        }
    }

    pub(crate) fn set_role(&mut self, role: &str, privileges: &[&str]) {
        let privileges = privileges.iter().map(|one| (*one).to_owned()).collect();
        self.roles.insert(role.to_owned(), privileges);
    }

    pub(crate) fn grant(&mut self, path: &str, to: &str, role: &str) {
        self.rules
            .entry(path.to_owned())
            .or_default()
            .entry(to.to_owned())
            .or_default()
            .insert(role.to_owned(), true);
    }

    /// Without propagation.
    pub(crate) fn grant_here(&mut self, path: &str, to: &str, role: &str) {
        self.grant(path, to, role);
        let held = self.rules.get_mut(path).and_then(|held| held.get_mut(to));
        if let Some(propagate) = held.and_then(|roles| roles.get_mut(role)) {
            *propagate = false;
        }
    }

    pub(crate) fn revoke(&mut self, path: &str, from: &str) {
        if let Some(rules) = self.rules.get_mut(path) {
            rules.remove(from);
        }
    }

    pub(crate) fn revoke_role(&mut self, path: &str, from: &str, role: &str) {
        if let Some(roles) = self
            .rules
            .get_mut(path)
            .and_then(|rules| rules.get_mut(from))
        {
            roles.remove(role);
        }
    }

    /// The path of the rights on a bridge. One that is no VNet belongs to a zone that always is.
    pub(crate) fn bridge_path(&self, bridge: &str) -> String {
        let zone = self
            .zones
            .get(bridge)
            .map_or("localnetwork", String::as_str);
        format!("/sdn/zones/{zone}/{bridge}")
    }

    /// Removes every rule on a path, as the removal of a container does.
    pub(crate) fn forget_path(&mut self, path: &str) {
        self.rules.remove(path);
    }

    /// All rules, as `/access/acl` lists them.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&str, &str, &str, bool)> {
        self.rules.iter().flat_map(|(path, holders)| {
            holders.iter().flat_map(move |(holder, roles)| {
                roles
                    .iter()
                    .map(move |(role, propagate)| (&**path, &**holder, &**role, *propagate))
            })
        })
    }

    /// Effective privileges of a user or token on a path.
    pub(crate) fn privileges(&self, authid: &str, path: &str) -> Privileges {
        if authid == ROOT {
            return self.everything();
        }
        let Some((user, token)) = authid.split_once('!') else {
            return self.own_privileges(authid, path);
        };
        let privsep = self
            .users
            .get(user)
            .and_then(|user| user.tokens.get(token))
            .is_none_or(|token| token.privsep);
        let of_user = self.privileges(user, path);
        if !privsep {
            return of_user;
        }
        self.own_privileges(authid, path)
            .into_iter()
            .filter_map(|(name, propagate)| {
                let theirs = *of_user.get(&name)?;
                Some((name, propagate && theirs))
            })
            .collect()
    }

    fn everything(&self) -> Privileges {
        let all = self.roles.get("Administrator").into_iter().flatten();
        all.map(|name| (name.clone(), true)).collect()
    }

    /// Privileges by the rules for exactly this user or token, with those of the container's pool.
    fn own_privileges(&self, authid: &str, path: &str) -> Privileges {
        let mut roles = self.roles_on(authid, path);
        let guest = path.strip_prefix("/vms/").and_then(|id| id.parse().ok());
        let pool = guest.and_then(|id: u32| self.pool_of_guest.get(&id));
        if let Some(pool) = pool.filter(|_| !roles.contains_key("NoAccess")) {
            // A pool's rules apply to its members only.
            for role in self.roles_on(authid, &format!("/pool/{pool}")).into_keys() {
                roles.entry(role).or_insert(false);
            }
        }
        if roles.contains_key("NoAccess") {
            return Privileges::new();
        }
        let mut privileges = Privileges::new();
        for (role, propagate) in roles {
            for name in self.roles.get(&role).into_iter().flatten() {
                *privileges.entry(name.clone()).or_default() |= propagate;
            }
        }
        privileges
    }

    /// Roles on a path: a rule on a deeper path replaces what was inherited.
    fn roles_on(&self, authid: &str, path: &str) -> BTreeMap<String, bool> {
        let mut roles = BTreeMap::new();
        for prefix in prefixes(path) {
            let here = self.rules.get(prefix).and_then(|rules| rules.get(authid));
            let valid: BTreeMap<String, bool> = here
                .into_iter()
                .flatten()
                .filter(|(_, propagate)| **propagate || prefix == path)
                .map(|(role, propagate)| (role.clone(), *propagate))
                .collect();
            if !valid.is_empty() {
                roles = valid;
            }
        }
        roles
    }

    /// Whether all privileges are there.
    pub(crate) fn allows(&self, authid: &str, path: &str, wanted: &[&str]) -> bool {
        let held = self.privileges(authid, path);
        wanted.iter().all(|one| held.contains_key(*one))
    }

    /// 403 with the first missing privilege.
    pub(crate) fn check(
        &self,
        authid: &str,
        path: &str,
        wanted: &[&str],
    ) -> Result<(), ErrorResponse> {
        let held = self.privileges(authid, path);
        match wanted.iter().find(|one| !held.contains_key(**one)) {
            None => Ok(()),
            Some(missing) => Err(ErrorResponse::forbidden(&format!("{path}, {missing}"))),
        }
    }

    /// 403 that names all of them, where one is enough.
    pub(crate) fn check_any(
        &self,
        authid: &str,
        path: &str,
        any: &[&str],
    ) -> Result<(), ErrorResponse> {
        let held = self.privileges(authid, path);
        if any.iter().any(|one| held.contains_key(*one)) {
            return Ok(());
        }
        Err(ErrorResponse::forbidden(&format!(
            "{path}, {}",
            any.join("|")
        )))
    }

    /// A privilege on a container; the same privilege on the pool that it will join is enough.
    pub(crate) fn check_guest(
        &self,
        authid: &str,
        vmid: u32,
        pool: Option<&str>,
        wanted: &[&str],
    ) -> Result<(), ErrorResponse> {
        let by_pool =
            pool.is_some_and(|pool| self.allows(authid, &format!("/pool/{pool}"), wanted));
        if by_pool {
            return Ok(());
        }
        self.check(authid, &format!("/vms/{vmid}"), wanted)
    }

    /// All paths that `/access/permissions` looks at.
    pub(crate) fn paths(&self) -> BTreeSet<String> {
        let fixed = [
            "/",
            "/access",
            "/access/groups",
            "/nodes",
            "/pool",
            "/sdn",
            "/storage",
            "/vms",
        ];
        let mut paths: BTreeSet<String> = fixed.map(String::from).into();
        paths.extend(self.rules.keys().cloned());
        paths.extend(self.pools.iter().map(|pool| format!("/pool/{pool}")));
        paths.extend(self.pool_of_guest.keys().map(|id| format!("/vms/{id}")));
        paths
    }
}

fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let inner = path
        .match_indices('/')
        .skip(1)
        .map(|(at, _)| &path[..at])
        .chain((path != "/").then_some(path));
    std::iter::once("/").chain(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let mut access = Access::new();
        access.users.insert("a@pve".into(), User::default());
        access
    }

    #[test]
    fn a_deeper_rule_replaces_what_was_inherited() {
        let mut access = access();
        access.grant("/vms", "a@pve", "PVEVMAdmin");
        access.grant("/vms/100", "a@pve", "PVEVMUser");
        assert!(access.allows("a@pve", "/vms/101", &["VM.Allocate"]));
        assert!(!access.allows("a@pve", "/vms/100", &["VM.Allocate"]));
        assert!(access.allows("a@pve", "/vms/100", &["VM.Console"]));
    }

    #[test]
    fn a_pool_gives_its_rights_to_its_members_only() {
        let mut access = access();
        access.grant("/pool/p", "a@pve", "PVEVMAdmin");
        assert!(!access.allows("a@pve", "/vms/100", &["VM.Audit"]));
        access.pool_of_guest.insert(100, "p".into());
        assert!(access.allows("a@pve", "/vms/100", &["VM.Audit"]));
        access.grant("/vms/100", "a@pve", "NoAccess");
        assert!(!access.allows("a@pve", "/vms/100", &["VM.Audit"]));
    }

    #[test]
    fn a_separated_token_holds_what_both_were_given() {
        let mut access = access();
        let token = |privsep| Token {
            secret: "s".into(),
            privsep,
        };
        let user = access.users.get_mut("a@pve").unwrap();
        user.tokens.insert("own".into(), token(true));
        user.tokens.insert("same".into(), token(false));
        access.grant("/", "a@pve", "PVEAuditor");
        assert!(access.allows("a@pve!same", "/vms/1", &["VM.Audit"]));
        assert!(!access.allows("a@pve!own", "/vms/1", &["VM.Audit"]));
        access.grant("/vms", "a@pve!own", "PVEVMAdmin");
        assert!(access.allows("a@pve!own", "/vms/1", &["VM.Audit"]));
        assert!(!access.allows("a@pve!own", "/vms/1", &["VM.Allocate"]));
    }

    #[test]
    fn the_text_of_a_refusal_names_path_and_privilege() {
        let access = access();
        let refusal = access
            .check("a@pve", "/vms/101", &["VM.Audit"])
            .unwrap_err();
        assert_eq!(
            refusal.message,
            "Permission check failed (/vms/101, VM.Audit)"
        );
        let any = ["Datastore.AllocateSpace", "Datastore.Audit"];
        let refusal = access
            .check_any("a@pve", "/storage/local", &any)
            .unwrap_err();
        assert_eq!(
            refusal.message,
            "Permission check failed (/storage/local, Datastore.AllocateSpace|Datastore.Audit)"
        );
    }
}
