//! Defects of SSH servers and of the way to them.

use std::time::Duration;

use pve_sim::SshDefects;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::place::{Place, TIMEOUT, Way, new_key};

/// A moment in which nothing may come.
const MOMENT: Duration = Duration::from_millis(300);

impl Place {
    fn with_defects(&self, change: impl FnOnce(&mut SshDefects)) {
        let mut defects = SshDefects::default();
        change(&mut defects);
        self.node.sim.set_ssh_defects(100, defects);
    }

    /// The proxy's answer for port 22.
    async fn answer(&self) -> u8 {
        let address = self.address_of(100).await;
        self.dial(&address, 22).await.1
    }
}

/// The first line that a server sends; `None` if none comes in a moment.
async fn first_line(stream: &mut TcpStream, time: Duration) -> Option<String> {
    let mut line = Vec::new();
    let read = async {
        while !line.ends_with(b"\n") {
            line.push(stream.read_u8().await.ok()?);
        }
        Some(())
    };
    tokio::time::timeout(time, read).await.ok()??;
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[tokio::test]
async fn without_a_server_the_port_is_closed_and_others_are_not() {
    let place = Place::new(Way::Plain).await;
    place.with_defects(|defects| defects.no_server = true);
    assert_eq!(place.answer().await, 5);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = place.address_of(100).await;
    let port = listener.local_addr().unwrap().port();
    assert_eq!(place.dial(&address, port).await.1, 0);
    place.with_defects(|_| {});
    place.client().await;
    place.node.sim.stop().await;
}

#[tokio::test]
async fn a_server_that_starts_late_is_refused_first() {
    let place = Place::new(Way::Plain).await;
    let late = Duration::from_secs(3600);
    place.with_defects(|defects| defects.late = late);
    assert_eq!(place.answer().await, 5);
    place.node.sim.advance_clock(late);
    place.client().await;
    place.node.sim.stop().await;
}

#[tokio::test]
async fn without_its_keys_a_server_refuses_all() {
    let place = Place::new(Way::Plain).await;
    place.client().await;
    place.with_defects(|defects| defects.no_keys = true);
    let refused = place.log_in(&place.key).await;
    assert_eq!(refused.err().as_deref(), Some("permission denied"));
    // What a tenant does: the line of the service is removed.
    place.with_defects(|_| {});
    let client = place.client().await;
    client
        .output("sed -i /infra402/d \"$HOME/.ssh/authorized_keys\"")
        .await;
    let refused = place.log_in(&place.key).await;
    assert_eq!(refused.err().as_deref(), Some("permission denied"));
    place.node.sim.stop().await;
}

#[tokio::test]
async fn an_impostor_shows_another_key() {
    let place = Place::new(Way::Plain).await;
    let own = place.host_key_of(100).await;
    place.with_defects(|defects| defects.other_host_key = true);
    let other = place.host_key_of(100).await;
    assert_ne!(own, other);
    assert_eq!(
        place.host_key_of(100).await,
        other,
        "it is the same each time"
    );
    place.with_defects(|_| {});
    assert_eq!(place.host_key_of(100).await, own);
    place.node.sim.stop().await;
}

#[tokio::test]
async fn a_connection_has_so_many_sessions_and_a_place_is_free_when_one_ends() {
    let place = Place::new(Way::Plain).await;
    for most in [2, 10] {
        place.with_defects(|defects| defects.max_sessions = most);
        let client = place.client().await;
        let mut channels = Vec::new();
        for _ in 0..most {
            channels.push(client.begin("cat").await);
        }
        let refused = client.handle.channel_open_session().await;
        match refused {
            Err(russh::Error::ChannelOpenFailure(reason)) => {
                assert_eq!(reason, russh::ChannelOpenFailure::ConnectFailed);
            }
            other => panic!("{other:?}"),
        }
        let mut ended = channels.pop().unwrap();
        ended.eof().await.unwrap();
        while !matches!(
            super::place::next(&mut ended).await,
            russh::ChannelMsg::Close
        ) {}
        channels.push(client.begin("cat").await);
    }
    place.node.sim.stop().await;
}

#[tokio::test]
async fn wrong_keys_ban_an_address_where_the_server_punishes() {
    let place = Place::new(Way::Plain).await;
    for _ in 0..6 {
        assert!(place.log_in(&new_key()).await.is_err());
    }
    place.client().await;
    place.with_defects(|defects| defects.penalties = true);
    for _ in 0..4 {
        assert!(place.log_in(&new_key()).await.is_err());
    }
    let address = place.address_of(100).await;
    // The end of a connection is counted a moment after the client has seen it.
    let deadline = std::time::Instant::now() + TIMEOUT;
    loop {
        let (mut stream, answer) = place.dial(&address, 22).await;
        assert_eq!(answer, 0);
        let line = first_line(&mut stream, TIMEOUT).await;
        if line.as_deref() == Some("Not allowed at this time") {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{line:?}");
        drop(stream);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        place.log_in(&place.key).await.is_err(),
        "also with the right key"
    );
    place.node.sim.stop().await;
}

#[tokio::test]
async fn a_frozen_container_accepts_and_says_nothing_until_it_thaws() {
    let place = Place::new(Way::Plain).await;
    let before = place.client().await;
    place.with_defects(|defects| defects.frozen = true);
    let address = place.address_of(100).await;
    let (mut stream, answer) = place.dial(&address, 22).await;
    assert_eq!(answer, 0);
    assert_eq!(first_line(&mut stream, MOMENT).await, None);
    let asked = tokio::time::timeout(MOMENT, before.output("echo on")).await;
    assert!(asked.is_err(), "{asked:?}");
    place.with_defects(|_| {});
    let line = first_line(&mut stream, TIMEOUT).await.unwrap();
    assert!(line.starts_with("SSH-2.0-"), "{line}");
    assert_eq!(before.output("echo on").await, "on");
    place.with_defects(|defects| defects.frozen = true);
    place.power("stop").await;
    assert_eq!(
        place.dial(&address, 22).await.1,
        4,
        "a frozen one stops as well"
    );
    place.node.sim.stop().await;
}

#[tokio::test]
async fn behind_a_firewall_nothing_answers() {
    let place = Place::new(Way::Plain).await;
    place.with_defects(|defects| defects.filtered = true);
    let answer = tokio::time::timeout(MOMENT, place.answer()).await;
    assert!(answer.is_err(), "{answer:?}");
    place.with_defects(|_| {});
    assert_eq!(place.answer().await, 0);
    place.node.sim.stop().await;
}
