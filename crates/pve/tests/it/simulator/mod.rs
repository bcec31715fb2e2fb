//! The client against the simulated Proxmox.

mod access;
mod certificates;
mod life;
mod outcomes;

use std::time::Duration;

use pve::{
    Auth, Client, ClientConfig, CreateContainer, NodeName, RootFs, TaskOutcome, Tls, Vmid,
    WaitOptions,
};
use pve_sim::{Sim, SimConfig};

const TEMPLATE: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";

async fn simulator() -> Sim {
    let config = SimConfig {
        time_scale: 0.001,
        ..SimConfig::default()
    };
    Sim::start(config).await.unwrap()
}

fn connect(sim: &Sim, auth: Auth, tls: Tls) -> Client {
    let mut config = ClientConfig::new(sim.url(), auth);
    config.tls = tls;
    Client::new(config).unwrap()
}

fn token(sim: &Sim) -> Auth {
    Auth::token(sim.token_id(), sim.token_secret())
}

fn by_token(sim: &Sim) -> Client {
    connect(sim, token(sim), Tls::CaPem(sim.ca_pem().into_bytes()))
}

fn ids(sim: &Sim) -> (NodeName, Vmid) {
    (sim.node().parse().unwrap(), "5001".parse().unwrap())
}

fn container(vmid: Vmid) -> CreateContainer {
    let rootfs = RootFs {
        storage: "local-lvm".into(),
        size_gib: 8,
    };
    let mut container = CreateContainer::new(vmid, TEMPLATE, rootfs);
    container.hostname = Some("box".into());
    container.net0 = Some(pve::Network::dhcp("vmbr0"));
    container.password_hash = Some("$6$salt$notarealhash".into());
    container.pool = Some("infra402".into());
    container.description = Some("{\"lease\":1}".into());
    container
}

async fn done(client: &Client, upid: &pve::Upid) -> TaskOutcome {
    client
        .wait(upid, WaitOptions::within(Duration::from_secs(10)))
        .await
        .unwrap()
}
