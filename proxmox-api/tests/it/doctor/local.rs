//! The service's own machine: its port, files and clock, and the addresses that browsers use.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use proxmox_api::{
    doctor::{Severity, command::examine_all, report},
    store::{Database, Store},
};
use service::clock::{Clock as _, SystemClock, TestClock};

use super::{Installation, error, warning};
use crate::{postgres::Postgres, support::TestApp};

#[tokio::test]
async fn a_port_that_somebody_else_has_is_named() {
    let installation = Installation::start().await;
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port();
    let finding = installation.only(&[("PORT", &port.to_string())]).await;
    error(&finding, "listen", "already in use");
    assert!(finding.mend[0].starts_with("PORT="), "{finding:?}");
}

#[tokio::test]
async fn a_port_that_this_service_has_itself_is_fine() {
    let installation = Installation::start().await;
    let running = TestApp::start().await;
    let port = running.url.rsplit_once(':').unwrap().1;
    let finding = installation.of("listen", &[("PORT", port)]).await;
    assert_eq!(finding.severity, Severity::Ok, "{finding:#?}");
    assert!(finding.found.contains("running there already"));
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_named() {
    let installation = Installation::start().await;
    let file = installation.folder.path().join("in-the-way");
    std::fs::write(&file, "not a folder").unwrap();
    let below = file.join("infra402.sqlite").display().to_string();
    error(
        &installation.only(&[("DATABASE", &below)]).await,
        "store",
        "",
    );
    // A file that is not a database.
    let path = file.display().to_string();
    error(
        &installation.only(&[("DATABASE", &path)]).await,
        "store",
        "not a database",
    );
}

#[tokio::test]
async fn a_store_in_use_is_fine_and_one_of_a_later_release_is_not_touched() {
    let installation = Installation::start().await;
    let path = installation.folder.path().join("infra402.sqlite");
    let _open = Store::open(&path).unwrap();
    installation.is_fine(&[]).await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "user_version", 1_000)
        .unwrap();
    error(&installation.only(&[]).await, "store", "a newer release");
}

#[tokio::test]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_store_on_a_server_is_examined_and_what_mends_it_is_said() {
    let urls = tokio::task::spawn_blocking(|| {
        let server = Postgres::shared();
        let name = server.empty();
        server.sql("postgres", "CREATE ROLE other LOGIN");
        let plain = "sslmode=disable";
        (
            server.url("postgres", &name, plain),
            server.url("other", &name, plain),
            server.url("postgres", "nowhere", plain),
        )
    });
    let (good, powerless, nowhere) = urls.await.unwrap();
    let installation = Installation::start().await;
    let fresh = installation.of("store", &[("DATABASE", &good)]).await;
    assert!(fresh.found.contains("will be made"), "{fresh:#?}");
    let finding = installation.only(&[("DATABASE", &powerless)]).await;
    error(&finding, "store", "may make no tables");
    let finding = installation.only(&[("DATABASE", &nowhere)]).await;
    error(&finding, "store", "does not exist");
    let away = "postgres://user:s3cret@127.0.0.1:1/infra402";
    let finding = installation.only(&[("DATABASE", away)]).await;
    error(&finding, "store", "cannot connect");
    assert!(!format!("{finding:?}").contains("s3cret"));
    let _open = Store::open_database(&Database::parse(&good).unwrap())
        .await
        .unwrap();
    installation.is_fine(&[("DATABASE", &good)]).await;
    let wrong = [("DATABASE", "postgres://db.example")];
    let bad = installation.of("configuration", &wrong).await;
    assert!(bad.found.contains("database"), "{bad:#?}");
}

#[tokio::test]
async fn a_folder_that_is_only_to_be_read_is_named() {
    let installation = Installation::start().await;
    let folder = installation.folder.path().join("locked");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o500)).unwrap();
    let path = folder.join("infra402.sqlite").display().to_string();
    let finding = installation.of("store", &[("DATABASE", &path)]).await;
    // Root may write everywhere, so the check finds nothing.
    let may_write = std::fs::write(folder.join("probe"), "").is_ok();
    assert_eq!(finding.severity == Severity::Ok, may_write, "{finding:#?}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_found_by_the_hosts() {
    let installation = Installation::start().await;
    let now = SystemClock.unix_seconds();
    for (time, found) in [(now + 600, "seconds ahead"), (now - 600, "seconds behind")] {
        let findings = examine_all(&installation.env(&[]), Arc::new(TestClock::at(time))).await;
        let bad: Vec<_> = findings
            .iter()
            .filter(|finding| finding.severity != Severity::Ok)
            .collect();
        assert_eq!(bad.len(), 1, "{bad:#?}");
        warning(bad[0], "time", found);
    }
    let close = TestClock::at(now);
    close.advance(Duration::from_secs(10));
    let findings = examine_all(&installation.env(&[]), Arc::new(close)).await;
    assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");
}

#[tokio::test]
async fn addresses_that_browsers_cannot_use_are_a_warning() {
    let installation = Installation::start().await;
    let finding = installation.only(&[("ALLOWED_ORIGINS", "*")]).await;
    warning(&finding, "browsers.origins", "every page may call");
    let shop = ("ALLOWED_ORIGINS", "https://shop.example");
    let finding = installation
        .only(&[shop, ("PUBLIC_BASE_URL", "http://lease.example")])
        .await;
    warning(&finding, "browsers.address", "in the clear");
    let finding = installation
        .only(&[("PUBLIC_BASE_URL", "https://lease.example")])
        .await;
    warning(&finding, "browsers.origins", "only pages of this machine");
    let finding = installation
        .only(&[
            ("BIND", "0.0.0.0"),
            ("PUBLIC_BASE_URL", "http://localhost:4021"),
        ])
        .await;
    warning(&finding, "browsers.address", "names itself");
}

/// The checks that run at every start report the same for the same installation.
#[tokio::test]
async fn a_start_examines_without_disturbing_anybody() {
    let app = TestApp::with(&[("PVE_OS_TEMPLATE", "local:vztmpl/nowhere.tar.zst")]).await;
    let state = &app.app;
    let findings = proxmox_api::doctor::examine(
        &state.config,
        &state.proxmox,
        state.facilitator.as_ref(),
        state.clock.as_ref(),
    )
    .await;
    let bad: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.check)
        .collect();
    assert_eq!(bad, ["proxmox.templates"], "{findings:#?}");
    assert_eq!(app.sim.request_count("POST", ""), 0);
}
