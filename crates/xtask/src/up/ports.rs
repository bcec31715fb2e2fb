//! Checks that the ports are free before anything is built, and finds the process that holds a
//! taken one.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

use super::services::{INGRESS_PORT, PROXMOX_API, SERVICES, SSH_PORT};
use super::settings::UpSettings;

/// Checks every port that a process will listen on.
///
/// # Errors
/// A port is taken. The message names its holder, where known, and the variable that changes it.
pub fn check(settings: &UpSettings) -> Result<()> {
    let problems: Vec<String> = wanted(settings)?
        .into_iter()
        .filter_map(|(part, variable, port)| {
            Some(format!(
                "{} wanted by {part}: {variable} changes it",
                port_problem(port)?
            ))
        })
        .collect();
    if !problems.is_empty() {
        bail!("not started:\n  {}", problems.join("\n  "));
    }
    Ok(())
}

/// The ports that are listened on, each with the part that does and the variable that changes it.
fn wanted(settings: &UpSettings) -> Result<Vec<(&'static str, &'static str, u16)>> {
    let mut wanted = Vec::new();
    for service in &SERVICES {
        wanted.push((service.name, service.port_variable, service.port(settings)?));
    }
    if settings.simulates_proxmox() {
        wanted.push((
            "the simulated Proxmox",
            "PVE_SIM_PORT",
            settings.simulator_port()?,
        ));
    }
    for (variable, default) in [INGRESS_PORT, SSH_PORT] {
        let port = settings.port(variable, default)?;
        // 0 switches it off.
        if port != 0 {
            wanted.push((PROXMOX_API.name, variable, port));
        }
    }
    Ok(wanted)
}

fn port_problem(port: u16) -> Option<String> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Some(match find_port_holder(port) {
            Some(holder) => format!("port {port} is taken by {holder},"),
            None => format!("port {port} is taken by another program,"),
        }),
        Err(error) => Some(format!("port {port} cannot be had ({error}),")),
    }
}

/// The listening process as `name (pid N)`, where /proc shows it.
fn find_port_holder(port: u16) -> Option<String> {
    let socket = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| table.lines().find_map(|line| listening_inode(line, port)))?;
    let link = format!("socket:[{socket}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue; // not a process, or the link to our own
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue; // a process of another user
        };
        let holds = |file: fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == link.as_str())
        };
        if files.flatten().any(holds) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim()));
        }
    }
    None
}

/// The socket's inode, if this line of /proc/net/tcp is a listener (state `0A`) on that port.
fn listening_inode(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(3)? == "0A" && u16::from_str_radix(local_port, 16) == Ok(port);
    if listens {
        fields.get(9).map(|inode| (*inode).to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_of_visitors_and_ssh_clients_are_looked_at_before_anything_is_built() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        for variable in ["INGRESS_PORT", "SSH_PORT"] {
            let refused = check(&UpSettings::from_pairs(&[(variable, &port)])).unwrap_err();
            let told = refused.to_string();
            let line = told.lines().find(|line| line.contains(&port)).unwrap();
            let end = format!("wanted by proxmox-api: {variable} changes it");
            assert!(line.ends_with(&end), "{told}");
        }
        let off = UpSettings::from_pairs(&[("INGRESS_PORT", "0"), ("SSH_PORT", "0")]);
        let variables = wanted(&off)
            .unwrap()
            .into_iter()
            .map(|(_, variable, _)| variable);
        assert_eq!(
            variables.collect::<Vec<_>>(),
            ["PORT", "AGENT_PORT", "WEB_PORT", "PVE_SIM_PORT"]
        );
    }

    #[test]
    fn a_taken_port_is_told_with_its_holder() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = port_problem(port).unwrap();
        assert!(
            told.starts_with(&format!("port {port} is taken by")),
            "{told}"
        );
        if cfg!(target_os = "linux") {
            assert!(
                told.contains(&format!("(pid {})", std::process::id())),
                "{told}"
            );
        }
        drop(listener);
        assert_eq!(port_problem(port), None);
    }
}
