//! Network ends begin and end with their containers.

use pve_sim::{ShellMode, SimConfig};

use super::place::{Place, Way, eventually, processes_with};
use crate::client::Node;

/// Seconds that a program of a test sleeps, which tell it from all others.
async fn sleeper(place: &Place, seconds: u32) {
    let client = place.client().await;
    let script = format!("sleep {seconds} </dev/null >/dev/null 2>&1 &");
    client.output(&script).await;
    eventually("it sleeps", || processes_with(&seconds.to_string()) == 1).await;
    drop(client);
    // It outlives the command and the connection.
    let other = place.client().await;
    assert_eq!(other.output("echo on").await, "on");
    assert_eq!(processes_with(&seconds.to_string()), 1);
}

async fn nothing_is_left(way: Way, first: u32) {
    let place = Place::new(way).await;
    let name = |seconds: u32| seconds.to_string();
    sleeper(&place, first).await;
    place.power("stop").await;
    eventually("stop", || processes_with(&name(first)) == 0).await;

    place.power("start").await;
    sleeper(&place, first + 1).await;
    place.power("reboot").await;
    eventually("reboot", || processes_with(&name(first + 1)) == 0).await;

    sleeper(&place, first + 2).await;
    place.node.sim.kill_container(100);
    eventually("crash", || processes_with(&name(first + 2)) == 0).await;

    place.power("start").await;
    sleeper(&place, first + 3).await;
    let connected = place.client().await;
    place.node.sim.remove_container(100);
    eventually("removal", || processes_with(&name(first + 3)) == 0).await;
    let opened = connected.handle.channel_open_session().await;
    assert!(opened.is_err(), "its connections end as well");
    place.node.sim.stop().await;

    let place = Place::new(way).await;
    sleeper(&place, first + 4).await;
    place.node.sim.stop().await;
    eventually("the simulator's end", || {
        processes_with(&name(first + 4)) == 0
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_a_container_unconfined() {
    nothing_is_left(Way::Plain, 96_100).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_namespaces),
    ignore = "needs namespaces of ordinary users (Debian: util-linux)"
)]
async fn nothing_is_left_of_a_container_in_namespaces() {
    nothing_is_left(Way::Namespaces, 96_200).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_bubblewrap),
    ignore = "needs bubblewrap and the right to use it (Debian: bubblewrap)"
)]
async fn nothing_is_left_of_a_container_in_bubblewrap() {
    nothing_is_left(Way::Bubblewrap, 96_300).await;
}

#[tokio::test]
async fn a_container_that_is_powered_off_by_a_command_stops() {
    let place = Place::new(Way::Plain).await;
    let client = place.client().await;
    // The connection may end before its answer.
    let _ = client
        .handle
        .channel_open_session()
        .await
        .unwrap()
        .exec(true, "poweroff")
        .await;
    eventually("it stops", || {
        place.node.sim.container(100).unwrap().status == "stopped"
    })
    .await;
    place.power("start").await;
    assert_eq!(place.client().await.output("echo on").await, "on");
    place.node.sim.stop().await;
}

#[tokio::test]
async fn the_toy_has_no_network_end() {
    let toy = |config: &mut SimConfig| {
        Way::Plain.configure(config);
        config.shell = ShellMode::Toy;
    };
    let node = Node::with(toy).await;
    node.running(100).await;
    let address = "10.64.0.100";
    let deadline = std::time::Instant::now() + super::place::TIMEOUT;
    loop {
        let (_, answer) = super::place::dial(node.sim.guest_proxy(), address, 22).await;
        match answer {
            // It has no address yet.
            4 => assert!(std::time::Instant::now() < deadline),
            answer => {
                assert_eq!(answer, 5);
                break;
            }
        }
    }
    node.sim.stop().await;
}
